"""`manage generate`: a base of made-up members, for measuring and for trying things."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from crm.generating import HasMembers, generate


class Command(BaseCommand):
    help = (
        "Make members with identities, tags, history and orders, by COPY. The same seed "
        "gives the same people. Stop the processes of the copy first."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--members", type=int, required=True)
        parser.add_argument("--seed", type=int, default=1)
        parser.add_argument(
            "--add", action="store_true", help="also when there are members already"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["members"] < 1:
            raise CommandError("--members: at least 1.")
        try:
            generate(
                options["members"],
                seed=options["seed"],
                add=options["add"],
                say=self._say,
            )
        except HasMembers as error:
            raise CommandError(str(error)) from error

    def _say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()
