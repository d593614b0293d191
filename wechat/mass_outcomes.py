"""From what the platform said of a mass call to the state of its batch."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from wechat import holding, limits
from wechat.api import Outcome, PlatformError, Reach
from wechat.models import App, BatchAttempt, MassOutcome, OutboundBatch
from wechat.outcomes import (
    MAX_BACKOFF_SECONDS,
    MAX_PREPARATIONS,
    QUOTA_SECONDS,
    RATE_SECONDS,
    TOKEN_SECONDS,
    UNREACHABLE_SECONDS,
    Verdict,
)
from wechat.reasons import explain
from wechat.registry import tell_batch_outcome

State = OutboundBatch.State
DUPLICATE = 45065
# A refusal nobody lists is asked again so often before nobody knows what it did.
MAX_UNLISTED = 3
MAX_REPLAY_DOUBLINGS = 5
MAX_QUOTA_SECONDS = 15 * 60
UNCONFIRMED_AFTER = timedelta(hours=2)
SILENT_AFTER = timedelta(hours=24)
OUTCOME_FIELDS = [
    *("state", "reason_code", "reason", "lease_until", "next_at", "attempts"),
    *("remote_id", "accepted_at", "first_called_at", "finished_at", "polls"),
    *("platform_status", "total_count", "filter_count", "sent_count", "error_count"),
]
# MASSSENDJOBFINISH, Status:
# https://developers.weixin.qq.com/doc/service/guide/product/message/Batch_Sends.html
SUCCESSES = {"send success", "sendsuccess", "SEND_SUCCESS"}
FAILURES = {"err(40001)": "mass_refused", "err(40002)": "mass_not_confirmed"}


def sent_verdict(answer: dict[str, object]) -> Verdict:
    remote_id = str(answer.get("msg_id") or "")[:64]
    if not remote_id:
        return open_verdict("bad_answer", 1)
    return Verdict(State.SENT, errcode=0, http_status=200, remote_id=remote_id)


def open_verdict(code: str, attempts: int) -> Verdict:
    """Nobody knows yet: the identical request is made again, later each time."""
    doublings = min(max(attempts - 1, 0), MAX_REPLAY_DOUBLINGS)
    seconds = settings.MASS_REPLAY_SECONDS * 2**doublings
    return Verdict(State.SENDING, code=code, retry_seconds=seconds)


def verdict_of(
    error: PlatformError, batch: OutboundBatch, *, is_replay: bool
) -> Verdict:
    """Classify a call that did not succeed.

    Args:
        is_replay: an earlier call of this batch has an open answer; then a refusal of
            this one says nothing about that one.
    """
    still_open = replace(
        open_verdict(error.code, batch.attempts),
        errcode=error.errcode,
        http_status=error.http_status or (200 if error.errcode else None),
    )
    if error.errcode == DUPLICATE:
        waits = 0 if error.remote_id else still_open.retry_seconds
        return replace(
            still_open,
            code="adopted",
            remote_id=error.remote_id,
            retry_seconds=waits,
        )
    is_refused = error.outcome is Outcome.REJECTED and error.reach is Reach.UNLISTED
    if is_refused and batch.attempts >= MAX_UNLISTED:
        return replace(still_open, state=State.UNKNOWN)
    if is_replay or is_refused or error.outcome is Outcome.UNKNOWN:
        return still_open
    if error.reach in (Reach.PERSON, Reach.CONTENT):
        return replace(still_open, state=State.FAILED)
    return _not_sent(error, batch, replace(still_open, state=State.PLANNED))


def _not_sent(error: PlatformError, batch: OutboundBatch, verdict: Verdict) -> Verdict:
    """Certainly not sent; how long to wait, and what waits with it."""
    backoff = min(2.0**batch.attempts, MAX_BACKOFF_SECONDS)
    if error.reach is Reach.ACCOUNT:
        return replace(verdict, is_held=True, retry_seconds=backoff)
    seconds: float = UNREACHABLE_SECONDS
    if error.reach is Reach.QUOTA:
        asks = QUOTA_SECONDS * 2.0 ** min(batch.attempts, 10)
        seconds = min(asks, MAX_QUOTA_SECONDS)
    elif error.reach is Reach.RATE:
        seconds = max(RATE_SECONDS.get(error.errcode or 0, 1), backoff)
    elif error.reach is Reach.TOKEN or error.code == "token_resting":
        seconds = TOKEN_SECONDS
    elif error.reach is Reach.RETRY:
        return replace(verdict, retry_seconds=backoff)
    until = timezone.now() + timedelta(seconds=seconds)
    return replace(verdict, retry_seconds=seconds, hold_until=until)


def record(attempt: uuid.UUID, verdict: Verdict) -> bool:
    """Write the outcome of `attempt` once; False when it is no longer the newest."""
    with transaction.atomic():
        row = locked(attempt=attempt, state__in=[State.SENDING, State.UNKNOWN])
        if row is None or (row.state, row.reason_code) == (verdict.state, verdict.code):
            return False
        BatchAttempt.objects.create(
            batch=row,
            attempt=attempt,
            phase="lost" if verdict.code == "worker_lost" else "answer",
            owner=row.owner,
            http_status=verdict.http_status,
            errcode=verdict.errcode,
            evidence={"state": verdict.state, "code": verdict.code, **verdict.extra},
        )
        apply(row, verdict)
    return True


def locked(*filters: Q, **conditions: Any) -> OutboundBatch | None:
    """The one batch of these conditions, locked, without its people."""
    return (
        OutboundBatch.objects.filter(*filters, **conditions)
        .select_related("app__account", "run")
        .defer("openids")
        .select_for_update(no_key=True, of=("self",))
        .first()
    )


def apply(row: OutboundBatch, verdict: Verdict) -> None:
    """Set the state on the locked row, hold what must wait, tell whose it is."""
    now = timezone.now()
    known, _advice = explain(verdict.code, is_wecom=False)
    row.state = verdict.state
    row.reason_code = verdict.code[:40]
    row.reason = str(verdict.text or known)[:300]
    row.next_at = now + timedelta(seconds=verdict.retry_seconds)
    row.lease_until = row.next_at if verdict.state == State.SENDING else None
    if verdict.remote_id and not row.remote_id:
        row.remote_id, row.accepted_at = verdict.remote_id, now
    if verdict.state == State.PLANNED:
        row.first_called_at = None
    elif verdict.state == State.SENT:
        row.next_at = now + timedelta(seconds=settings.MASS_REPLAY_SECONDS)
    elif verdict.state == State.FAILED:
        row.finished_at = now
    if row.remote_id:
        told = MassOutcome.objects.filter(app=row.app_id, msg_id=row.remote_id).first()
        if told is not None:
            _take(row, told)
    row.save(update_fields=OUTCOME_FIELDS)
    _hold(row.app, verdict)
    tell_batch_outcome(row)


def _hold(app: App, verdict: Verdict) -> None:
    if verdict.is_held:
        holding.hold(app, verdict.code, None)
    elif verdict.hold_until is not None:
        holding.hold_mass(app, verdict.code, verdict.hold_until)


def _take(row: OutboundBatch, told: MassOutcome) -> None:
    """What the platform told about the whole of it, onto the row (unsaved)."""
    take_status(row, told.status)
    row.total_count, row.filter_count = told.total_count, told.filter_count
    row.sent_count, row.error_count = told.sent_count, told.error_count


def take_status(row: OutboundBatch, status: str) -> None:
    """State and reason by the platform's own word for the end of it (unsaved)."""
    row.platform_status = status[:40]
    row.finished_at = row.finished_at or timezone.now()
    is_open = row.state in (State.SENDING, State.SENT, State.UNKNOWN)
    if status in SUCCESSES or status == "DELETE":
        if is_open:
            row.state, row.reason_code, row.reason = State.SENT, "", ""
            row.lease_until = None
    elif is_open:
        code = FAILURES.get(status) or (
            "mass_content" if status.startswith("err(") else "mass_failed"
        )
        known, _advice = explain(code, is_wecom=False)
        row.state, row.reason_code, row.reason = State.FAILED, code, str(known)[:300]
        row.lease_until = None


