"""Creating, closing and opening accounts, by the pages an administrator uses."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.contrib.sessions.models import Session
from django.core.management import call_command
from django.test import Client
from django.urls import reverse

from core import registry
from core.models import AuditEntry
from staff import accounts, tokens
from staff.models import OrgUnit, Staff
from tests.conftest import PASSWORD, build_staff


@pytest.fixture
def brand(db: None) -> OrgUnit:
    return OrgUnit.objects.create(name="林间", kind="brand")


@pytest.fixture
def administrator(brand: OrgUnit) -> Staff:
    return build_staff("administrator", org_unit=brand)


@pytest.fixture
def desk(administrator: Staff) -> Client:
    client = Client()
    client.force_login(administrator)
    return client


def _logs_in(client: Client, username: str, password: str) -> bool:
    data = {"username": username, "password": password}
    return client.post("/admin/login/", data).status_code == 302


def _secret(response: Any) -> str:
    found = re.search(r'id="secret-once"[^>]*>([^<]+)<', response.content.decode())
    assert found, response.content.decode()[:400]
    return found[1]


def _create(desk: Client, brand: OrgUnit, *roles: str, **fields: str) -> Any:
    call_command("sync_roles", verbosity=0)
    groups = Group.objects.filter(name__in=roles)
    return desk.post(
        reverse("admin:staff_staff_add"),
        {
            "username": "zhoumin",
            "display_name": "周敏",
            "language": "zh-hans",
            "org_unit": str(brand.pk),
            "roles": [str(g.pk) for g in groups],
            **fields,
        },
    )


def test_a_new_person_gets_a_password_shown_once_that_must_be_changed(
    desk: Client, brand: OrgUnit
) -> None:
    password = _secret(_create(desk, brand, "agent"))
    person = Staff.objects.get(username="zhoumin")
    assert [group.name for group in person.groups.all()] == ["agent"]
    assert not person.is_superuser

    own = Client()
    assert _logs_in(own, "zhoumin", password)
    assert own.get("/admin/").headers["Location"] == reverse("admin:password_change")
    new = {"new_password1": "quiet-lake-77", "new_password2": "quiet-lake-77"}
    own.post(reverse("admin:password_change"), {"old_password": password, **new})
    assert own.get("/admin/").status_code == 200


def test_a_taken_user_name_is_said_in_the_form_and_nothing_is_lost(
    desk: Client, brand: OrgUnit
) -> None:
    build_staff(username="zhoumin")
    page = _create(desk, brand, "agent").content.decode()
    assert "周敏" in page
    assert Staff.objects.filter(username="zhoumin").count() == 1


def test_an_administrator_is_a_superuser_and_loses_it_with_the_role(
    desk: Client, brand: OrgUnit
) -> None:
    _create(desk, brand, "administrator")
    person = Staff.objects.get(username="zhoumin")
    assert person.is_superuser
    agent = Group.objects.get(name="agent")
    desk.post(
        reverse("admin:staff_staff_change", args=[person.pk]),
        {
            "display_name": "周敏",
            "language": "zh-hans",
            "org_unit": str(brand.pk),
            "roles": [str(agent.pk)],
        },
    )
    person.refresh_from_db()
    assert not person.is_superuser
    assert AuditEntry.objects.filter(action="staff.staff.roles_changed").exists()


def test_deactivating_ends_sessions_tokens_and_work(
    desk: Client, brand: OrgUnit, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = build_staff("agent", org_unit=brand, username="leaver")
    token = tokens.issue(person, name="script", actor=person)
    theirs = Client()
    theirs.force_login(person)
    assert theirs.get("/admin/").status_code == 200
    told: list[Any] = []
    monkeypatch.setattr(
        registry,
        "on_staff_deactivated",
        [lambda staff, **_: told.append(staff.pk)],
    )
    address = reverse("admin:staff_staff_deactivate", args=[person.pk])
    assert desk.get(address).status_code == 200
    desk.post(address, {"name": "离职"})

    person.refresh_from_db()
    assert not person.is_active
    assert person.deactivated_at is not None
    assert theirs.get("/admin/").status_code == 302
    assert accounts.open_sessions(person) == []
    assert tokens.find(token) is None
    assert told == [person.pk]
    assert AuditEntry.objects.get(action="staff.staff.deactivated").reason == "离职"
    assert not _logs_in(Client(), "leaver", PASSWORD)


def test_the_own_account_and_the_last_administrator_stay(
    desk: Client, administrator: Staff
) -> None:
    address = reverse("admin:staff_staff_deactivate", args=[administrator.pk])
    assert "不能停用自己的账号" in desk.post(address).content.decode()
    with pytest.raises(accounts.LastAdministrator):
        accounts.deactivate(administrator, actor=administrator)


def test_a_reset_password_ends_every_session_and_opens_only_its_own_page(
    desk: Client, brand: OrgUnit
) -> None:
    person = build_staff("agent", org_unit=brand)
    theirs = Client()
    theirs.force_login(person)
    address = reverse("admin:staff_staff_reset_password", args=[person.pk])
    password = _secret(desk.post(address))
    assert theirs.get("/admin/me/").status_code == 302
    again = Client()
    assert _logs_in(again, person.username, password)
    assert again.get("/admin/me/").headers["Location"].endswith("/password_change/")


def test_only_an_administrator_touches_an_administrator(brand: OrgUnit) -> None:
    from django.contrib.auth.models import Permission

    helper = build_staff(org_unit=brand)
    helper.user_permissions.set(
        Permission.objects.filter(content_type__app_label="staff")
    )
    chief = build_staff("administrator", org_unit=brand)
    client = Client()
    client.force_login(helper)
    for name in ("reset_password", "deactivate", "issue_token"):
        address = reverse(f"admin:staff_staff_{name}", args=[chief.pk])
        assert client.post(address, {"name": "x"}).status_code == 403
    _create(client, brand, "administrator", username="made")
    assert not Staff.objects.filter(username="made").exists()


def test_ones_own_change_of_password_ends_the_other_sessions(brand: OrgUnit) -> None:
    person = build_staff("agent", org_unit=brand)
    here, there = Client(), Client()
    here.force_login(person)
    there.force_login(person)
    new = {"new_password1": "quiet-lake-77", "new_password2": "quiet-lake-77"}
    here.post(reverse("admin:password_change"), {"old_password": PASSWORD, **new})
    assert here.get("/admin/me/").status_code == 200
    assert there.get("/admin/me/").status_code == 302


def test_the_other_sessions_can_be_ended_alone(brand: OrgUnit) -> None:
    person = build_staff("agent", org_unit=brand)
    here, there = Client(), Client()
    here.force_login(person)
    there.force_login(person)
    here.post(reverse("admin:end_other_sessions"))
    assert here.get("/admin/me/").status_code == 200
    assert there.get("/admin/me/").status_code == 302
    assert Session.objects.count() == 1


def test_a_writer_of_the_system_is_one_row_and_cannot_log_in(db: None) -> None:
    first = accounts.system_staff("wechat.inbox")
    assert accounts.system_staff("wechat.inbox") == first
    assert not first.has_usable_password()
    assert not _logs_in(Client(), first.username, "!")


def test_roles_are_what_the_code_says_and_name_only_permissions_that_exist(
    db: None,
) -> None:
    from staff.roles import ROLES, sync_roles

    assert sync_roles() == {}
    group = Group.objects.get(name="agent")
    group.permissions.clear()
    sync_roles()
    assert group.permissions.count() == len(
        next(role for role in ROLES if role.name == "agent").permissions
    )
