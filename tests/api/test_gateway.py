"""GET /api/v1/accounts, /inbox and /outbox."""

from datetime import timedelta

import pytest
from django.utils import timezone

from tests.api.conftest import NOON
from wechat.models import Account, App
from wechat.reasons import REASONS


@pytest.fixture
def manager(api, brand):
    return api("ops_manager", brand)


def test_an_inbound_event_is_told_without_its_body(manager, brand):
    event = brand.inbound(state="dead", error="no handler", received_at=NOON)

    answer = manager.get("/api/v1/inbox")

    assert answer.json()["results"] == [
        {
            "id": event.pk,
            "app": "brand-app",
            "kind": "mp.message.text",
            "dedupe_key": event.dedupe_key,
            "state": "dead",
            "received_at": "2026-11-01T12:00:00+08:00",
            "error": "no handler",
        }
    ]
    assert "secret body" not in answer.content.decode()


def test_a_callback_in_json_says_what_to_switch(manager, brand):
    brand.inbound(state="ignored", hint="json")
    (row,) = manager.get("/api/v1/inbox").json()["results"]
    assert row["state"] == "ignored"
    assert "XML" in row["error"]


def test_the_inbox_is_narrowed_by_state_and_key(manager, brand):
    done, dead = brand.inbound(), brand.inbound(state="dead")

    def ids(**query):
        rows = manager.get("/api/v1/inbox", query).json()["results"]
        return [row["id"] for row in rows]

    assert ids() == [dead.pk, done.pk]
    assert ids(state="dead") == [dead.pk]
    assert ids(dedupe_key=done.dedupe_key) == [done.pk]
    assert ids(dedupe_key=done.dedupe_key, state="dead") == []


def test_the_outbox_is_narrowed_by_state_and_keeps_what_is_said(manager, brand):
    planned = brand.outbound(manager.person)
    failed = brand.outbound(manager.person, state="planned")
    type(failed).objects.filter(pk=failed.pk).update(state="claimed")

    answer = manager.get("/api/v1/outbox", {"state": "planned"})

    assert [row["id"] for row in answer.json()["results"]] == [planned.pk]
    assert answer.json()["results"][0]["app"] == "brand-app"
    assert "payload text" not in answer.content.decode()


def test_accounts_are_told_with_their_apps_and_without_secrets(manager, brand):
    answer = manager.get("/api/v1/accounts")

    assert answer.json()["results"] == [
        {
            "id": brand.account.pk,
            "slug": "brand",
            "name": "brand",
            "kind": "service",
            "role": "main",
            "state": "live",
            "apps": [
                {
                    "slug": "brand-app",
                    "name": "",
                    "mode": "safe",
                    "is_active": True,
                    "held_reason": "",
                    "held_until": None,
                }
            ],
        }
    ]
    assert "canary" not in answer.content.decode()


def test_a_hold_that_is_over_is_no_longer_told(manager, brand):
    past = timezone.now() - timedelta(minutes=1)
    App.objects.filter(slug="brand-app").update(
        held_reason="quota_used", held_until=past
    )

    (account,) = manager.get("/api/v1/accounts").json()["results"]

    assert account["apps"][0]["held_reason"] == ""
    assert account["apps"][0]["held_until"] is None


def test_a_planned_message_says_what_holds_its_account(manager, brand):
    brand.outbound(manager.person)

    def why():
        (row,) = manager.get("/api/v1/outbox").json()["results"]
        assert (row["reason_code"], row["reason"]) == ("", "")
        return row["reason_text"]

    assert why() == ""
    apps = App.objects.filter(slug="brand-app")
    apps.update(held_reason="quota_used", held_until=None)
    assert why() == str(REASONS["quota_used"][0])
    apps.update(held_until=timezone.now() - timedelta(seconds=1))
    assert why() == ""
    apps.update(is_active=False)
    assert why() == str(REASONS["app_off"][0])
    Account.objects.filter(slug="brand").update(state="paused")
    assert why() == str(REASONS["not_live"][0])
