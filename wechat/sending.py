"""Sending what is planned: claim → intent, committed → call → record.

A row is the right to send once. The call is made outside any transaction, after the
intent is safe on disk; whoever does not know how it ended says so ("unknown") and nobody
sends it again by himself. Order per person is kept: a message waits for earlier ones.
"""

from __future__ import annotations

import logging
import time
import uuid
from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.db import DatabaseError, connection, transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone

from core.crash import crash_point
from core.models import Instance
from wechat import evidence, limits, media, tokens, windows
from wechat.api import PlatformError, mp_client, wecom_client
from wechat.holding import free_apps, is_held, running_runs
from wechat.models import Account, Attempt, OutboundMessage, OutboundRun
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
from wechat.registry import text_of, veto_for

logger = logging.getLogger(__name__)

State = OutboundMessage.State
Channel = OutboundMessage.Channel
# Not begun with less of the lease left than a call may take, so that the reaper does
# not call a running call lost. Only a courtesy: safety is the fence.
MARGIN_PART = 0.25
INTENT_FIELDS = [
    "state",
    "attempt",
    "attempts",
    "lease_until",
    "reason_code",
    "reason",
    "window",
    "window_opened_at",
    "quota_period",
]


def drain(lane: str, seconds: float = 20.0) -> int:
    """Send what is due in `lane` for at most `seconds`; how many were handled."""
    deadline = time.monotonic() + seconds
    handled = 0
    while time.monotonic() < deadline:
        message = claim(lane)
        if message is None:
            break
        try:
            send(message)
        except Exception:
            # The others are independent; this one must not come round for ever.
            logger.exception("Message %s could not be carried through", message.pk)
            give_up(message)
        handled += 1
    return handled


def is_stopped() -> bool:
    """Whether the whole installation holds its sending (after a restore)."""
    return Instance.objects.filter(sending_held_at__isnull=False).exists()


def claim(lane: str) -> OutboundMessage | None:
    """Take the first message that may go now, for one lease; None when there is none."""
    if is_stopped():
        return None
    now = timezone.now()
    with transaction.atomic():
        message = (
            OutboundMessage.objects.due(now)
            .filter(free_apps(now), running_runs(), ~earlier_answers(), lane=lane)
            .select_related("app__account")
            .select_for_update(skip_locked=True, no_key=True, of=("self",))
            .order_by("next_at", "id")
            .first()
        )
        if message is None:
            return None
        message.state = State.CLAIMED
        message.owner = identity()
        message.generation += 1
        message.lease_until = now + timedelta(seconds=settings.LEASE_SECONDS)
        message.save(update_fields=["state", "owner", "generation", "lease_until"])
    crash_point("K3")
    return message


def earlier_answers() -> Exists:
    """Whether something is to be said to the person first, in the realtime lane.

    What is sent to many never holds up an answer.
    """
    return Exists(
        OutboundMessage.objects.filter(
            app=OuterRef("app"),
            recipient=OuterRef("recipient"),
            pk__lt=OuterRef("pk"),
            state__in=[State.PLANNED, State.CLAIMED, State.SENDING],
            lane=OutboundMessage.Lane.REALTIME,
        )
    )


def send(message: OutboundMessage) -> None:
    """Carry one claimed message through; every way out leaves a state with a reason."""
    if message.expires_at and message.expires_at <= timezone.now():
        fail(message, "expired")
        return
    if not message.recipient:
        fail(message, "erased")
        return
    try:
        content = _prepare(message)
    except PlatformError as error:
        put_back(message, verdict_of(error, message))
        return
    except media.MediaMissing:
        fail(message, "media_missing")
        return
    attempt = _intend(message)
    if attempt is None:
        return
    crash_point("K5")
    verdict = _call(message, content)
    evidence.append(verdict.as_evidence(attempt))
    crash_point("K8")
    _record(attempt, verdict)
    crash_point("K9")


@dataclass(frozen=True)
class _Content:
    text: str
    media_id: str = ""


def _prepare(message: OutboundMessage) -> _Content:
    """What must be there before the intent: a token, the text, the picture over there.

    Failing here certainly sent nothing.
    """
    tokens.current(message.app)
    text = text_of(message)
    if message.kind != OutboundMessage.Kind.IMAGE and "media" not in message.payload:
        return _Content(text)
    media_id = media.platform_id(message.app, int(message.payload["media"]))
    return _Content(text, media_id)


