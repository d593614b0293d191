"""`manage prepare`: everything a new or upgraded copy needs before it serves."""

from __future__ import annotations

import json
import os
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand

from core.models import Heartbeat, Instance
from privatedomain import epoch
from privatedomain.instance import current, write_private
from wechat.models import Account

SYNCS = ("sync_roles", "sync_periodic_tasks", "sync_builtin_data")


class Command(BaseCommand):
    help = (
        "Migrate, sync roles, periodic tasks and built-in data, and hold all sending "
        "when the database was restored. Safe to repeat."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        current().prepare_folders()
        # A migration that cannot get its lock must fail, not stop the console.
        os.environ.setdefault("PGOPTIONS", "-c lock_timeout=5s")
        call_command("migrate", interactive=False, verbosity=options["verbosity"])
        for name in SYNCS:
            call_command(name, verbosity=options["verbosity"])
        if epoch.check_and_advance():
            self.stderr.write(
                "The database was restored: all sending is held until an "
                "administrator releases it."
            )
        # What an earlier run left is no sign of life of this one.
        Heartbeat.objects.all().delete()
        if settings.DEMO:
            self._follow_sandbox()
            call_command("create_demo_staff", verbosity=options["verbosity"])
        else:
            call_command("create_administrator", if_none=True)
        self._tell_facts()

    def _follow_sandbox(self) -> None:
        """The sandbox may answer on another port than at the last start."""
        before, now = self._known_facts().get("sandbox_url"), settings.SANDBOX_URL
        if before and before != now:
            accounts = Account.objects.filter(is_sandbox=True)
            for account in accounts.filter(api_base_url__startswith=f"{before}/"):
                account.api_base_url = now + account.api_base_url.removeprefix(before)
                account.save(update_fields=["api_base_url"])

    def _known_facts(self) -> dict[str, Any]:
        path = settings.DATA_DIR / "run" / "facts.json"
        facts: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
        return facts

    def _tell_facts(self) -> None:
        """For `script/up`, which does not import Django itself."""
        held = Instance.objects.filter(pk=1, sending_held_at__isnull=False).exists()
        facts = {
            "is_empty": not Account.objects.exists(),
            "is_sending_held": held,
            "sandbox_url": settings.SANDBOX_URL,
        }
        folder = settings.DATA_DIR / "run"
        folder.mkdir(parents=True, exist_ok=True)
        write_private(folder / "facts.json", json.dumps(facts))
