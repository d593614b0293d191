"""`manage create_administrator`: the first administrator of a copy without demo data."""

from __future__ import annotations

import getpass
import os
import sys
from typing import Any

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser

from privatedomain.logins import create_administrator
from staff.models import Staff


class Command(BaseCommand):
    help = (
        "Create an administrator: ADMIN_USERNAME and ADMIN_PASSWORD from the "
        "environment, else asked for."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--if-none", action="store_true", help="Do nothing when there is one."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["if_none"] and Staff.objects.filter(is_superuser=True).exists():
            return
        username, password = self._login()
        if Staff.objects.filter(username=username).exists():
            raise CommandError(f"There is a staff member '{username}' already.")
        try:
            validate_password(password, Staff(username=username))
        except ValidationError as error:
            raise CommandError("\n".join(error.messages)) from error
        name = os.environ.get("ADMIN_DISPLAY_NAME") or username
        create_administrator(username, password, name)
        self.stdout.write(f"Administrator '{username}' created.")

    def _login(self) -> tuple[str, str]:
        username = os.environ.get("ADMIN_USERNAME")
        password = os.environ.get("ADMIN_PASSWORD")
        if username and password:
            return username, password
        if not sys.stdin.isatty():
            raise CommandError(
                "There is no administrator yet: set ADMIN_USERNAME and ADMIN_PASSWORD, "
                "or run ./script/manage create_administrator in a terminal."
            )
        username = input("Username of the first administrator: ").strip()
        while not username:
            username = input("Username: ").strip()
        while True:
            password = getpass.getpass("Password (12 characters or more): ")
            if password == getpass.getpass("Again: "):
                return username, password
            self.stderr.write("The two differ.")
