from typing import Any

from django.core.management.base import BaseCommand

from staff.roles import sync_roles


class Command(BaseCommand):
    help = "Make the groups of the roles equal to staff/roles.py."

    def handle(self, *args: Any, **options: Any) -> None:
        for role, names in sync_roles().items():
            self.stderr.write(f"{role}: no such permission: {', '.join(names)}")
