"""Mass calls: once each, whatever breaks on the way, and what came of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import DatabaseError, transaction
from django.utils import timezone

from tests.stack import wait_until
from tests.wechat.outbound.phone import Sandbox
from wechat import holding, mass, mass_following, reaping, registry, runs
from wechat.models import (
    App,
    BatchAttempt,
    MassOutcome,
    OutboundBatch,
    OutboundRun,
    PlatformLimit,
)

SEND = "message/mass/send"
Plan = Callable[..., OutboundBatch]


@pytest.fixture(autouse=True)
def hurried(sandbox: Sandbox, settings: Any) -> Iterator[None]:
    """A key may be used again at once, and is, instead of after a minute."""
    settings.MASS_REPLAY_SECONDS = 0.05
    calls = {"/cgi-bin/message/mass/send": 9999}
    sandbox.ask(
        "limits",
        {"mass_retry_seconds": 0, "mass_finish_seconds": 0, "minutely": calls},
    )
    yield
    sandbox.ask("limits", {"mass_retry_seconds": 60, "mass_finish_seconds": 0.5})


@pytest.fixture
def people(app: App, sandbox: Sandbox) -> list[str]:
    body = {"count": 3, "account": app.account.slug}
    return list(sandbox.ask("people/bulk", body)["openids"])


@pytest.fixture
def run(app: App) -> OutboundRun:
    from staff.accounts import system_staff

    return runs.begin(
        app=app, purpose="test", reference=str(app.pk), actor=system_staff("test")
    )


@pytest.fixture
def plan(run: OutboundRun, people: list[str]) -> Plan:
    def make(text: str = "上新了", number: int = 1, **more: Any) -> OutboundBatch:
        given = {"kind": "text", "payload": {"text": text}, "openids": people} | more
        return runs.plan_batch(run, number=number, **given)

    return make


def turn() -> None:
    """What workers do all the time."""
    reaping.sweep()
    mass.drain(seconds=5)


def again(batch: OutboundBatch) -> OutboundBatch:
    batch.refresh_from_db()
    return batch


def turns_until(batch: OutboundBatch, state: str) -> OutboundBatch:
    def is_there() -> bool:
        turn()
        return again(batch).state == state

    wait_until(is_there, 10, f"{state}, not {batch.state} {batch.reason_code}")
    return batch


def received(sandbox: Sandbox, app: App, text: str = "上新了") -> set[int]:
    """How often the people got it, each count once."""
    from urllib.parse import quote

    path = f"deliveries?account={app.account.slug}&kind=mass&text={quote(text)}"
    found: dict[str, int] = wait_until(
        lambda: sandbox.ask(path)["received"], 5, "something arrived"
    )
    return set(found.values())


def finish(app: App, batch: OutboundBatch, status: str = "send success") -> None:
    """The platform's own event about the end of it."""
    fields = {
        "MsgID": batch.remote_id,
        "Status": status,
        "TotalCount": "3",
        "FilterCount": "2",
        "SentCount": "2",
        "ErrorCount": "0",
    }
    (handler,) = registry.handlers_for("mp.event.masssendjobfinish")
    inbound = registry.Inbound(
        event=None,  # type: ignore[arg-type]
        app=app,
        account=app.account,
        kind="mp.event.masssendjobfinish",
        fields=fields,
        subject="",
        at=timezone.now(),
    )
    handler(inbound)


def test_a_batch_reaches_its_people_once_and_keeps_the_platforms_counts(
    plan: Plan, app: App, sandbox: Sandbox
) -> None:
    batch = plan()
    turn()
    turn()
    assert (again(batch).state, batch.reason_code) == ("sent", "")
    assert batch.remote_id
    assert batch.first_called_at
    assert received(sandbox, app) == {1}
    assert [row.phase for row in BatchAttempt.objects.filter(batch=batch)] == [
        "intent",
        "answer",
    ]
    finish(app, batch)
    finish(app, batch)
    again(batch)
    counts = (batch.total_count, batch.filter_count, batch.sent_count)
    assert counts == (3, 2, 2)
    assert batch.finished_at
    assert batch.platform_status == "send success"


