"""Accounts of the people and of the automatic writers."""

from __future__ import annotations

import secrets
import string
from collections.abc import Iterable
from functools import partial
from typing import Any

from django.contrib.auth.models import Group
from django.contrib.auth.password_validation import validate_password
from django.contrib.sessions.models import Session
from django.db import connection, transaction
from django.db.models.signals import post_migrate
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from core import audit, live, registry
from core.errors import AppError
from staff import tokens
from staff.models import OrgUnit, Staff

# Read aloud and typed by hand: no 0/O, 1/l/I.
_ALPHABET = "".join(c for c in string.ascii_letters + string.digits if c not in "0O1lI")


class LastAdministrator(AppError):
    code = "last_administrator"
    message = _("The last administrator can't be deactivated.")


# Automatic writers act for every event; their rows never change. By database, because
# a process may look at several; a rolled back row is never remembered.
_writers: dict[tuple[str, str, str], Staff] = {}


def forget_writers(**_: Any) -> None:
    """For who has emptied the database."""
    _writers.clear()


post_migrate.connect(forget_writers)


def system_staff(source: str) -> Staff:
    """The one Staff that an automatic writer ("wechat.inbox") acts as.

    It can't log in: no usable password, not active for the admin.
    """
    known = connection.settings_dict
    key = (str(known["PORT"]), str(known["NAME"]), source)
    found = _writers.get(key)
    if found is not None:
        return found
    found, _created = Staff.objects.get_or_create(
        username=f"system:{source}",
        defaults={
            "display_name": source,
            "is_system": True,
            "is_active": False,
            "is_staff": False,
            "password": "!",
        },
    )
    transaction.on_commit(partial(_writers.__setitem__, key, found))
    return found


def temporary_password() -> str:
    return "-".join(
        "".join(secrets.choice(_ALPHABET) for _ in range(5)) for _ in range(3)
    )


@transaction.atomic
def create_staff(
    *,
    username: str,
    display_name: str,
    org_unit: OrgUnit | None,
    roles: Iterable[str],
    actor: Staff,
    language: str = "zh-hans",
) -> tuple[Staff, str]:
    """Create a person with these roles; returns them and the temporary password.

    The password is shown once. Raises ValidationError.
    """
    names = sorted(set(roles))
    password = temporary_password()
    person = Staff(
        username=username,
        display_name=display_name,
        org_unit=org_unit,
        language=language,
        is_staff=True,
        # Administrators see every row and hold every permission (staff.roles).
        is_superuser="administrator" in names,
        must_change_password=True,
    )
    person.set_password(password)
    person.full_clean()
    person.save()
    person.groups.set(Group.objects.filter(name__in=names))
    audit.record(
        "staff.staff.created",
        person,
        actor=actor,
        after={
            "org_unit": org_unit.pk if org_unit else None,
            "roles": names,
        },
        label=person.username,
    )
    return person, password


def open_sessions(person: Staff) -> list[str]:
    """Keys of the person's sessions that still hold."""
    return [
        session.session_key
        for session in Session.objects.filter(expire_date__gt=timezone.now())
        if session.get_decoded().get("_auth_user_id") == str(person.pk)
    ]


def end_sessions(person: Staff, *, keep: str | None = None) -> int:
    """Log the person out everywhere, but in the session `keep`; returns how many."""
    ended = [key for key in open_sessions(person) if key != keep]
    Session.objects.filter(session_key__in=ended).delete()
    # Open sockets of this person look at their session again and close.
    live.notify(f"staff.{person.pk}", session="ended")
    return len(ended)


@transaction.atomic
def reset_password(person: Staff, *, actor: Staff) -> str:
    """Give a new temporary password, shown once; ends every session."""
    password = temporary_password()
    person.set_password(password)
    person.must_change_password = True
    person.save(update_fields=["password", "must_change_password"])
    end_sessions(person)
    audit.record(
        "staff.staff.password_reset", person, actor=actor, label=person.username
    )
    return password


@transaction.atomic
def change_password(person: Staff, password: str, *, keep_session: str | None) -> None:
    """The person's own change; every other session ends. Raises ValidationError."""
    validate_password(password, person)
    person.set_password(password)
    person.must_change_password = False
    person.save(update_fields=["password", "must_change_password"])
    end_sessions(person, keep=keep_session)
    audit.record(
        "staff.staff.password_changed", person, actor=person, label=person.username
    )


@transaction.atomic
def deactivate(person: Staff, *, actor: Staff, reason: str = "") -> None:
    """Close the account: sessions, API token and sockets die, work goes back.

    Raises LastAdministrator.
    """
    row = Staff.objects.select_for_update().get(pk=person.pk)
    if not row.is_active:
        return
    others = Staff.objects.working().filter(is_superuser=True).exclude(pk=row.pk)
    if row.is_superuser and not others.exists():
        raise LastAdministrator
    row.is_active = False
    row.deactivated_at = timezone.now()
    row.save(update_fields=["is_active", "deactivated_at"])
    tokens.revoke_all(row, actor=actor)
    for handler in registry.on_staff_deactivated:
        handler(row, actor=actor)
    end_sessions(row)
    audit.record(
        "staff.staff.deactivated", row, actor=actor, reason=reason, label=row.username
    )
    person.is_active, person.deactivated_at = False, row.deactivated_at


@transaction.atomic
def reactivate(person: Staff, *, actor: Staff) -> str:
    """Open the account again with a new temporary password."""
    person.is_active, person.deactivated_at = True, None
    person.save(update_fields=["is_active", "deactivated_at"])
    audit.record("staff.staff.reactivated", person, actor=actor, label=person.username)
    return reset_password(person, actor=actor)
