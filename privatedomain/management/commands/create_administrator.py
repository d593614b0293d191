"""`manage create_administrator`: the first administrator of a copy without demo data."""

from __future__ import annotations

import getpass
import os
import sys
from typing import Any

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import translation

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
        with translation.override("en"):  # as everything in the terminal
            username, password = self._from_environment() or self._ask()
            problems = [*_of_username(username), *_of_password(username, password)]
        if problems:
            raise CommandError("\n".join(problems))
        name = os.environ.get("ADMIN_DISPLAY_NAME") or username
        create_administrator(username, password, name)
        self.stdout.write(f"Administrator '{username}' created.")

    def _from_environment(self) -> tuple[str, str] | None:
        username = os.environ.get("ADMIN_USERNAME")
        password = os.environ.get("ADMIN_PASSWORD")
        if username and password:
            return username, password
        if not sys.stdin.isatty():
            raise CommandError(
                "There is no administrator yet: set ADMIN_USERNAME and ADMIN_PASSWORD, "
                "or run ./script/manage create_administrator in a terminal."
            )
        return None

    def _ask(self) -> tuple[str, str]:
        """Ask in the terminal until both will do."""
        username = input("Username of the first administrator: ").strip()
        while problems := _of_username(username):
            self.stderr.write("\n".join(problems))
            username = input("Username: ").strip()
        while True:
            password = getpass.getpass("Password (12 characters or more): ")
            problems = _of_password(username, password)
            if not problems and password != getpass.getpass("Again: "):
                problems = ["The two differ."]
            if not problems:
                return username, password
            self.stderr.write("\n".join(problems))


def _of_username(username: str) -> list[str]:
    """What is wrong with the name, in words."""
    try:
        Staff._meta.get_field("username").clean(username, None)
    except ValidationError as error:
        return error.messages
    if Staff.objects.filter(username=username).exists():
        return [f"There is a staff member '{username}' already."]
    return []


def _of_password(username: str, password: str) -> list[str]:
    try:
        validate_password(password, Staff(username=username))
    except ValidationError as error:
        return error.messages
    return []
