"""`manage create_demo_staff`: one login per role, kept in DATA_DIR/logins.json."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from privatedomain.logins import create_demo_staff, login_file


class Command(BaseCommand):
    help = "Create one staff member per role and write their logins file."

    def handle(self, *args: Any, **options: Any) -> None:
        logins = create_demo_staff()
        self.stdout.write(f"{len(logins)} logins in {login_file()}")
