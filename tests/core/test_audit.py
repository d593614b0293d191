"""The trail can be added to and read, never changed."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.urls import reverse

from core import audit
from core.models import AuditEntry
from privatedomain.audit_labels import LABELS
from privatedomain.translations import BASE_DIR
from staff.models import OrgUnit
from tests.conftest import build_staff

RECORDED = re.compile(r"record\(\s*\"([a-z_.]+)\"")


@pytest.fixture
def entry(db: None) -> AuditEntry:
    person = build_staff("privacy_officer")
    unit = OrgUnit.objects.create(name="Brand", kind="brand")
    return audit.record(
        "staff.orgunit.changed", unit, actor=person, after={"name": "B"}
    )


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE core_auditentry SET reason = 'other'",
        "DELETE FROM core_auditentry",
    ],
)
def test_the_database_refuses_to_change_an_entry(entry: Any, change: str) -> None:
    with (
        pytest.raises(IntegrityError, match="append-only"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(change)
    assert AuditEntry.objects.filter(pk=entry.pk, reason="").exists()


def test_somebody_in_the_trail_cannot_be_deleted(entry: AuditEntry) -> None:
    from django.db.models import ProtectedError

    with pytest.raises(ProtectedError):
        entry.actor.delete()


def test_the_trail_is_read_only_in_the_admin(entry: AuditEntry) -> None:
    client = Client()
    client.force_login(build_staff("administrator"))
    change = reverse("admin:core_auditentry_change", args=[entry.pk])
    assert client.get(change).status_code == 200
    assert client.post(change, {"reason": "other"}).status_code == 403
    delete = reverse("admin:core_auditentry_delete", args=[entry.pk])
    assert client.post(delete, {"post": "yes"}).status_code == 403
    assert AuditEntry.objects.filter(pk=entry.pk).exists()


def test_a_change_in_the_admin_stands_in_the_history_of_the_row(db: None) -> None:
    admin = build_staff("administrator", display_name="管理员甲")
    unit = OrgUnit.objects.create(name="Brand", kind="brand")
    client = Client()
    client.force_login(admin)
    client.post(
        reverse("admin:staff_orgunit_change", args=[unit.pk]),
        {"name": "Brand 2", "kind": "brand", "is_active": "on"},
    )
    page = client.get(reverse("admin:staff_orgunit_history", args=[unit.pk]))
    assert "管理员甲" in page.content.decode()
    assert AuditEntry.objects.get(target_id=str(unit.pk)).before["name"] == "Brand"


def test_every_action_of_the_code_has_a_name_people_read() -> None:
    found = set()
    for app in (
        "core",
        "staff",
        "wechat",
        "content",
        "crm",
        "service",
        "privatedomain",
    ):
        for path in (BASE_DIR / app).rglob("*.py"):
            found |= set(RECORDED.findall(path.read_text()))
    assert len(found) > 15
    assert sorted(found - LABELS.keys()) == []
