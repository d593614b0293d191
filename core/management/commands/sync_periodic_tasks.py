from typing import Any

from django.core.management.base import BaseCommand

from core.periodic import sync_periodic_tasks


class Command(BaseCommand):
    help = "Bring the beat entries in line with the code; times stay as operators set."

    def handle(self, *args: Any, **options: Any) -> None:
        sync_periodic_tasks()
