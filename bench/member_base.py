"""The made-up base that the benches of members stand on; made once and kept.

with harness.copy("segments") as stack:
    member_base.prepare(stack, 100_000)
"""

from __future__ import annotations

from typing import Any

from tests.stack import Stack

SEED = 1


def prepare(stack: Stack, members: int) -> None:
    """`members` made-up members in the copy's database, those of an earlier run if as many.

    Anything else in the database is emptied first. `stack` has its servers up (its web
    and workers not), and this process's ORM is on its database, as harness.copy leaves
    it.
    """
    from crm.generating import generate
    from crm.models import Member

    if Member.objects.count() == members:
        return
    _empty()
    generate(members, seed=SEED, say=_say)


def _say(line: str) -> None:
    print(line, flush=True)


def _empty() -> None:
    from django.core.management import call_command
    from django.db import connection

    from crm.generating.loading import restore

    restore()
    call_command("flush", interactive=False, verbosity=0)
    # Made by a migration, so `flush` does not know it.
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE crm_event")
    for command in ("sync_roles", "sync_periodic_tasks", "sync_builtin_data"):
        call_command(command, verbosity=0)


def superuser() -> Any:
    """Who looks at everything, made when missing."""
    from staff.models import Staff

    found = Staff.objects.filter(username="bench").first()
    return found or Staff.objects.create_user(
        "bench", display_name="bench", is_superuser=True, is_staff=True
    )


def manager() -> Any:
    """Who looks at the brand's members: placed at the brand, not a superuser."""
    from staff.models import OrgUnit, Staff

    found = Staff.objects.filter(username="bench-manager").first()
    if found is None:
        brand = OrgUnit.objects.filter(parent=None).earliest("id")
        found = Staff.objects.create_user(
            "bench-manager", display_name="bench", org_unit=brand, is_staff=True
        )
        from django.contrib.auth.models import Group

        found.groups.add(Group.objects.get(name="supervisor"))
    return found
