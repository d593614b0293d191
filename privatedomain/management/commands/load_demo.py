"""`manage load_demo`: the demo brand with accounts, people and history."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from core.errors import AppError
from privatedomain.demo import loading


class Command(BaseCommand):
    help = "Load demo data into an empty copy that runs with its sandbox (DEMO=1)."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--quiet-phones",
            action="store_true",
            help="Nobody writes at the end, so that no conversation waits.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.DEMO:
            raise CommandError("Demo data is for copies that run with DEMO=1.")
        try:
            loaded = loading.load()
        except AppError as error:
            raise CommandError(str(error.message)) from error
        except OSError as error:
            raise CommandError(
                f"The sandbox at {settings.SANDBOX_URL} does not answer: {error}"
            ) from error
        writers = 0 if options["quiet_phones"] else loading.let_people_write()
        self.stdout.write(
            f"{loaded.members} members, {loaded.conversations} conversations; "
            f"{writers} people are writing now"
        )
