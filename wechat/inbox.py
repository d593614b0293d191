"""Working off what the platforms pushed: each event once, in the order of its person.

The row is the queue. A worker locks a row, runs the handlers of its kind and marks it
in one transaction, so that a kill at any moment leaves it either untouched or done.
Events of one subject wait for the earlier one; different subjects run in parallel.
"""

from __future__ import annotations

import json
import logging
import random
import threading
import time
from collections import defaultdict
from datetime import datetime, timedelta
from typing import Any

from django.db import OperationalError, connection, transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from core import audit, live, snapshot
from core.crash import crash_point
from core.doorbell import ring
from core.errors import AppError
from staff.models import Staff
from wechat import clock, registry
from wechat.models import App, InboundEvent
from wechat.parsing import parse_xml, source_time, storable

logger = logging.getLogger(__name__)

DRAIN_SECONDS = 20.0
BATCH = 100
# After so many meetings with another process what was read is out of date.
MEETINGS = 3
MAX_TRIES = 8
# Waits after each failure but the last; people wait behind it, so about two minutes.
BACKOFF_SECONDS = (1, 2, 4, 8, 15, 30, 60)
SEEN_EVERY = timedelta(seconds=10)
_DEADLOCK, _SERIALIZATION = "40P01", "40001"

# Behind an event that waits for its next try, the later ones of its subject wait too.
CANDIDATES = """
SELECT event.id, event.app_id, event.subject FROM wechat_inboundevent event
WHERE event.state = 'new' AND event.next_at <= now() AND NOT EXISTS (
    SELECT 1 FROM wechat_inboundevent earlier
    WHERE earlier.state = 'new' AND earlier.app_id = event.app_id
      AND earlier.subject = event.subject AND earlier.subject <> ''
      AND earlier.id < event.id AND earlier.next_at > now()
)
ORDER BY event.id LIMIT %s
"""
# The bounds hold for the handlers too; a stuck one must not keep the person's later
# events waiting for ever.
CLAIM = """
SELECT event.*, set_config('lock_timeout', '5s', true) AS lock_bound,
       set_config('statement_timeout', '15s', true) AS statement_bound
FROM wechat_inboundevent event
WHERE event.id = %s AND event.state = 'new' AND NOT EXISTS (
    SELECT 1 FROM wechat_inboundevent earlier
    WHERE earlier.state = 'new' AND earlier.app_id = event.app_id
      AND earlier.subject = event.subject AND earlier.subject <> ''
      AND earlier.id < event.id
)
FOR UPDATE OF event SKIP LOCKED
"""
MARK = """
UPDATE wechat_inboundevent
SET state = %s, tries = tries + 1, handled_at = clock_timestamp(), error = ''
WHERE id = %s
"""


class NothingToReplay(AppError):
    code = "nothing_to_replay"
    message = _("The event is waiting already, or its body was deleted.")


# One drain per process: threads that share an interpreter only slow each other down.
_running = threading.Lock()
_wanted = threading.Event()


def drain(seconds: float = DRAIN_SECONDS) -> int:
    """Work off what is due for at most `seconds`; returns how many events.

    May run in any number of processes at once; in a process that drains already it
    returns at once, and the running drain looks again. Raises a database error when
    PostgreSQL is away; nothing is lost by it.
    """
    deadline = time.monotonic() + seconds
    total = 0
    _wanted.set()
    # Asked again after the release: a wish may come as the drain before ends.
    while _wanted.is_set() and _running.acquire(blocking=False):
        try:
            _wanted.clear()
            total += _drain(deadline)
        finally:
            _running.release()
    return total


def _drain(deadline: float) -> int:
    total = 0
    while time.monotonic() < deadline:
        apps = _Apps()
        with snapshot.taken(), live.gathering():
            handled = _drain_batch(apps, deadline)
        apps.note_life()
        total += handled
        if not handled:
            break
    return total


def _drain_batch(apps: _Apps, deadline: float) -> int:
    """One look at the queue; people in an order of our own, each one's events in theirs.

    So the processes begin with different people and rarely meet.
    """
    people: dict[tuple[int, str], list[int]] = defaultdict(list)
    for pk, app, subject in _candidates():
        people[app, subject or str(pk)].append(pk)
    groups = list(people.values())
    random.shuffle(groups)
    handled = met = 0
    for pks in groups:
        for pk in pks:
            if time.monotonic() > deadline:
                return handled
            if not _handle(pk, apps):
                met += 1  # another process has this person
                break
            handled += 1
            live.deliver()
        if handled and met > MEETINGS:
            break
    return handled


def _candidates(count: int = BATCH) -> list[tuple[int, int, str]]:
    with connection.cursor() as cursor:
        cursor.execute(CANDIDATES, [count])
        rows: list[tuple[int, int, str]] = cursor.fetchall()
    return rows


_APPS = App.objects.select_related("account__org_unit__controller")


class _Apps:
    """The apps of one look at the queue with their accounts, read once."""

    def __init__(self) -> None:
        self._known: dict[int, App] = {}
        self._seen: dict[int, datetime] = {}

    def get(self, pk: int) -> App:
        if pk not in self._known:
            self._known[pk] = _APPS.get(pk=pk)
        return self._known[pk]

    def saw(self, event: InboundEvent) -> None:
        self._seen[event.app_id] = event.received_at

    def note_life(self) -> None:
        """Write when each app was last called, not more often than it matters."""
        for pk, at in self._seen.items():
            App.objects.filter(
                Q(last_callback_at__isnull=True)
                | Q(last_callback_at__lt=at - SEEN_EVERY),
                pk=pk,
            ).update(last_callback_at=at)
        self._seen.clear()