def _intend(message: OutboundMessage) -> uuid.UUID | None:
    """Commit the intent to send; None when it must not be sent now or is not ours.

    The vetoes, the reply window and the quota are decided in the same transaction, on
    the locked row.
    """
    attempt = uuid.uuid4()
    try:
        with transaction.atomic():
            row = _locked_claim(message)
            if row is None or not _is_allowed(row):
                return None
            row.state = State.SENDING
            row.attempt = attempt
            row.attempts += 1
            row.lease_until = timezone.now() + timedelta(seconds=settings.LEASE_SECONDS)
            row.reason_code = row.reason = ""
            row.save(update_fields=INTENT_FIELDS)
            Attempt.objects.create(
                message=row, attempt=attempt, phase="intent", owner=row.owner
            )
            crash_point("K4")
    except DatabaseError:
        # Whether the commit stands is not known: nothing is sent. Nobody else can have
        # this attempt, so it is safe to take it back; else the reaper finds it.
        logger.exception("Intent of message %s could not be confirmed", message.pk)
        connection.close()
        record(attempt, Verdict(State.PLANNED, code="", retry_seconds=1))
        return None
    return attempt


def _locked_claim(message: OutboundMessage) -> OutboundMessage | None:
    """The row, locked, when it is still this worker's with enough of its lease left."""
    margin = timedelta(seconds=settings.LEASE_SECONDS * MARGIN_PART)
    return (
        OutboundMessage.objects.filter(
            pk=message.pk,
            state=State.CLAIMED,
            owner=message.owner,
            generation=message.generation,
            lease_until__gt=timezone.now() + margin,
        )
        .select_related("app__account", "run")
        .select_for_update(no_key=True, of=("self",))
        .first()
    )


def _is_allowed(row: OutboundMessage) -> bool:
    """Decide on the locked row; what may not go is settled here."""
    now = timezone.now()
    if row.expires_at and row.expires_at <= now:
        fail(row, "expired")
        return False
    if row.run is not None and row.run.state == OutboundRun.State.STOPPED:
        fail(row, "stopped")
        return False
    is_live = row.app.account.state == Account.State.LIVE and row.app.is_active
    is_live &= row.run is None or row.run.state == OutboundRun.State.RUNNING
    if is_stopped() or not is_live or is_held(row.app, now):
        put_back(row, Verdict(State.PLANNED, code="", retry_seconds=1))
        return False
    veto = veto_for(row)
    if veto is not None:
        fail(row, veto.code, str(veto.text))
        return False
    return _has_room(row)


def _has_room(row: OutboundMessage) -> bool:
    """Take a place in the reply window and in the quota."""
    if row.channel == Channel.MP_CUSTOM and not windows.reserve(row):
        left = windows.allowance(row.app, row.recipient)
        fail(row, "window_used" if left.by_trigger else "window_closed")
        return False
    kind = limits.SEND_QUOTAS[row.channel]
    period = limits.reserve(row.app, kind)
    if period is None:
        windows.settle(row, is_used=False)
        code = "rate_used" if kind.endswith(".minute") else "quota_used"
        until = limits.period_end(kind, timezone.now())
        put_back(row, Verdict(State.PLANNED, code=code, hold_until=until))
        return False
    row.quota_period = period
    return True


def _call(message: OutboundMessage, content: _Content) -> Verdict:
    """The one call. Anything unforeseen after the first byte is "unknown"."""
    try:
        if message.channel == Channel.WECOM_WELCOME:
            answer = wecom_client(message.app).send_welcome(
                str(message.payload["welcome_code"]),
                content.text,
                image_media_id=content.media_id,
            )
        elif message.kind == OutboundMessage.Kind.IMAGE:
            client = mp_client(message.app)
            answer = client.send_image(message.recipient, content.media_id)
        else:
            answer = mp_client(message.app).send_text(message.recipient, content.text)
    except PlatformError as error:
        return verdict_of(error, message)
    return sent_verdict(answer)


def _record(attempt: uuid.UUID, verdict: Verdict) -> None:
    """Write the outcome; when the database is gone the evidence line speaks later."""
    try:
        record(attempt, verdict)
    except DatabaseError:
        logger.exception("Outcome of attempt %s stands in the evidence only", attempt)
        connection.close()
