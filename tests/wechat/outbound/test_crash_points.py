"""kill -9 at every numbered step of sending, with real processes and what arrived.

The steps are those of docs/outbox.md. Each test forks a process that is killed at one of
them, lets others go on as after a restart, and counts what the customer received.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, transaction

from tests.stack import Stack, wait_until
from tests.wechat.outbound.conftest import build_app, build_customer, planner
from tests.wechat.outbound.phone import Sandbox

pytestmark = [pytest.mark.forks, pytest.mark.processes]
KILLED = -signal.SIGKILL


@pytest.fixture(scope="module")
def copy(make_stack: Callable[..., Stack]) -> Iterator[Stack]:
    stack = make_stack(LEASE_SECONDS="1", SWEEP_SECONDS="0.3")
    stack.start("sandbox")
    stack.wait_sandbox()
    with stack.orm():
        from wechat import tokens

        tokens.current(build_app(Sandbox(stack.sandbox_url)))
    yield stack
    stack.stop()


@pytest.fixture
def world(copy: Stack, settings: Any) -> Iterator[tuple[Any, dict[str, Any], Sandbox]]:
    """Our app, somebody with five free messages, and the sandbox; leases of a second."""
    from wechat.models import App

    settings.LEASE_SECONDS = 1
    with copy.orm():
        sandbox = Sandbox(copy.sandbox_url)
        app = App.objects.select_related("account").get()
        yield app, build_customer(app, sandbox), sandbox


def started(work: Callable[[], object], crash_at: str = "") -> int:
    """The pid of a process that does `work`; its exit code is 0, or 1 for an error."""
    connection.close()  # a connection must not be shared over a fork
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            os.environ["CRASH_AT"] = crash_at
            work()
            code = 0
        finally:
            os._exit(code)
    return pid


def in_process(work: Callable[[], object], crash_at: str = "") -> int:
    """The exit code of a process that did `work`; KILLED by a crash point."""
    return os.waitstatus_to_exitcode(os.waitpid(started(work, crash_at), 0)[1])


def at_once(count: int, work: Callable[[], object]) -> list[int]:
    """The exit codes of `count` processes that did `work` at the same time."""
    pids = [started(work) for _number in range(count)]
    return [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]


def one_turn() -> None:
    """What a worker's tick does."""
    from wechat import reaping, sending

    reaping.sweep()
    sending.drain("realtime", seconds=5)


def others_go_on(until: Callable[[], bool], what: str) -> None:
    """Fresh workers take turns, as after a restart."""

    def turn() -> bool:
        assert in_process(one_turn) == 0
        return until()

    wait_until(turn, 20, what)


def state_of(message: Any) -> tuple[str, str]:
    from wechat.models import OutboundMessage

    rows = OutboundMessage.objects.values_list("state", "reason_code")
    return rows.get(pk=message.pk)


# killed at → state and reason in the end, how often the customer received it
KILLS = [
    ("K3", ("sent", ""), {1}),
    ("K4", ("sent", ""), {1}),
    ("K5", ("unknown", "worker_lost"), {0}),
    ("K6", ("unknown", "worker_lost"), {0, 1}),
    ("K7", ("unknown", "worker_lost"), {1}),
    ("K8", ("sent", ""), {1}),
    ("K9", ("sent", ""), {1}),
]


@pytest.mark.parametrize(("point", "end", "received"), KILLS)
def test_a_sender_killed_at_each_step_sends_once_or_says_it_does_not_know(
    point: str, end: tuple[str, str], received: set[int], world: Any
) -> None:
    app, customer, sandbox = world
    message = planner(app, customer)()
    assert in_process(one_turn, crash_at=point) == KILLED
    others_go_on(lambda: state_of(message) == end, f"{point} ends as {end}")
    # Nothing comes after the end: the next message passes and it stays so.
    later = planner(app, customer)("之后", key=f"after:{point}")
    others_go_on(lambda: state_of(later)[0] == "sent", "the next one goes")
    assert state_of(message) == end
    texts = sandbox.screen(customer, customer["slug"])
    assert texts.count("您好") in received
    assert texts[-1] == "之后"


def test_a_plan_that_never_committed_is_planned_again_and_sent_once(world: Any) -> None:
    from wechat.models import OutboundMessage

    app, customer, sandbox = world

    def plan() -> None:
        with transaction.atomic():
            planner(app, customer)(key="k1")

    rows = OutboundMessage.objects.filter(dedupe_key="k1")
    assert in_process(plan, crash_at="K1") == KILLED
    assert not rows.exists()
    assert in_process(plan, crash_at="K2") == KILLED
    assert rows.get().state == "planned"
    assert in_process(plan) == 0
    others_go_on(lambda: rows.get().state == "sent", "the tick sends it")
    assert sandbox.screen(customer, customer["slug"]) == ["您好"]


