"""The pages of mass calls: what happened, and settling what nobody knows."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from staff.accounts import system_staff
from tests.wechat.conftest import build_app
from wechat import runs
from wechat.models import BatchAttempt, OutboundBatch


@pytest.fixture
def batch(db: None) -> OutboundBatch:
    """A mass call of which nobody knows whether it arrived."""
    app = build_app()
    run = runs.begin(app=app, purpose="test", reference="1", actor=system_staff("test"))
    made = runs.plan_batch(
        run, number=1, kind="text", payload={"text": "上新了"}, openids=["o1", "o2"]
    )
    attempt = uuid.uuid4()
    for state in ("claimed", "sending", "unknown"):
        OutboundBatch.objects.filter(pk=made.pk).update(
            state=state, attempt=attempt, reason_code="replay_over"
        )
    BatchAttempt.objects.create(batch=made, attempt=attempt, phase="intent")
    made.refresh_from_db()
    return made


@pytest.fixture
def as_role(make_staff: Callable[..., Any], batch: OutboundBatch) -> Callable[..., Any]:
    def log_in(role: str) -> Client:
        client = Client(HTTP_ACCEPT_LANGUAGE="zh-hans")
        client.force_login(make_staff(role, org_unit=batch.app.account.org_unit))
        return client

    return log_in


def url(name: str, batch: OutboundBatch) -> str:
    return reverse(f"admin:wechat_outboundbatch_{name}", args=[batch.pk])


def test_the_page_says_what_happened_why_and_what_to_do(
    as_role: Callable[..., Any], batch: OutboundBatch
) -> None:
    manager = as_role("ops_manager")
    listed = manager.get(reverse("admin:wechat_outboundbatch_changelist"))
    assert "平台的答复" in listed.content.decode()
    page = manager.get(url("change", batch)).content.decode()
    for words in ("上新了", "重新发送", "平台后台的群发记录"):
        assert words in page
    assert "o1" not in page


def test_two_people_settle_it(
    as_role: Callable[..., Any], batch: OutboundBatch
) -> None:
    first, second = as_role("ops_manager"), as_role("ops_manager")
    asked = {"choice": "treat_as_sent", "reason": "后台显示已送达"}
    first.post(url("ask", batch), asked)
    first.post(url("decide", batch), {"decision": "yes"})
    batch.refresh_from_db()
    assert batch.state == "unknown"
    second.post(url("decide", batch), {"decision": "yes"})
    batch.refresh_from_db()
    assert (batch.state, batch.reason_code) == ("sent", "treated_as_sent")
    assert batch.finished_at


def test_sending_again_ends_the_batch(
    as_role: Callable[..., Any], batch: OutboundBatch
) -> None:
    first, second = as_role("ops_manager"), as_role("ops_manager")
    first.post(url("ask", batch), {"choice": "send_again", "reason": "没有收到"})
    second.post(url("decide", batch), {"decision": "yes"})
    batch.refresh_from_db()
    assert (batch.state, batch.reason_code) == ("failed", "send_again")


def test_others_do_not_see_it(
    as_role: Callable[..., Any], make_staff: Callable[..., Any], batch: OutboundBatch
) -> None:
    assert as_role("agent").get(url("change", batch)).status_code == 403
    stranger = Client()
    from staff.models import OrgUnit

    other = OrgUnit.objects.create(name="别家", kind="brand")
    stranger.force_login(make_staff("ops_manager", org_unit=other))
    assert stranger.get(url("change", batch)).status_code in (302, 404)
    assert stranger.post(url("ask", batch), {"choice": "send_again"}).status_code == 404
