"""Held sending: told to administrators, released by them with a reason."""

from __future__ import annotations

import pytest
from django.utils import timezone

from core.models import AuditEntry, Instance

pytestmark = pytest.mark.django_db
PAGE = "/admin/health/sending/"


@pytest.fixture
def held():
    return Instance.objects.create(
        pk=1, sending_held_at=timezone.now(), held_reason="Restored."
    )


def test_an_administrator_releases_sending_with_a_reason(client, make_staff, held):
    boss = make_staff("administrator")
    client.force_login(boss)
    assert "Restored." in client.get(PAGE).content.decode()

    answer = client.post(PAGE, {"reason": "Nothing was due.", "is_checked": "on"})

    assert answer.status_code == 302
    held.refresh_from_db()
    assert not held.is_sending_held
    assert held.released_by == boss
    entry = AuditEntry.objects.get(action="core.sending.released")
    assert (entry.actor, entry.reason) == (boss, "Nothing was due.")


def test_without_a_reason_nothing_is_released(client, make_staff, held):
    client.force_login(make_staff("administrator"))

    answer = client.post(PAGE, {"reason": "", "is_checked": "on"})

    assert answer.status_code == 400
    held.refresh_from_db()
    assert held.is_sending_held


@pytest.mark.parametrize("role", ["ops_manager", "agent"])
def test_other_roles_may_not_release(client, make_staff, held, role):
    client.force_login(make_staff(role))

    answer = client.post(PAGE, {"reason": "Please.", "is_checked": "on"})

    assert answer.status_code == 403
    held.refresh_from_db()
    assert held.is_sending_held


def test_the_page_says_when_nothing_is_held(client, make_staff):
    client.force_login(make_staff("administrator"))

    assert client.get(PAGE).status_code == 200
