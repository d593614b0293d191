"""From plan to phone, and every way a call can go wrong."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from core.models import Instance
from tests.wechat.outbound.phone import Sandbox
from wechat import limits, outbox, reaping, registry, sending, tokens, windows
from wechat.models import (
    Account,
    App,
    Attempt,
    OutboundMessage,
    PlatformLimit,
    QuotaUse,
)

SEND = "message/custom/send"
Plan = Callable[..., Any]


def drain() -> None:
    sending.drain("realtime", seconds=10)


def test_a_planned_text_reaches_the_phone_once(
    plan: Plan, customer: dict[str, Any], sandbox: Sandbox
) -> None:
    message = plan("您好，“😀”")
    drain()
    drain()
    message.refresh_from_db()
    assert (message.state, message.reason_code) == ("sent", "")
    assert sandbox.screen(customer, customer["slug"]) == ["您好，“😀”"]
    assert list(
        Attempt.objects.filter(message=message).values_list("phase", flat=True)
    ) == ["intent", "answer"]


def test_the_same_key_gives_the_standing_row(plan: Plan) -> None:
    assert plan("one", key="k").pk == plan("two", key="k").pk
    assert OutboundMessage.objects.get().payload == {"text": "one"}


def test_replies_to_one_person_keep_their_order(
    plan: Plan, customer: dict[str, Any], sandbox: Sandbox
) -> None:
    first = plan("1")
    plan("2")
    OutboundMessage.objects.filter(pk=first.pk).update(
        next_at=timezone.now() + timedelta(minutes=1)
    )
    drain()
    assert sandbox.screen(customer, customer["slug"]) == []
    OutboundMessage.objects.filter(pk=first.pk).update(next_at=timezone.now())
    drain()
    assert sandbox.screen(customer, customer["slug"]) == ["1", "2"]


def test_the_sixth_message_fails_in_words_without_a_call(
    plan: Plan, app: App, customer: dict[str, Any], sandbox: Sandbox
) -> None:
    assert windows.allowance(app, customer["to"]).left == 5
    planned = [plan(str(number)) for number in range(6)]
    drain()
    last = OutboundMessage.objects.get(pk=planned[-1].pk)
    assert (last.state, last.reason_code) == ("failed", "window_used")
    assert "客户" in last.reason_text or "customer" in last.reason_text
    assert len(sandbox.screen(customer, customer["slug"])) == 5
    assert windows.allowance(app, customer["to"]).left == 0
    assert QuotaUse.objects.get(kind="mp.custom_send.day").used == 5


def test_nobody_wrote_so_nothing_may_be_sent(
    app: App, plan: Plan, customer: dict[str, Any]
) -> None:
    windows.close_windows(app, customer["to"], timezone.now())
    message = plan()
    drain()
    message.refresh_from_db()
    assert (message.state, message.reason_code) == ("failed", "window_closed")


# fault → state, reason, whether the app is held, what the phone shows at the end
FAULTS = [
    ("busy", "unknown", "busy", False, 0),
    ("token_invalid", "sent", "", False, 1),
    ("token_expired", "sent", "", False, 1),
    ("quota", "planned", "errcode_45009", True, 0),
    ("rate", "planned", "errcode_45011", True, 0),
    ("unauthorised", "planned", "errcode_48001", True, 0),
    ("ip", "planned", "errcode_40164", True, 0),
    ("slow:1.5", "unknown", "no_answer", False, 1),
    ("http_502", "unknown", "http_502", False, 0),
    ("html", "unknown", "bad_answer", False, 0),
    ("cut", "unknown", "cut", False, 0),
    ("accept_then_timeout", "unknown", "no_answer", False, 1),
    ("accept_then_cut", "unknown", "cut", False, 1),
]


@pytest.mark.parametrize(("fault", "state", "code", "is_held", "shown"), FAULTS)
def test_each_fault_ends_in_the_state_it_deserves(
    fault: str,
    state: str,
    code: str,
    is_held: bool,
    shown: int,
    plan: Plan,
    app: App,
    customer: dict[str, Any],
    sandbox: Sandbox,
    settings: Any,
) -> None:
    settings.PLATFORM_TIMEOUT = (1, 1)
    sandbox.fault(SEND, fault)
    before = sandbox.last_call()
    message = plan()
    later = plan("after")
    drain()
    message.refresh_from_db()
    app.refresh_from_db()
    assert (message.state, message.reason_code) == (state, code)
    assert bool(message.reason) == bool(code)
    assert (app.held_reason != "") is is_held
    if is_held:
        later.refresh_from_db()
        assert later.state == "planned"
        assert windows.allowance(app, customer["to"]).left == 5
    else:
        assert sandbox.screen(customer, customer["slug"])[-1] == "after"
    is_renewed = fault.startswith("token")
    assert len(sandbox.calls(SEND, before)) == (1 if is_held else 2 + is_renewed)
    texts = sandbox.screen(customer, customer["slug"])
    assert texts.count("您好") == shown


def test_a_used_up_quota_is_tried_again_because_it_may_be_cleared_any_time(
    plan: Plan, app: App, sandbox: Sandbox
) -> None:
    sandbox.fault(SEND, "quota", times=2)
    message = plan()
    waits = []
    for _ in range(2):
        drain()
        app.refresh_from_db()
        assert app.held_until is not None
        waits.append((app.held_until - timezone.now()).total_seconds())
        App.objects.update(held_until=timezone.now())
        OutboundMessage.objects.update(next_at=timezone.now())
    drain()
    message.refresh_from_db()
    assert message.state == "sent"
    assert 0 < waits[0] < waits[1] < 15 * 60


def test_a_token_refused_for_ever_is_asked_for_twice_at_most(
    plan: Plan, app: App, sandbox: Sandbox
) -> None:
    sandbox.fault(SEND, "token_invalid", times=100)
    before = sandbox.last_call()
    message = plan()
    drain()
    message.refresh_from_db()
    app.refresh_from_db()
    assert (message.state, message.reason_code) == ("planned", "errcode_40001")
    assert len(sandbox.calls(SEND, before)) == 2
    assert len(sandbox.calls("stable_token", before)) == 2
    assert app.held_until is not None


def test_an_unreachable_platform_sends_nothing_and_waits(
    plan: Plan, app: App, customer: dict[str, Any], sandbox: Sandbox
) -> None:
    tokens.current(app)
    Account.objects.update(api_base_url="http://127.0.0.1:9/mp")
    message = plan()
    drain()
    message.refresh_from_db()
    assert (message.state, message.reason_code) == ("planned", "unreachable")
    Account.objects.update(api_base_url=f"{sandbox.url}/mp")
    App.objects.update(held_until=timezone.now())
    OutboundMessage.objects.update(next_at=timezone.now())
    drain()
    assert sandbox.screen(customer, customer["slug"]) == ["您好"]


@pytest.mark.parametrize("fault", ["unauthorised", "ip", "http_502", "html", "cut"])
def test_a_failing_token_call_sends_nothing(
    fault: str, plan: Plan, app: App, sandbox: Sandbox
) -> None:
    sandbox.fault("stable_token", fault)
    before = sandbox.last_call()
    message = plan()
    drain()
    message.refresh_from_db()
    app.refresh_from_db()
    assert message.state == "planned"
    assert message.reason
    assert app.held_reason == message.reason_code
    assert sandbox.calls(SEND, before) == []


def test_somebody_who_left_gets_a_refusal_and_the_rest_goes_on(
    plan: Plan, customer: dict[str, Any], sandbox: Sandbox, app: App
) -> None:
    sandbox.ask(f"people/{customer['id']}/unfollow", {"account": customer["slug"]})
    message = plan()
    drain()
    message.refresh_from_db()
    app.refresh_from_db()
    assert message.state == "failed"
    assert message.reason_code in ("errcode_45015", "errcode_43004", "errcode_40003")
    assert app.held_reason == ""


def test_a_held_instance_a_paused_account_and_a_held_app_leave_it_planned(
    plan: Plan, app: App, customer: dict[str, Any], sandbox: Sandbox
) -> None:
    message = plan()
    instance, _ = Instance.objects.update_or_create(
        pk=1, defaults={"sending_held_at": timezone.now()}
    )
    drain()
    instance.sending_held_at = None
    instance.save()
    Account.objects.update(state="paused")
    drain()
    Account.objects.update(state="live")
    App.objects.update(held_reason="errcode_48001")
    drain()
    message.refresh_from_db()
    assert message.state == "planned"
    assert sandbox.screen(customer, customer["slug"]) == []
    App.objects.update(held_reason="")
    drain()
    message.refresh_from_db()
    assert message.state == "sent"


def test_a_veto_refuses_with_its_own_words(
    plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        registry, "_guards", [lambda message: registry.Veto("opted_out", "退订了")]
    )
    message = plan()
    drain()
    message.refresh_from_db()
    assert (message.state, message.reason_text) == ("failed", "退订了")


def test_what_is_too_late_fails_as_expired_and_tells(
    plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[tuple[str, str]] = []
    monkeypatch.setattr(
        registry,
        "_outcomes",
        [("test", lambda message: told.append((message.state, message.reason_code)))],
    )
    plan(expires_at=timezone.now() - timedelta(seconds=1))
    reaping.sweep()
    drain()
    assert told == [("failed", "expired")]


def test_a_lost_claim_is_planned_again_and_a_lost_call_is_unknown(plan: Plan) -> None:
    claimed, sending_row = plan("1"), plan("2")
    over = timezone.now() - timedelta(seconds=1)
    rows = OutboundMessage.objects
    rows.filter(pk=claimed.pk).update(state="claimed", lease_until=over)
    rows.filter(pk=sending_row.pk).update(state="claimed")
    rows.filter(pk=sending_row.pk).update(
        state="sending",
        lease_until=over,
        attempt="6f6bb0f0-0000-4000-8000-000000000001",
    )
    assert reaping.sweep() == 2
    assert rows.get(pk=claimed.pk).state == "planned"
    lost = rows.get(pk=sending_row.pk)
    assert (lost.state, lost.reason_code) == ("unknown", "worker_lost")


def test_a_worker_that_lost_its_claim_does_not_send(
    plan: Plan, customer: dict[str, Any], sandbox: Sandbox
) -> None:
    plan()
    message = sending.claim("realtime")
    assert message is not None
    OutboundMessage.objects.update(lease_until=timezone.now() - timedelta(seconds=9))
    reaping.sweep()
    sending.send(message)
    assert sandbox.screen(customer, customer["slug"]) == []
    drain()
    assert sandbox.screen(customer, customer["slug"]) == ["您好"]


def test_a_welcome_reaches_the_new_contact_within_its_20_seconds(
    wecom_app: App, sandbox: Sandbox
) -> None:
    from staff.accounts import system_staff

    person = sandbox.person()
    colleague = sandbox.account("wecom")["colleagues"][0]["userid"]
    sandbox.ask(f"people/{person['id']}/add", {"colleague": colleague})
    code = sandbox.ask("pushes?account=" + wecom_app.account.slug)[-1]["body"]
    welcome = code.partition("<WelcomeCode><![CDATA[")[2].partition("]]>")[0]
    message = outbox.plan(
        app=wecom_app,
        channel="wecom_welcome",
        recipient=person["external_userid"],
        kind="text",
        payload={"welcome_code": welcome, "text": "欢迎"},
        dedupe_key=f"welcome:{welcome}",
        purpose="test",
        actor=system_staff("test"),
        expires_at=timezone.now() + timedelta(seconds=20),
    )
    drain()
    message.refresh_from_db()
    assert (message.state, message.reason) == ("sent", "")
    lines = sandbox.ask(f"people/{person['id']}/screen?account={colleague}")
    assert "欢迎" in [line["text"] for line in lines]


def test_evidence_of_a_machine_that_came_back_settles_what_was_called_unknown(
    plan: Plan,
) -> None:
    from wechat import evidence
    from wechat.outcomes import sent_verdict

    message = plan()
    claimed = sending.claim("realtime")
    assert claimed is not None
    attempt = sending._intend(claimed)
    assert attempt is not None
    OutboundMessage.objects.update(lease_until=timezone.now() - timedelta(seconds=9))
    reaping.sweep()
    message.refresh_from_db()
    assert (message.state, message.reason_code) == ("unknown", "worker_lost")
    evidence.append(sent_verdict({"errcode": 0}).as_evidence(attempt))
    assert reaping.adopt_late_evidence() == 1
    message.refresh_from_db()
    assert message.state == "sent"


def test_the_daily_quota_stops_the_app_before_the_platform_does(
    plan: Plan, app: App, customer: dict[str, Any], sandbox: Sandbox
) -> None:
    limits.load_builtin()
    PlatformLimit.objects.filter(key="mp.custom_send.day").update(value=1)
    limits.forget()
    sent, waiting = plan("1"), plan("2")
    before = sandbox.last_call()
    drain()
    sent.refresh_from_db()
    waiting.refresh_from_db()
    app.refresh_from_db()
    limits.forget()
    assert (sent.state, waiting.state, waiting.reason_code) == (
        *("sent", "planned"),
        "quota_used",
    )
    assert app.held_until is not None
    assert len(sandbox.calls(SEND, before)) == 1
    assert windows.allowance(app, customer["to"]).left == 4
