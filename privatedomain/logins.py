"""The staff a demo starts with, one per role, and the file that tells their logins.

`DATA_DIR/logins.json`, mode 600:
`{"<key>": {"username", "password", "api_token"}}`.
"""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.contrib.auth.models import Group
from django.db import transaction

from privatedomain.demo.units import demo_units
from privatedomain.instance import write_private
from staff import tokens
from staff.models import Staff

TOKEN_NAME = "demo"  # noqa: S105


@dataclass(frozen=True)
class DemoPerson:
    """`unit` is a key of `demo_units()`."""

    key: str
    role: str
    display_name: str
    unit: str


PEOPLE = (
    DemoPerson("administrator", "administrator", "高远", "brand"),
    DemoPerson("privacy_officer", "privacy_officer", "沈言", "brand"),
    DemoPerson("ops_specialist", "ops_specialist", "许晴", "brand"),
    DemoPerson("community_manager", "community_manager", "方圆", "brand"),
    DemoPerson("agent", "agent", "周敏", "brand"),
    DemoPerson("agent2", "agent", "王磊", "brand"),
    DemoPerson("supervisor", "supervisor", "李慧", "brand"),
    DemoPerson("ops_manager", "ops_manager", "陈涛", "brand"),
    DemoPerson("store_manager", "store_manager", "赵静", "store_hubin"),
    DemoPerson("dealer", "dealer", "孙航", "dealer"),
    DemoPerson("analyst", "analyst", "何书", "brand"),
)


def create_demo_staff() -> dict[str, dict[str, str]]:
    """Make whoever is missing and keep the logins file true; returns its content.

    A person whose login the file does not tell gets a new password and token.
    """
    known = read_logins()
    for person in PEOPLE:
        with transaction.atomic():
            staff = Staff.objects.filter(username=person.key).first()
            if staff is not None and person.key in known:
                continue
            staff = staff or _hire(person)
            known[person.key] = _new_login(staff)
        # After each: what stands in the database must be in the file.
        write_private(login_file(), json.dumps(known, indent=2) + "\n")
    return known


def create_administrator(username: str, password: str, display_name: str) -> Staff:
    """The first administrator of a copy without demo data."""
    with transaction.atomic():
        staff = Staff.objects.create_user(
            username,
            password=password,
            display_name=display_name,
            is_staff=True,
            is_superuser=True,
        )
        staff.groups.add(Group.objects.get(name="administrator"))
    return staff


def read_logins() -> dict[str, dict[str, str]]:
    path = login_file()
    if not path.exists():
        return {}
    content: dict[str, dict[str, str]] = json.loads(path.read_text())
    return content


def login_file() -> Path:
    return Path(settings.DATA_DIR) / "logins.json"


def _hire(person: DemoPerson) -> Staff:
    staff = Staff.objects.create_user(
        person.key,
        display_name=person.display_name,
        org_unit=demo_units()[person.unit],
        is_staff=True,
        is_superuser=person.role == "administrator",
    )
    staff.groups.add(Group.objects.get(name=person.role))
    return staff


def _new_login(staff: Staff) -> dict[str, str]:
    password = secrets.token_urlsafe(12)
    staff.set_password(password)
    staff.save(update_fields=["password"])
    tokens.revoke_all(staff, actor=staff)
    token = tokens.issue(staff, name=TOKEN_NAME, actor=staff)
    return {"username": staff.username, "password": password, "api_token": token}