def _handle(pk: int, apps: _Apps) -> bool:
    """Run one event; False when somebody else has it or an earlier one is not done."""
    try:
        return _run_through_deadlocks(pk, apps)
    except Exception as error:
        # One event's failure says nothing of the next one's.
        logger.exception("Inbound event %s failed", pk)
        _note_failure(pk, error)
        return True


def _run_through_deadlocks(pk: int, apps: _Apps, tries: int = 3) -> bool:
    for left in reversed(range(tries)):
        try:
            with transaction.atomic():
                return _run(pk, apps)
        except OperationalError as error:
            code = getattr(error.__cause__, "sqlstate", None)
            if code not in {_DEADLOCK, _SERIALIZATION} or not left:
                raise
    raise AssertionError("unreachable")


def _run(pk: int, apps: _Apps) -> bool:
    event = next(iter(InboundEvent.objects.raw(CLAIM, [pk])), None)
    if event is None:
        return False
    app = apps.get(event.app_id)
    handlers = registry.handlers_for(event.kind)
    state = InboundEvent.State.DONE if handlers else InboundEvent.State.IGNORED
    if handlers:
        inbound = inbound_of(event, app)
        for handler in handlers:
            handler(inbound)
    with connection.cursor() as cursor:
        cursor.execute(MARK, [state, pk])
    crash_point("K12")
    apps.saw(event)
    return True


def inbound_of(event: InboundEvent, app: App) -> registry.Inbound:
    """The event as handlers get it; raises BadCallback when its body can't be read."""
    fields = fields_of(event)
    at = source_time(fields)
    if at is not None and event.is_first_try:
        clock.hear(app.account, at, event.received_at)
    return registry.Inbound(
        event=event,
        app=app,
        account=app.account,
        kind=event.kind,
        fields=fields,
        subject=event.subject,
        at=clock.our_time(app.account, at) if at else event.received_at,
    )


def fields_of(event: InboundEvent) -> dict[str, Any]:
    """The stored body as fields: JSON of kf, else XML."""
    if event.kind.startswith("kf."):
        fields: dict[str, Any] = storable(json.loads(event.body))
        return fields
    return parse_xml(event.body)


def _note_failure(pk: int, error: Exception) -> None:
    """Count the try; the next one waits, the last one makes the event dead."""
    with transaction.atomic():
        event = (
            InboundEvent.objects.select_for_update()
            .filter(pk=pk, state=InboundEvent.State.NEW)
            .first()
        )
        if event is None:
            return  # another worker succeeded meanwhile
        event.tries += 1
        event.error = _in_short(error)
        if event.tries >= MAX_TRIES:
            event.state = InboundEvent.State.DEAD
            event.handled_at = timezone.now()
        else:
            wait = timedelta(seconds=BACKOFF_SECONDS[event.tries - 1])
            event.next_at = timezone.now() + wait
        fields = ["tries", "error", "state", "handled_at", "next_at"]
        event.save(update_fields=fields)


def _in_short(error: Exception) -> str:
    """Kind and first line: what follows in a database error quotes personal values."""
    lines = str(error).splitlines()
    return f"{type(error).__name__}: {lines[0] if lines else ''}"[:500]


# -- by hand


def replay(event: InboundEvent, *, actor: Staff) -> None:
    """Put an event back into the queue, with all its tries; handlers are idempotent.

    Raises NothingToReplay.
    """
    from wechat.tasks import drain_inbox

    with transaction.atomic():
        rows = InboundEvent.objects.filter(pk=event.pk, state=event.state)
        now = timezone.now()
        if (
            event.state == InboundEvent.State.NEW
            or not event.body
            or not rows.update(
                state=InboundEvent.State.NEW, tries=0, next_at=now, error=""
            )
        ):
            raise NothingToReplay
        audit.record(
            "wechat.inbound.replayed",
            event,
            actor=actor,
            before={"state": event.state, "tries": event.tries, "error": event.error},
            label=event.kind,
        )
        ring(drain_inbox)


def has_body(event: InboundEvent) -> bool:
    """Whether the content is still there, without reading it."""
    return InboundEvent.objects.filter(pk=event.pk).exclude(body=b"").exists()


# -- keeping no more than needed


def empty_old_bodies(days: int, batch: int = 2000) -> int:
    """Delete the bodies of events older than `days`; returns how many.

    The rows stay: their dedupe keys still keep late duplicates out, and unknown kinds
    stay known.
    """
    cutoff = timezone.now() - timedelta(days=days)
    total = 0
    while True:
        with connection.cursor() as cursor:
            cursor.execute(EMPTY, [cutoff, batch])
            count = int(cursor.rowcount)
        total += count
        if count < batch:
            return total


EMPTY = """
UPDATE wechat_inboundevent SET body = '' WHERE id IN (
    SELECT id FROM wechat_inboundevent
    WHERE received_at < %s AND body <> '' AND state <> 'new'
    ORDER BY received_at LIMIT %s FOR UPDATE SKIP LOCKED
)
"""