def put_back(batch: OutboundBatch, verdict: Verdict) -> bool:
    """Settle a claimed batch that was certainly not called now."""
    with transaction.atomic():
        row = claimed(batch)
        if row is None:
            return False
        if row.state == State.SENDING:  # a repetition that could not begin
            verdict = replace(
                open_verdict(row.reason_code, 1),
                retry_seconds=max(verdict.retry_seconds, 1),
                hold_until=verdict.hold_until,
                is_held=verdict.is_held,
            )
        elif verdict.code:
            row.attempts += 1
            is_over = row.attempts >= MAX_PREPARATIONS
            if verdict.state in (State.SENDING, State.UNKNOWN):
                # Of a call that only prepares the send.
                state = State.FAILED if is_over else State.PLANNED
                verdict = replace(
                    verdict,
                    state=state,
                    retry_seconds=min(2.0**row.attempts, MAX_BACKOFF_SECONDS),
                )
        apply(row, verdict)
    return True


def claimed(batch: OutboundBatch) -> OutboundBatch | None:
    """The row, locked, when it is still as this worker claimed it."""
    return locked(
        pk=batch.pk,
        state=batch.state,
        owner=batch.owner,
        generation=batch.generation,
    )


def fail(batch: OutboundBatch, code: str, text: str = "") -> bool:
    """Settle a claimed batch that will not be called, with its reason."""
    with transaction.atomic():
        row = claimed(batch)
        if row is None or row.state != State.CLAIMED:
            return False
        apply(row, Verdict(State.FAILED, code=code, text=text))
    return True