def test_sending_again_killed_before_its_commit_decides_nothing(world: Any) -> None:
    from staff.models import Approval
    from tests.conftest import build_staff
    from wechat import resolving
    from wechat.models import OutboundMessage

    app, customer, sandbox = world
    first = build_staff("ops_manager", username="first")
    second = build_staff("ops_manager", username="second")
    message = planner(app, customer)()
    assert in_process(one_turn, crash_at="K5") == KILLED
    others_go_on(lambda: state_of(message)[0] == "unknown", "unknown")
    message = OutboundMessage.objects.get(pk=message.pk)
    approval = resolving.ask(message, "send_again", actor=first, reason="没收到")

    def decide() -> None:
        resolving.decide(approval, actor=second, is_yes=True)

    assert in_process(decide, crash_at="K10") == KILLED
    assert state_of(message)[0] == "unknown"
    assert Approval.objects.get(pk=approval.pk).state == "requested"
    assert in_process(decide) == 0
    assert in_process(decide) == 1
    others_go_on(lambda: state_of(message)[0] == "sent", "sent again")
    assert OutboundMessage.objects.get(pk=message.pk).attempts == 2
    assert sandbox.screen(customer, customer["slug"]) == ["您好"]


def test_eight_senders_at_once_send_each_message_once_and_in_order(world: Any) -> None:
    from wechat.models import OutboundMessage

    app, customer, sandbox = world
    others = [build_customer(app, sandbox) for _number in range(5)]
    for person in [customer, *others]:
        plan = planner(app, person)
        for number in range(4):
            plan(str(number), key=f"many:{person['to']}:{number}")
    assert at_once(8, one_turn) == [0] * 8
    many = OutboundMessage.objects.filter(dedupe_key__startswith="many:")
    others_go_on(lambda: not many.exclude(state="sent").exists(), "all sent")
    for person in [customer, *others]:
        assert sandbox.screen(person, person["slug"]) == ["0", "1", "2", "3"]


def test_eight_at_once_take_no_more_than_the_window_and_the_quota_hold(
    world: Any,
) -> None:
    from wechat import limits, windows
    from wechat.models import OutboundMessage, PlatformLimit, QuotaUse

    app, customer, _sandbox = world
    kind = "mp.tags_of_person.count"
    PlatformLimit.objects.create(key=kind, value=3, effective_from=date(2026, 1, 1))
    limits.forget()

    def take() -> None:
        for _number in range(3):
            windows.reserve(OutboundMessage(app=app, recipient=customer["to"]))
            limits.reserve(app, kind)

    assert at_once(8, take) == [0] * 8
    left = windows.allowance(app, customer["to"])
    assert (left.left, left.by_trigger["message"].left) == (0, 0)
    row = QuotaUse.objects.get(app=app, kind=kind)
    assert (row.reserved, row.used, row.limit) == (3, 0, 3)


def test_two_people_who_confirm_at_once_decide_once(world: Any) -> None:
    from staff.models import Approval
    from tests.conftest import build_staff
    from wechat import resolving
    from wechat.models import Attempt, OutboundMessage

    app, customer, _sandbox = world
    message = planner(app, customer)()
    assert in_process(one_turn, crash_at="K5") == KILLED
    others_go_on(lambda: state_of(message)[0] == "unknown", "unknown")
    message = OutboundMessage.objects.get(pk=message.pk)
    asker, second = build_staff("ops_manager"), build_staff("ops_manager")
    approval = resolving.ask(message, "treat_as_sent", actor=asker, reason="已回复")

    def decide() -> None:
        resolving.decide(approval, actor=second, is_yes=True)

    assert sorted(at_once(4, decide)) == [0, 1, 1, 1]
    assert state_of(message) == ("sent", "treated_as_sent")
    assert Attempt.objects.filter(message=message, phase="decision").count() == 1
    assert Approval.objects.get(pk=approval.pk).state == "approved"


def test_a_storm_of_refused_tokens_in_eight_processes_asks_for_one_new_token(
    world: Any,
) -> None:
    from wechat import tokens
    from wechat.api import PlatformError, mp_client

    app, customer, sandbox = world
    tokens.current(app)
    sandbox.fault("user/info", "token_invalid", times=1000)
    before, begun = sandbox.last_call(), time.monotonic()

    def ask() -> None:
        for _number in range(4):
            try:
                mp_client(app).user_info(customer["to"])
            except PlatformError as error:
                assert error.retryable  # noqa: PT017

    codes = at_once(8, ask)
    sandbox.clear_faults()
    assert codes == [0] * 8
    turns = 1 + int((time.monotonic() - begun) / 10)
    assert 1 <= len(sandbox.calls("stable_token", before)) <= turns


def test_a_celery_worker_that_loses_its_child_goes_on_by_itself(
    copy: Stack, world: Any, tmp_path: Path
) -> None:
    app, customer, sandbox = world
    flag, log = tmp_path / "crash", copy.log("worker-realtime")
    flag.touch()
    copy.start("worker-realtime", CRASH_AT="K8", CRASH_FLAG=str(flag))
    # A child that dies earlier takes Celery with it: that is its supervisor's case.
    wait_until(lambda: log.exists() and b"ready." in log.read_bytes(), 60, "ready")
    message = planner(app, customer)()
    wait_until(lambda: not flag.exists(), 30, "the child is killed")
    wait_until(lambda: state_of(message)[0] == "sent", 30, "its evidence is adopted")
    copy.stop("worker-realtime")
    assert sandbox.screen(customer, customer["slug"]) == ["您好"]
