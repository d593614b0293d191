from typing import Any

from django.core.management.base import BaseCommand

from core import registry


class Command(BaseCommand):
    help = "Write the rows the code relies on (limits, default rules); safe to repeat."

    def handle(self, *args: Any, **options: Any) -> None:
        for write in registry.builtin_data:
            write()