def fail_planned(pk: int, code: str) -> bool:
    """Settle a waiting batch that will not be called; the caller's transaction."""
    row = locked(pk=pk, state=State.PLANNED)
    if row is None:
        return False
    apply(row, Verdict(State.FAILED, code=code))
    return True


def give_up(batch: OutboundBatch) -> None:
    """Our own code broke on it: failed before a call, else asked again in a while."""
    if fail(batch, "broken"):
        return
    attempt = OutboundBatch.objects.values_list("attempt").get(pk=batch.pk)[0]
    if attempt is not None:
        record(attempt, open_verdict("broken", MAX_REPLAY_DOUBLINGS))


def to_unknown(pk: int, code: str) -> bool:
    """Nobody will find out by asking: a person decides."""
    with transaction.atomic():
        row = locked(pk=pk, state=State.SENDING)
        if row is None:
            return False
        BatchAttempt.objects.create(
            batch=row,
            attempt=row.attempt or uuid.uuid4(),
            phase="given up",
            evidence={"code": code},
        )
        apply(row, Verdict(State.UNKNOWN, code=code))
    return True


def told(app: App, msg_id: str) -> int:
    """Match a stored result with its batch, if that is known already."""
    outcome = MassOutcome.objects.filter(app=app, msg_id=msg_id).first()
    if outcome is None:
        return 0
    with transaction.atomic():
        row = locked(app=app, remote_id=msg_id)
        if row is None or row.total_count is not None:
            return 0
        before = row.state
        _take(row, outcome)
        row.save(update_fields=OUTCOME_FIELDS)
        if row.state != before:
            tell_batch_outcome(row)
    return 1


def waiting_for_status() -> Q:
    """Batches whose message id is known and whose end is not."""
    return Q(state=State.SENT, finished_at=None) | (
        Q(state=State.SENDING) & ~Q(remote_id="")
    )


def key_is_forgotten(row: OutboundBatch, platform_now: datetime) -> bool:
    """Whether the platform may no longer know the key: then never again."""
    assert row.first_called_at is not None
    lives = timedelta(seconds=limits.value("mp.mass.key_seconds"))
    # An hour less: clocks differ, and a call takes its time.
    return platform_now - row.first_called_at > lives - timedelta(hours=1)
