"""What became of mass calls: the finish event, asking, and what dead workers left."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from wechat import clock, evidence
from wechat.api import PlatformError, mp_client
from wechat.mass_outcomes import (
    MAX_REPLAY_DOUBLINGS,
    OUTCOME_FIELDS,
    SILENT_AFTER,
    UNCONFIRMED_AFTER,
    fail_planned,
    key_is_forgotten,
    locked,
    record,
    take_status,
    to_unknown,
    told,
    waiting_for_status,
)
from wechat.models import MassOutcome, OutboundBatch, OutboundRun
from wechat.outcomes import Verdict, verdict_of_evidence
from wechat.registry import Inbound, on, tell_batch_outcome

logger = logging.getLogger(__name__)

State = OutboundBatch.State
CHUNK = 100
KEEP_LISTS = timedelta(days=7)


@on("mp.event.masssendjobfinish")
def remember_result(inbound: Inbound) -> None:
    """Keep the result, matched now or when the call's answer names the same id."""
    fields = inbound.fields
    msg_id = str(fields.get("MsgID") or "")[:64]
    if not msg_id:
        return
    MassOutcome.objects.bulk_create(
        [
            MassOutcome(
                app=inbound.app,
                msg_id=msg_id,
                status=str(fields.get("Status") or "")[:40],
                total_count=_count(fields, "TotalCount"),
                filter_count=_count(fields, "FilterCount"),
                sent_count=_count(fields, "SentCount"),
                error_count=_count(fields, "ErrorCount"),
                at=inbound.at,
            )
        ],
        ignore_conflicts=True,
    )
    told(inbound.app, msg_id)


def _count(fields: dict[str, object], name: str) -> int:
    text = str(fields.get(name) or "")
    return int(text) if text.isascii() and text.isdigit() else 0


def sweep() -> int:
    """Settle what is over and ask about what is not told; safe to run anywhere."""
    return _return_claims() + _note_lost() + _give_up() + _expire() + poll()


def _return_claims() -> int:
    """Claimed and its lease over: certainly not called."""
    return OutboundBatch.objects.filter(
        state=State.CLAIMED, lease_until__lt=timezone.now()
    ).update(state=State.PLANNED, owner="", lease_until=None)


def _note_lost() -> int:
    """A call nobody recorded the end of: what this machine's evidence says, else open."""
    lost = list(
        OutboundBatch.objects.filter(
            state=State.SENDING,
            remote_id="",
            reason_code="",
            lease_until__lt=timezone.now(),
        ).values_list("attempt", "next_at")[:CHUNK]
    )
    lines = evidence.find(str(attempt) for attempt, _at in lost) if lost else {}
    noted = 0
    for attempt, next_at in lost:
        line = lines.get(str(attempt))
        left = max(0.0, (next_at - timezone.now()).total_seconds())
        verdict = (
            verdict_of_evidence(line)
            if line
            else Verdict(State.SENDING, code="worker_lost", retry_seconds=left)
        )
        assert attempt is not None  # "sending" comes after an attempt
        noted += record(attempt, verdict)
    return noted


def _give_up() -> int:
    """Open answers that can't be found out any more become "unknown"."""
    now, given_up = timezone.now(), 0
    rows = (
        OutboundBatch.objects.filter(state=State.SENDING, lease_until__lt=now)
        .select_related("app__account", "run")
        .defer("openids", "payload", "request")
    )
    for row in rows[:CHUNK]:
        code = _hopeless(row, now)
        if code:
            given_up += to_unknown(row.pk, code)
    return given_up


def _hopeless(row: OutboundBatch, now: datetime) -> str:
    """Why asking again makes no sense or is not allowed; "" while it does."""
    if row.remote_id:
        assert row.accepted_at is not None
        is_silent = now - row.accepted_at > UNCONFIRMED_AFTER
        return "unconfirmed" if is_silent else ""
    if row.run.state == OutboundRun.State.STOPPED and row.reason_code:
        # Asking again could send it for the first time.
        return row.reason_code
    if key_is_forgotten(row, clock.platform_time(row.app.account, now)):
        return "replay_over"
    return ""


def _expire() -> int:
    """Waiting and too late by now."""
    late = OutboundBatch.objects.filter(
        state=State.PLANNED, expires_at__lt=timezone.now()
    ).values_list("pk", flat=True)[:CHUNK]
    expired = 0
    for pk in list(late):
        with transaction.atomic():
            expired += fail_planned(pk, "expired")
    return expired


def empty_old_lists() -> int:
    """Drop whom a settled call went to after KEEP_LISTS; size and digest stay."""
    settled = OutboundBatch.objects.filter(
        state__in=[State.SENT, State.FAILED],
        created_at__lt=timezone.now() - KEEP_LISTS,
    ).exclude(openids=[])
    return settled.update(openids=[])


# -- asking


def poll() -> int:
    """Ask the platform about batches whose end it did not tell; how many were asked."""
    now, asked = timezone.now(), 0
    due = (
        OutboundBatch.objects.filter(waiting_for_status(), next_at__lte=now)
        .filter(app__is_active=True, app__account__state="live")
        .select_related("app__account")
        .defer("openids", "payload", "request")
        .order_by("next_at")
    )
    for row in due[:CHUNK]:
        doublings = min(row.polls, MAX_REPLAY_DOUBLINGS)
        later = now + timedelta(seconds=settings.MASS_REPLAY_SECONDS * 2**doublings)
        mine = OutboundBatch.objects.filter(pk=row.pk, next_at=row.next_at)
        if mine.update(next_at=later, polls=F("polls") + 1):
            _ask(row)
            asked += 1
    return asked


def _ask(row: OutboundBatch) -> None:
    if told(row.app, row.remote_id):
        return
    try:
        status = mp_client(row.app).mass_status(row.remote_id)
    except PlatformError as error:
        logger.info("Status of batch %s: %s", row.pk, error.code)
        status = ""
    with transaction.atomic():
        fresh = locked(waiting_for_status(), pk=row.pk)
        if fresh is None:
            return
        before = fresh.state
        if status == "SENDING":
            # It has it; the end is told later.
            fresh.platform_status, fresh.state = status, State.SENT
            fresh.reason_code = fresh.reason = ""
            fresh.lease_until = None
        elif status:
            take_status(fresh, status)
        elif fresh.state == State.SENT and _is_silent(fresh):
            fresh.finished_at = timezone.now()
        fresh.save(update_fields=OUTCOME_FIELDS)
        if fresh.state != before:
            tell_batch_outcome(fresh)


def _is_silent(row: OutboundBatch) -> bool:
    return row.accepted_at is None or timezone.now() - row.accepted_at > SILENT_AFTER
