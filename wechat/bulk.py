"""The bulk lane: single messages of runs, sent in small chunks.

Every promise of wechat.sending holds (one committed intent before each call, a fence,
evidence on disk before the record); what need not be asked per message is asked for a
chunk: vetoes, reply windows and quota right before it, the record of what was sent right
after it. A worker killed in between leaves evidence, which the reaper adopts.
"""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import DatabaseError, connection, transaction
from django.db.models import F
from django.utils import timezone

from core.crash import crash_point
from wechat import evidence, limits, media, sending, tokens, windows
from wechat.api import PlatformError, mp_client
from wechat.api.mp import MpClient
from wechat.holding import free_apps, is_held
from wechat.models import Account, App, Attempt, OutboundMessage, OutboundRun
from wechat.outcomes import (
    Verdict,
    fail,
    give_up,
    put_back,
    record,
    sent_verdict,
    verdict_of,
)
from wechat.processes import identity
from wechat.registry import tell_sent, text_of, vetoes_for

logger = logging.getLogger(__name__)

State = OutboundMessage.State
CHUNK = 20
# What was asked for the chunk holds so long; whoever did not get their turn waits again.
FRESH_SECONDS = 2.0
INTENT = """
WITH mine AS (
    UPDATE wechat_outboundmessage message
    SET state = 'sending', attempt = %(attempt)s, attempts = attempts + 1,
        lease_until = %(lease)s, reason_code = '', reason = '', "window" = %(window)s,
        window_opened_at = %(opened_at)s, quota_period = %(period)s
    FROM wechat_outboundrun run
    WHERE message.id = %(id)s AND message.state = 'claimed'
      AND message.owner = %(owner)s AND message.generation = %(generation)s
      AND message.lease_until > %(margin)s
      AND run.id = message.run_id AND run.state = 'running'
    RETURNING message.id
)
INSERT INTO wechat_attempt (id, message_id, attempt, phase, at, owner, evidence)
SELECT %(row)s, id, %(attempt)s, 'intent', %(now)s, %(owner)s, '{}' FROM mine
"""
SENT = """
UPDATE wechat_outboundmessage SET state = 'sent', lease_until = NULL, finished_at = %s
WHERE attempt = ANY(%s) AND state = 'sending' RETURNING id
"""


@dataclass
class Chunk:
    """Claimed messages of one app; `sent`: what the platform took, not yet recorded."""

    app: App
    waiting: list[OutboundMessage]
    token: tokens.Token | None = None
    media: dict[int, str] = field(default_factory=dict)
    sent: list[tuple[OutboundMessage, uuid.UUID, Verdict]] = field(default_factory=list)


def drain(seconds: float = 20.0) -> int:
    """Send what is due in the bulk lane for at most `seconds`; how many were handled."""
    deadline = time.monotonic() + seconds
    handled = 0
    while time.monotonic() < deadline:
        messages = claim()
        if not messages:
            break
        try:
            send(messages)
        except Exception:
            # Other chunks are independent; these must not come round for ever.
            logger.exception("A chunk of %s could not be sent", messages[0].run_id)
            for message in messages:
                if _is_open(message):
                    give_up(message)
        handled += len(messages)
    left = deadline - time.monotonic()
    return handled + (sending.drain("bulk", left) if left > 0 else 0)


def _is_open(message: OutboundMessage) -> bool:
    mine = OutboundMessage.objects.filter(
        pk=message.pk, owner=message.owner, generation=message.generation
    )
    return mine.filter(state__in=[State.CLAIMED, State.SENDING]).exists()


def claim() -> list[OutboundMessage]:
    """Take the next messages of runs, all of one app, for one lease."""
    if sending.is_stopped():
        return []
    now = timezone.now()
    with transaction.atomic():
        rows = list(
            OutboundMessage.objects.due(now)
            .filter(
                free_apps(now),
                ~sending.earlier_answers(),
                lane=OutboundMessage.Lane.BULK,
                channel=OutboundMessage.Channel.MP_CUSTOM,
                run__state=OutboundRun.State.RUNNING,
            )
            .select_for_update(skip_locked=True, no_key=True, of=("self",))
            .order_by("next_at", "id")[:CHUNK]
        )
        if not rows:
            return []
        # One app for all: its secrets are decrypted once.
        app = App.objects.select_related("account").get(pk=rows[0].app_id)
        mine = [row for row in rows if row.app_id == app.pk]
        for row in mine:
            row.app = app
        lease = now + timedelta(seconds=settings.LEASE_SECONDS)
        for row in mine:
            row.state, row.owner, row.lease_until = State.CLAIMED, identity(), lease
            row.generation += 1
        OutboundMessage.objects.filter(pk__in=[row.pk for row in mine]).update(
            state=State.CLAIMED,
            owner=identity(),
            generation=F("generation") + 1,
            lease_until=lease,
        )
    crash_point("K3")
    return mine