def test_pictures_and_articles_go_out_too(
    plan: Plan, app: App, sandbox: Sandbox
) -> None:
    import io

    from PIL import Image

    from staff.accounts import system_staff
    from wechat import media

    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, "PNG")
    cover = media.store_outgoing(app, file.getvalue(), actor=system_staff("test"))
    article = {
        "title": "春茶",
        "author": "林间",
        "digest": "新茶",
        "content_source_url": "",
        "content_html": "<p>明前</p>",
        "cover_media": cover.pk,
    }
    picture = plan(number=1, kind="image", payload={"media": cover.pk})
    first = plan(number=2, kind="mpnews", payload={"article": article})
    second = plan(number=3, kind="mpnews", payload={"article": article})
    before = sandbox.last_call()
    turn()
    assert {again(each).state for each in (picture, first, second)} == {"sent"}
    assert len(sandbox.calls("draft/add", before)) == 1, "one draft for the run"
    assert first.request == again(second).request


def test_an_answer_that_never_came_is_asked_for_with_the_same_key(
    plan: Plan, app: App, sandbox: Sandbox
) -> None:
    sandbox.fault(SEND, "accept_then_cut")
    batch = plan()
    mass.drain(seconds=5)
    assert (again(batch).state, batch.reason_code) == ("sending", "cut")
    before = sandbox.last_call()
    turns_until(batch, "sent")
    assert received(sandbox, app) == {1}
    (call,) = sandbox.calls(SEND, before)
    assert "45065" in str(call)
    assert batch.attempts == 2


def test_a_call_that_never_arrived_arrives_by_its_repetition(
    plan: Plan, app: App, sandbox: Sandbox
) -> None:
    sandbox.fault(SEND, "http_502")
    batch = plan()
    mass.drain(seconds=5)
    assert again(batch).state == "sending"
    turns_until(batch, "sent")
    assert received(sandbox, app) == {1}


def test_what_is_being_sent_can_not_be_changed(plan: Plan, sandbox: Sandbox) -> None:
    sandbox.fault(SEND, "cut")
    batch = plan()
    mass.drain(seconds=5)
    for change in ({"openids": ["other"]}, {"request": {}}, {"clientmsgid": "x"}):
        with pytest.raises(DatabaseError), transaction.atomic():
            OutboundBatch.objects.filter(pk=batch.pk).update(**change)


def test_after_a_day_a_call_is_never_made_again(
    plan: Plan, app: App, sandbox: Sandbox
) -> None:
    sandbox.fault(SEND, "cut")
    batch = plan()
    mass.drain(seconds=5)
    long_ago = timezone.now() - timedelta(hours=23, minutes=30)
    OutboundBatch.objects.filter(pk=batch.pk).update(first_called_at=long_ago)
    before = sandbox.last_call()
    turns_until(batch, "unknown")
    assert batch.reason_code == "replay_over"
    assert sandbox.calls(SEND, before) == []


def test_a_key_the_platform_knows_without_a_status_ends_as_unknown(
    plan: Plan, app: App, sandbox: Sandbox
) -> None:
    sandbox.fault(SEND, "accept_then_cut")
    sandbox.fault("message/mass/get", "busy", 50)
    batch = plan()
    mass.drain(seconds=5)

    def is_adopted() -> bool:
        turn()
        return bool(again(batch).remote_id)

    wait_until(is_adopted, 10)
    assert (batch.state, batch.reason_code) == ("sending", "adopted")
    two_hours_ago = timezone.now() - timedelta(hours=2, minutes=1)
    OutboundBatch.objects.filter(pk=batch.pk).update(
        accepted_at=two_hours_ago, lease_until=two_hours_ago
    )
    mass_following.sweep()
    assert (again(batch).state, batch.reason_code) == ("unknown", "unconfirmed")
    # The event comes after all.
    finish(app, batch)
    assert again(batch).state == "sent"


def test_the_result_may_come_before_the_answer(
    plan: Plan, app: App, sandbox: Sandbox
) -> None:
    sandbox.fault(SEND, "accept_then_cut")
    batch = plan()
    mass.drain(seconds=5)
    sent = sandbox.ask(f"mass?account={app.account.slug}&limit=1")[0]
    MassOutcome.objects.create(
        app=app,
        msg_id=str(sent["msg_id"]),
        status="send success",
        total_count=3,
        filter_count=3,
        sent_count=3,
        at=timezone.now(),
    )
    turns_until(batch, "sent")
    assert batch.sent_count == 3
    assert batch.finished_at


