"""`manage mark_restore REASON`: hold all sending after a restore."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from core.models import Instance
from privatedomain import epoch


class Command(BaseCommand):
    help = "Hold all sending and move the epoch on (script/restore calls this)."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("reason")

    def handle(self, *args: Any, **options: Any) -> None:
        Instance.objects.get_or_create(pk=1)
        epoch.hold(options["reason"])
        epoch.advance()