def send(messages: list[OutboundMessage]) -> None:
    """Carry a claimed chunk through; every message ends in a state with a reason."""
    chunk = Chunk(messages[0].app, messages)
    if not _prepare(chunk) or not _allow(chunk):
        return
    asked_at = time.monotonic()
    client = mp_client(chunk.app)
    client.token = chunk.token
    with _recorded(chunk):
        while chunk.waiting:
            if time.monotonic() - asked_at > FRESH_SECONDS:
                break
            if not _send_one(chunk, client, chunk.waiting.pop(0)):
                break
    _return(chunk)


# -- asked for the chunk


def _prepare(chunk: Chunk) -> bool:
    """Token and pictures; failing here certainly sent nothing."""
    now = timezone.now()
    for message in list(chunk.waiting):
        is_late = bool(message.expires_at and message.expires_at <= now)
        if is_late or not message.recipient:
            fail(message, "expired" if is_late else "erased")
            chunk.waiting.remove(message)
    try:
        chunk.token = tokens.current(chunk.app)
        for message in chunk.waiting:
            wanted = message.payload.get("media")
            if wanted is not None and wanted not in chunk.media:
                chunk.media[wanted] = media.platform_id(chunk.app, int(wanted))
    except PlatformError as error:
        for message in chunk.waiting:
            put_back(message, verdict_of(error, message))
        return False
    except media.MediaMissing:
        # Which one it is shows when each is looked at alone.
        for message in chunk.waiting:
            sending.send(message)
        return False
    return bool(chunk.waiting)


def _allow(chunk: Chunk) -> bool:
    """Vetoes, the places in the reply windows and in the quota, for the whole chunk."""
    app, now = chunk.app, timezone.now()
    app.refresh_from_db(fields=["held_reason", "held_until", "is_active", "account"])
    is_live = app.account.state == Account.State.LIVE and app.is_active
    if sending.is_stopped() or not is_live or is_held(app, now):
        for message in chunk.waiting:
            put_back(message, Verdict(State.PLANNED, code="", retry_seconds=1))
        return False
    with transaction.atomic():
        for pk, veto in vetoes_for(chunk.waiting).items():
            message = next(each for each in chunk.waiting if each.pk == pk)
            fail(message, veto.code, str(veto.text))
            chunk.waiting.remove(message)
        windows.reserve_many(app, chunk.waiting)
        for message in list(chunk.waiting):
            if not message.window:
                left = windows.allowance(app, message.recipient)
                fail(message, "window_used" if left.by_trigger else "window_closed")
                chunk.waiting.remove(message)
        return bool(chunk.waiting) and _take_quota(chunk)


def _take_quota(chunk: Chunk) -> bool:
    kind = limits.SEND_QUOTAS[OutboundMessage.Channel.MP_CUSTOM]
    period = limits.reserve(chunk.app, kind, count=len(chunk.waiting))
    for message in chunk.waiting:
        if period is None:
            # The last few of the day are taken one by one.
            windows.settle(message, is_used=False)
            until = limits.period_end(kind, timezone.now())
            put_back(
                message, Verdict(State.PLANNED, code="quota_used", hold_until=until)
            )
        message.quota_period = period or ""
    return period is not None


# -- one message


