"""The inbox: every event once, in the order of its person, whatever fails."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from django.db import OperationalError, connection
from django.utils import timezone

from core.models import AuditEntry
from wechat import inbox, registry
from wechat.models import App, InboundEvent

BODY = (
    "<xml><FromUserName>{}</FromUserName><CreateTime>1763769601</CreateTime>"
    "<MsgType>text</MsgType><Content>hi</Content></xml>"
)


@pytest.fixture
def handlers(monkeypatch):
    """The registry, empty but for what the test adds."""
    found = []
    monkeypatch.setattr(registry, "_handlers", found)
    return found


@pytest.fixture
def add(make_app):
    app = make_app()

    def add(subject="o1", kind="mp.message.text", **fields):
        number = InboundEvent.objects.count()
        known = {"app": app, "body": BODY.format(subject).encode()}
        return InboundEvent.objects.create(
            subject=subject, kind=kind, dedupe_key=f"k{number}", **{**known, **fields}
        )

    return add


def make_due(event):
    InboundEvent.objects.filter(pk=event.pk).update(next_at=timezone.now())


def state(event):
    event.refresh_from_db()
    return event.state


def test_handlers_run_in_order_in_the_transaction_of_the_mark(
    transactional_db, handlers, add
):
    seen = []

    def first(inbound):
        inbound.context["member"] = inbound.subject
        seen.append((inbound.kind, inbound.fields["Content"]))

    def second(inbound):
        assert connection.in_atomic_block
        seen.append(inbound.context["member"])

    handlers += [("mp.message.*", first), ("mp.message.text", second)]
    event = add()
    assert inbox.drain() == 1
    assert seen == [("mp.message.text", "hi"), "o1"]
    assert state(event) == "done"
    assert event.tries == 1
    assert App.objects.get().last_callback_at == event.received_at


def test_a_kind_without_handler_is_ignored_and_kept(transactional_db, handlers, add):
    event = add(kind="mp.event.some_future_event_2027")
    inbox.drain()
    assert (state(event), event.kind) == ("ignored", "mp.event.some_future_event_2027")
    assert event.body


def test_a_failing_handler_changes_nothing_and_ends_dead_with_its_error(
    transactional_db, handlers, add
):
    def fail(inbound):
        App.objects.update(name="half done")
        raise ValueError("no such queue\nsecret detail")

    handlers.append(("mp.message.text", fail))
    event = add()
    waits = []
    for tries in range(1, inbox.MAX_TRIES + 1):
        assert inbox.drain() == 1
        assert state(event) == ("dead" if tries == inbox.MAX_TRIES else "new")
        waits.append(round((event.next_at - timezone.now()).total_seconds()))
        make_due(event)
    assert waits[:-1] == list(inbox.BACKOFF_SECONDS)
    assert (event.tries, event.error) == (8, "ValueError: no such queue")
    assert App.objects.get().name == ""
    assert inbox.drain() == 0


def test_behind_a_failed_event_only_its_own_person_waits(
    transactional_db, handlers, add
):
    is_broken = True
    seen = []

    def handle(inbound):
        if is_broken and inbound.event == first:
            raise ValueError("not yet")
        seen.append(inbound.event.pk)

    handlers.append(("mp.message.text", handle))
    first, other, second = add("o1"), add("o2"), add("o1")
    inbox.drain()
    assert seen == [other.pk]
    is_broken = False
    make_due(first)
    inbox.drain()
    assert seen == [other.pk, first.pk, second.pk]


def test_several_workers_keep_the_order_and_run_each_event_once(
    transactional_db, handlers, add
):
    seen, lock, barrier = [], threading.Lock(), threading.Barrier(4)

    def handle(inbound):
        with lock:
            seen.append((inbound.subject, inbound.event.pk))

    def work():
        barrier.wait()
        try:
            return inbox._drain(time.monotonic() + 30)  # as in a process of its own
        finally:
            connection.close()

    handlers.append(("mp.message.text", handle))
    expected = [
        (event.subject, event.pk)
        for event in (add(f"o{number % 5}") for number in range(120))
    ]
    with ThreadPoolExecutor(4) as pool:
        counts = [job.result() for job in [pool.submit(work) for _ in range(4)]]
    inbox.drain()
    assert sum(counts) <= 120
    assert sorted(seen) == sorted(expected)
    for number in range(5):
        pks = [pk for subject, pk in seen if subject == f"o{number}"]
        assert pks == sorted(pks)


def test_a_process_drains_once_at_a_time_and_looks_again_when_asked(
    transactional_db, handlers, add
):
    inside, go_on = threading.Event(), threading.Event()

    def handle(inbound):
        inside.set()
        assert go_on.wait(10)

    handlers.append(("mp.message.text", handle))
    add("o1")
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(drain_and_close)
        assert inside.wait(10)
        add("o2")
        assert inbox.drain() == 0
        go_on.set()
        assert running.result() == 2


def drain_and_close():
    try:
        return inbox.drain()
    finally:
        connection.close()


def test_a_deadlock_is_run_through_without_counting_a_try(
    transactional_db, handlers, add
):
    class Deadlock(Exception):
        sqlstate = "40P01"

    left = [2]

    def handle(inbound):
        if left[0]:
            left[0] -= 1
            raise OperationalError from Deadlock()

    handlers.append(("mp.message.text", handle))
    event = add()
    inbox.drain()
    assert (state(event), event.tries) == ("done", 1)


def test_the_moment_is_the_platforms_own_on_our_clock(transactional_db, handlers, add):
    seen = []
    handlers.append(("mp.message.text", lambda inbound: seen.append(inbound.at)))
    event = add()
    account = event.app.account
    account.clock_offset_seconds = 3600
    account.save()
    inbox.drain()
    account.is_sandbox = True
    account.save()
    add()
    inbox.drain()
    platform = datetime.fromtimestamp(1763769601, tz=UTC)
    assert seen == [platform, platform - timedelta(hours=1)]
    without = add(body=b"<xml><MsgType>text</MsgType></xml>")
    inbox.drain()
    assert seen[-1] == without.received_at


def test_a_replay_puts_a_dead_event_back_and_is_audited(
    transactional_db, handlers, add, make_staff
):
    actor = make_staff(is_superuser=True)
    ran = []
    handlers.append(("mp.message.text", ran.append))
    event = add(state="dead", tries=8, error="ValueError: x")
    inbox.replay(event, actor=actor)
    with pytest.raises(inbox.NothingToReplay):
        inbox.replay(event, actor=actor)
    inbox.drain()
    assert (state(event), event.tries, event.error) == ("done", 1, "")
    inbox.replay(event, actor=actor)
    inbox.drain()
    assert state(event) == "done"
    assert len(ran) == 2
    entry = AuditEntry.objects.filter(action="wechat.inbound.replayed").last()
    assert (entry.actor_id, entry.before["state"]) == (actor.pk, "dead")


def test_old_bodies_go_but_the_rows_stay(db, add):
    old = timezone.now() - timedelta(days=91)
    kept = [add(received_at=old), add(state="done")]
    emptied = [add(received_at=old, state=name) for name in ("done", "ignored", "dead")]
    assert inbox.empty_old_bodies(90, batch=2) == 3
    assert inbox.empty_old_bodies(90) == 0
    assert [bool(state(event) and event.body) for event in kept] == [True, True]
    assert not any(state(event) and event.body for event in emptied)


def test_an_event_without_its_body_cannot_be_replayed(db, add, make_staff):
    event = add(state="dead", body=b"")
    with pytest.raises(inbox.NothingToReplay):
        inbox.replay(event, actor=make_staff(is_superuser=True))


def created(at):
    body = (
        "<xml><FromUserName>o1</FromUserName><CreateTime>{}</CreateTime>"
        "<MsgType>text</MsgType><Content>hi</Content></xml>"
    )
    return body.format(int(at.timestamp())).encode()


def test_a_sandboxs_callback_ahead_of_us_moves_its_clock_and_an_old_one_does_not(
    transactional_db, handlers, add
):
    registry.on("mp.message.text")(lambda inbound: None)
    event, jump = add(), timedelta(hours=49)
    account = event.app.account

    def learnt(at, **fields):
        make_due(add(body=created(at), **fields))
        inbox.drain()
        account.refresh_from_db()
        return round(account.clock_offset_seconds / 3600)

    now = timezone.now()
    assert learnt(now + jump) == 0
    type(account).objects.update(is_sandbox=True)
    assert learnt(now + jump, received_at=now - timedelta(hours=1)) == 0
    assert learnt(now + jump) == 49
    assert learnt(now - timedelta(days=365)) == 49