@pytest.mark.parametrize(
    ("status", "code"),
    [
        ("err(40001)", "mass_refused"),
        ("err(40002)", "mass_not_confirmed"),
        ("err(20004)", "mass_content"),
        ("send fail", "mass_failed"),
    ],
)
def test_what_the_platform_dropped_afterwards_is_failed_in_words(
    status: str, code: str, plan: Plan, app: App
) -> None:
    batch = plan()
    turn()
    finish(app, again(batch), status)
    assert (again(batch).state, batch.reason_code) == ("failed", code)
    assert batch.reason_text
    assert batch.advice_text


def test_without_mass_quota_other_messages_go_on(
    plan: Plan, app: App, sandbox: Sandbox
) -> None:
    sandbox.fault(SEND, "quota")
    batch = plan()
    turn()
    app.refresh_from_db()
    assert (again(batch).state, batch.reason_code) == ("planned", "errcode_45028")
    assert holding.is_mass_held(app)
    assert not holding.is_held(app)
    later = timezone.now() - timedelta(seconds=1)
    App.objects.filter(pk=app.pk).update(mass_held_until=later)
    OutboundBatch.objects.filter(pk=batch.pk).update(next_at=later)
    turn()
    assert again(batch).state == "sent"


def test_no_more_calls_a_minute_than_allowed(
    plan: Plan, app: App, sandbox: Sandbox
) -> None:
    from wechat import limits

    PlatformLimit.objects.update_or_create(
        key="mp.mass.minute",
        effective_from=timezone.localdate(),
        defaults={"value": 1, "unit": "calls a minute"},
    )
    limits.forget()
    try:
        first, second = plan(number=1), plan(number=2)
        turn()
        states = {again(first).state, again(second).state}
        waits = first if first.state == "planned" else second
        assert states == {"sent", "planned"}
        assert waits.reason_code == "rate_used"
    finally:
        PlatformLimit.objects.filter(effective_from=timezone.localdate()).delete()
        limits.forget()


def test_one_person_or_too_many_are_no_mass_call(plan: Plan, people: list[str]) -> None:
    for openids in (people[:1], people * 3334):
        with pytest.raises(ValueError, match="people"):
            plan(openids=openids)


def test_a_paused_run_waits_and_a_stopped_one_ends(
    plan: Plan, run: OutboundRun, sandbox: Sandbox
) -> None:
    batch = plan()
    before = sandbox.last_call()
    runs.move(run, "paused")
    turn()
    assert again(batch).state == "planned"
    runs.move(run, "stopped")
    turn()
    assert (again(batch).state, batch.reason_code) == ("failed", "stopped")
    assert sandbox.calls(SEND, before) == []
    assert runs.move(run, "running") is False


def test_an_open_call_of_a_stopped_run_is_not_made_again(
    plan: Plan, run: OutboundRun, sandbox: Sandbox
) -> None:
    sandbox.fault(SEND, "cut")
    batch = plan()
    mass.drain(seconds=5)
    runs.move(run, "stopped")
    before = sandbox.last_call()
    turns_until(batch, "unknown")
    assert batch.reason_code == "cut"
    assert sandbox.calls(SEND, before) == []


def test_the_handler_of_the_purpose_hears_of_every_end(
    plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[str] = []
    monkeypatch.setattr(registry, "_batch_outcomes", [])
    registry.on_batch_outcome("test")(lambda batch: heard.append(batch.state))
    plan()
    turn()
    assert heard == ["sent"]


def test_a_veto_at_the_last_moment_sends_nothing(
    plan: Plan, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "_batch_guards", [])
    registry.may_send_batch("test")(lambda _batch: registry.Veto("outdated", ""))
    batch = plan()
    before = sandbox.last_call()
    turn()
    assert (again(batch).state, batch.reason_code) == ("failed", "outdated")
    assert sandbox.calls(SEND, before) == []