def _send_one(chunk: Chunk, client: MpClient, message: OutboundMessage) -> bool:
    """Intent, call, evidence; False when the rest of the chunk must wait."""
    attempt = uuid.uuid4()
    try:
        is_mine = _intend(message, attempt)
    except DatabaseError:
        # As in wechat.sending: whether it stands is not known, so nothing is sent.
        logger.exception("Intent of message %s could not be confirmed", message.pk)
        connection.close()
        record(attempt, Verdict(State.PLANNED, code="", retry_seconds=1))
        return False
    if not is_mine:
        chunk.waiting.append(message)
        return False
    message.attempts += 1
    crash_point("K5")
    verdict = _call(chunk, client, message)
    evidence.append(verdict.as_evidence(attempt))
    crash_point("K8")
    if verdict.state == State.SENT:
        chunk.sent.append((message, attempt, verdict))
        return True
    record(attempt, verdict)
    return not (verdict.is_held or verdict.hold_until)


def _intend(message: OutboundMessage, attempt: uuid.UUID) -> bool:
    """Commit the intent, if the message is still ours and its run still running."""
    now = timezone.now()
    margin = timedelta(seconds=settings.LEASE_SECONDS * sending.MARGIN_PART)
    values: dict[str, Any] = {
        "id": message.pk,
        "row": uuid.uuid4(),
        "attempt": attempt,
        "owner": message.owner,
        "generation": message.generation,
        "now": now,
        "margin": now + margin,
        "lease": now + timedelta(seconds=settings.LEASE_SECONDS),
        "window": message.window,
        "opened_at": message.window_opened_at,
        "period": message.quota_period,
    }
    with connection.cursor() as cursor:
        cursor.execute(INTENT, values)
        return bool(cursor.rowcount == 1)


def _call(chunk: Chunk, client: MpClient, message: OutboundMessage) -> Verdict:
    """The one call. Anything unforeseen after the first byte is "unknown"."""
    try:
        if message.kind == OutboundMessage.Kind.IMAGE:
            media_id = chunk.media[message.payload["media"]]
            answer = client.send_image(message.recipient, media_id)
        else:
            answer = client.send_text(message.recipient, text_of(message))
    except PlatformError as error:
        return verdict_of(error, message)
    return sent_verdict(answer)


# -- the end of a chunk


@contextmanager
def _recorded(chunk: Chunk) -> Iterator[None]:
    """Whatever happens inside, what was sent by then is recorded."""
    try:
        yield
    finally:
        if chunk.sent:
            try:
                _record(chunk)
            except DatabaseError:
                logger.exception("Outcomes of a chunk stand in the evidence only")
                connection.close()


def _record(chunk: Chunk) -> None:
    now = timezone.now()
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(SENT, [now, [attempt for _m, attempt, _v in chunk.sent]])
            written = {pk for (pk,) in cursor.fetchall()}
        mine = [each for each in chunk.sent if each[0].pk in written]
        Attempt.objects.bulk_create(
            Attempt(
                message=message,
                attempt=attempt,
                phase="answer",
                owner=message.owner,
                http_status=verdict.http_status,
                errcode=verdict.errcode,
                evidence={"state": verdict.state, "code": "", **verdict.extra},
            )
            for message, attempt, verdict in mine
        )
        messages = [message for message, _attempt, _verdict in mine]
        windows.settle_many(chunk.app, messages, is_used=True)
        for message in messages:
            message.state, message.finished_at = State.SENT, now
        _use_quota(chunk, messages)
        tell_sent(messages)
    for message, attempt, verdict in chunk.sent:
        if message.pk not in written:  # called "unknown" by the reaper meanwhile
            record(attempt, verdict)
    crash_point("K9")


def _use_quota(chunk: Chunk, messages: list[OutboundMessage]) -> None:
    if messages:
        kind = limits.SEND_QUOTAS[OutboundMessage.Channel.MP_CUSTOM]
        period = messages[0].quota_period
        limits.settle(chunk.app, kind, period, is_used=True, count=len(messages))


def _return(chunk: Chunk) -> None:
    """Who did not get a turn waits again, and gives back what was taken for them."""
    if not chunk.waiting:
        return
    kind = limits.SEND_QUOTAS[OutboundMessage.Channel.MP_CUSTOM]
    with transaction.atomic():
        windows.settle_many(chunk.app, chunk.waiting, is_used=False)
        period = chunk.waiting[0].quota_period
        limits.settle(chunk.app, kind, period, is_used=False, count=len(chunk.waiting))
        OutboundMessage.objects.filter(
            pk__in=[message.pk for message in chunk.waiting],
            state=State.CLAIMED,
            owner=identity(),
        ).update(state=State.PLANNED, owner="", lease_until=None)
