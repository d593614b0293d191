"""From what the platform answered to the state of the message, and its record."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from wechat import holding, limits, windows
from wechat.api import Outcome, PlatformError, Reach
from wechat.models import Attempt, OutboundMessage
from wechat.reasons import explain
from wechat.registry import tell_outcome

State = OutboundMessage.State
MAX_BACKOFF_SECONDS = 60
MAX_PREPARATIONS = 8
OUTCOME_FIELDS = [
    "state",
    "reason_code",
    "reason",
    "lease_until",
    "remote_id",
    "attempts",
    "next_at",
    "window",
    "window_opened_at",
    "quota_period",
    "finished_at",
]
UNREACHABLE_SECONDS = 5
TOKEN_SECONDS = 10
QUOTA_SECONDS, MAX_QUOTA_SECONDS = 15, 15 * 60
RATE_SECONDS = {45009: 60, 45011: 10, 45033: 1}
# The platform counts differently from us: what it says of the window is believed.
WINDOW_CLOSED, WINDOW_USED = 45015, 45047


@dataclass(frozen=True)
class Verdict:
    """What becomes of an attempt. `hold_until` set or `is_held`: the app is held too."""

    state: str
    code: str = ""
    text: str = ""
    errcode: int | None = None
    http_status: int | None = None
    remote_id: str = ""
    retry_seconds: float = 0
    is_held: bool = False
    hold_until: datetime | None = None
    extra: dict[str, Any] = field(default_factory=dict)

    def as_evidence(self, attempt: uuid.UUID) -> dict[str, Any]:
        """The line for the local file: codes and ids, nothing personal."""
        return {
            "attempt": str(attempt),
            "at": timezone.now().isoformat(),
            "state": self.state,
            "code": self.code,
            "errcode": self.errcode,
            "http_status": self.http_status,
            "remote_id": self.remote_id,
        }


def verdict_of_evidence(line: dict[str, Any]) -> Verdict:
    """The verdict a killed worker left behind."""
    return Verdict(
        state=line["state"],
        code=line.get("code", ""),
        errcode=line.get("errcode"),
        http_status=line.get("http_status"),
        remote_id=line.get("remote_id", ""),
        extra={"adopted": True},
    )


def sent_verdict(answer: dict[str, Any]) -> Verdict:
    remote_id = str(answer.get("msgid") or answer.get("msg_id") or "")[:64]
    return Verdict(State.SENT, errcode=0, http_status=200, remote_id=remote_id)


def verdict_of(error: PlatformError, message: OutboundMessage) -> Verdict:
    """Classify by reach; a code no table lists is "unknown"."""
    backoff = min(2.0**message.attempts, MAX_BACKOFF_SECONDS)
    unknown = Verdict(
        State.UNKNOWN,
        code=error.code,
        errcode=error.errcode,
        http_status=error.http_status or (200 if error.errcode else None),
    )
    reach, is_rejected = error.reach, error.outcome is Outcome.REJECTED
    if error.outcome is Outcome.UNKNOWN or (reach is Reach.UNLISTED and is_rejected):
        return unknown
    if reach in (Reach.PERSON, Reach.CONTENT):
        return replace(unknown, state=State.FAILED)
    planned = replace(unknown, state=State.PLANNED, retry_seconds=1)
    if reach is Reach.ACCOUNT:
        return replace(planned, is_held=True, retry_seconds=backoff)
    if reach is Reach.RETRY:
        return planned
    return replace(planned, hold_until=_hold_until(error, message, backoff))


def _hold_until(
    error: PlatformError, message: OutboundMessage, backoff: float
) -> datetime:
    """How long the whole app waits, when waiting is all that is needed."""
    now = timezone.now()
    seconds: float = UNREACHABLE_SECONDS
    if error.reach is Reach.QUOTA:
        # Over at midnight, or as soon as an administrator clears it on the platform:
        # one message asks again from time to time.
        asks = QUOTA_SECONDS * 2.0 ** min(message.attempts, 10)
        again_at = now + timedelta(seconds=min(asks, MAX_QUOTA_SECONDS))
        return min(again_at, limits.period_end("day", now))
    if error.reach is Reach.RATE:
        seconds = RATE_SECONDS.get(error.errcode or 0, 1)
        seconds = min(max(seconds, backoff), MAX_BACKOFF_SECONDS)
    elif error.reach is Reach.TOKEN or error.code == "token_resting":
        seconds = TOKEN_SECONDS
    return now + timedelta(seconds=seconds)


def record(attempt: uuid.UUID, verdict: Verdict) -> bool:
    """Write the outcome of `attempt` once; False when it is settled already.

    A late answer counts: it may turn "unknown" into what really happened.
    """
    with transaction.atomic():
        row = (
            OutboundMessage.objects.filter(
                attempt=attempt, state__in=[State.SENDING, State.UNKNOWN]
            )
            .select_related("app__account")
            .select_for_update(no_key=True, of=("self",))
            .first()
        )
        if row is None or row.state == verdict.state:
            return False
        Attempt.objects.create(
            message=row,
            attempt=attempt,
            phase=_phase(row, verdict),
            owner=row.owner,
            http_status=verdict.http_status,
            errcode=verdict.errcode,
            evidence={"state": verdict.state, "code": verdict.code, **verdict.extra},
        )
        _settle_allowance(row, verdict)
        _apply(row, verdict)
    return True


def _phase(row: OutboundMessage, verdict: Verdict) -> str:
    if verdict.code == "worker_lost":
        return "lost"
    return "late answer" if row.state == State.UNKNOWN else "answer"


def _settle_allowance(row: OutboundMessage, verdict: Verdict) -> None:
    """Window and quota: used when sent, given back when not, kept while unknown."""
    if verdict.state == State.UNKNOWN:
        return
    is_sent = verdict.state == State.SENT
    windows.settle(row, is_used=is_sent)
    limits.settle_send(row, is_used=is_sent)
    if verdict.errcode == WINDOW_CLOSED:
        windows.close_windows(row.app, row.recipient, timezone.now())
    elif verdict.errcode == WINDOW_USED:
        windows.use_up(row.app, row.recipient)


def _apply(row: OutboundMessage, verdict: Verdict) -> None:
    """Set the state on the locked row, hold the app if need be, tell who asked."""
    now = timezone.now()
    known, _advice = explain(verdict.code, is_wecom=row.app.account.is_wecom)
    row.state = verdict.state
    row.reason_code = verdict.code[:40]
    row.reason = str(verdict.text or known)[:300]
    row.lease_until = None
    if verdict.remote_id:
        row.remote_id = verdict.remote_id
    if verdict.state == State.PLANNED:
        row.next_at = now + timedelta(seconds=verdict.retry_seconds)
        row.window, row.window_opened_at, row.quota_period = "", None, ""
    elif verdict.state != State.UNKNOWN:
        row.finished_at = now
    row.save(update_fields=OUTCOME_FIELDS)
    if verdict.is_held or verdict.hold_until is not None:
        holding.hold(row.app, verdict.code, verdict.hold_until)
    tell_outcome(row)


def put_back(message: OutboundMessage, verdict: Verdict) -> bool:
    """Settle a claimed message that was certainly not sent: planned again, or failed."""
    with transaction.atomic():
        row = _claimed(message)
        if row is None:
            return False
        if verdict.code:
            row.attempts += 1
        if verdict.state == State.UNKNOWN:  # of a call that only prepares the send
            is_over = row.attempts >= MAX_PREPARATIONS
            verdict = replace(
                verdict,
                state=State.FAILED if is_over else State.PLANNED,
                retry_seconds=min(2.0**row.attempts, MAX_BACKOFF_SECONDS),
            )
        _apply(row, verdict)
    return True


def fail(message: OutboundMessage, code: str, text: str = "") -> bool:
    """Settle a message that will not be sent, with its reason."""
    with transaction.atomic():
        row = _claimed(message)
        if row is None:
            return False
        _apply(row, Verdict(State.FAILED, code=code, text=text))
    return True


def give_up(message: OutboundMessage) -> None:
    """Settle a message our own code broke on: failed before the intent, else unknown."""
    if fail(message, "broken"):
        return
    attempt = OutboundMessage.objects.values_list("attempt").get(pk=message.pk)[0]
    if attempt is not None:
        record(attempt, Verdict(State.UNKNOWN, code="broken"))


def _claimed(message: OutboundMessage) -> OutboundMessage | None:
    """The row, locked, when it is still as this worker claimed it."""
    return (
        OutboundMessage.objects.filter(
            pk=message.pk,
            state=State.CLAIMED,
            owner=message.owner,
            generation=message.generation,
        )
        .select_related("app__account")
        .select_for_update(no_key=True, of=("self",))
        .first()
    )


def fail_planned(pk: int, code: str) -> bool:
    """Fail a planned message that will not be sent; the caller's transaction."""
    row = (
        OutboundMessage.objects.filter(pk=pk, state=State.PLANNED)
        .select_related("app__account")
        .select_for_update(no_key=True, of=("self",), skip_locked=True)
        .first()
    )
    if row is None:
        return False
    _apply(row, Verdict(State.FAILED, code=code))
    return True
