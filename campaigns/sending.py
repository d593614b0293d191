"""Sending a touch: begun once, paused, gone on with, stopped, let go; all of it on record.

The touch's row is locked for every step, so of two people who press at once one does it
and the other is told who did. What is said to whom is fed by campaigns.feeding; here
only the state changes, with that of the run at the gateway.
"""

from __future__ import annotations

import logging
from datetime import datetime

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from campaigns import approving, pace, reasons, snapshots
from campaigns.errors import NotInThisState
from campaigns.models import Recipient, Touch
from content import slots
from core import audit, doorbell
from core.errors import AppError
from core.models import AuditEntry
from core.templatetags.console import moment
from staff.accounts import system_staff
from staff.models import Staff
from wechat import runs
from wechat.models import App, OutboundRun

logger = logging.getLogger(__name__)

PURPOSE = "campaigns.touch"
WRITER = "campaigns.sending"
State = Touch.State


class StartedAlready(AppError):
    """`extra["holder"]`: who started it."""

    code = "started_already"


class NotDueYet(AppError):
    code = "not_due_yet"


class TooLate(AppError):
    code = "too_late"
    message = _("The time in which this touch made sense is over: stop it.")


class AccountNotLive(AppError):
    code = "account_not_live"
    message = _("The account is not live, so nothing can be sent through it.")


class ChangedAfterApproval(AppError):
    code = "approval_outdated"
    message = _(
        "Something that was approved has changed since; ask for approval again."
    )


# -- what people do


def start(touch: Touch, *, actor: Staff | None = None) -> Touch:
    """Begin to send an approved touch; without `actor` the clock does it.

    Raises StartedAlready for the second of two, NotDueYet before its time,
    ChangedAfterApproval (the touch is a draft again then), TooLate, AccountNotLive and
    NotInThisState.
    """
    refusal: AppError | None = None
    with transaction.atomic():
        row = _locked(touch)
        if row.state != State.APPROVED:
            raise _not_approved(row)
        now = timezone.now()
        if actor is not None and row.scheduled_at and row.scheduled_at > now:
            text = _("It was approved for %(time)s and starts by itself then.")
            raise NotDueYet(text % {"time": moment(row.scheduled_at)})
        if not approving.is_current(row, now):
            approving.void(row, "approval_outdated")
            refusal = ChangedAfterApproval()
        else:
            _begin(row, now, actor=actor)
    if refusal is not None:
        raise refusal
    return row


def pause(touch: Touch, *, actor: Staff, reason: str = "") -> Touch:
    """Stand still; a sender makes at most the call it has begun. Raises NotInThisState."""
    with transaction.atomic():
        row = _locked(touch)
        if row.state not in (State.SENDING, State.HELD):
            raise NotInThisState(_("Only a touch that is being sent can be paused."))
        _halt(row, pace.Halt(State.PAUSED, "", text=reason), actor=actor)
    return row


def resume(touch: Touch, *, actor: Staff) -> Touch:
    """Go on after a pause. Raises NotInThisState, TooLate and AccountNotLive."""
    return _go_on(touch, State.PAUSED, "resumed", actor=actor)


def release(touch: Touch, *, actor: Staff) -> Touch:
    """Let a held touch go after all. Raises as `resume`, and ChangedAfterApproval."""
    return _go_on(touch, State.HELD, "released", actor=actor)


def stop(touch: Touch, *, actor: Staff, reason: str = "") -> Touch:
    """End it: who waits is left out as "stopped". Raises NotInThisState."""
    with transaction.atomic():
        row = _locked(touch)
        if row.state not in (State.SENDING, State.PAUSED, State.HELD):
            raise NotInThisState(
                _("This touch is not being sent, so it can't be stopped.")
            )
        before = row.state
        row.state, row.reason_code, row.reason = State.STOPPED, "stopped", reason[:300]
        row.resumes_at = None
        row.save(update_fields=["state", "reason_code", "reason", "resumes_at"])
        _move_run(row, OutboundRun.State.STOPPED)
        _record(row, "stopped", actor=actor, before=before, reason=reason)
        _ring()
    return row


def send_test(touch: Touch, *, actor: Staff) -> None:
    """Send it to oneself, marked as a test and counted nowhere; see campaigns.testers."""
    from campaigns import testers

    testers.send(touch, actor=actor)


# -- what the clock does


def start_due() -> int:
    """Start what is due; how many were looked at."""
    now = timezone.now()
    due = Touch.objects.filter(state=State.APPROVED, scheduled_at__lte=now)
    pks = list(due.order_by("scheduled_at", "pk").values_list("pk", flat=True)[:50])
    for pk in pks:
        try:
            start(Touch(pk=pk))
        except AppError:
            continue  # another worker was faster, or it is a draft again
        except Exception:
            # The others are independent; this one is looked at again next time.
            logger.exception("Touch %s could not be started", pk)
    return len(pks)


def wake_held() -> int:
    """Go on with what waited for the end of quiet hours; how many."""
    now = timezone.now()
    woken = 0
    rows = Touch.objects.filter(state=State.HELD, resumes_at__lte=now)
    for pk in list(rows.values_list("pk", flat=True)[:50]):
        try:
            with transaction.atomic():
                woken += _wake(_locked(Touch(pk=pk)), now)
        except Exception:
            # The others are independent; this one is looked at again next time.
            logger.exception("Touch %s could not go on", pk)
    return woken


def _wake(row: Touch, now: datetime) -> bool:
    if row.state != State.HELD or not row.resumes_at or row.resumes_at > now:
        return False
    if row.started_at is None and not approving.is_current(row, now):
        approving.void(row, "approval_outdated")
    elif now - row.resumes_at > pace.grace():
        _hold_for_a_person(row, pace.Halt(State.HELD, "overdue"))
    else:
        _begin(row, now, actor=None, is_by_hand=True)
    return True


def halt(row: Touch, why: pace.Halt) -> None:
    """Let a touch that is being sent stand still; its row is locked by the caller."""
    _halt(row, why, actor=None)


# -- steps on the locked row


def _locked(touch: Touch) -> Touch:
    return (
        Touch.objects.select_related(
            "account", "started_by", "campaign", "version", "approval"
        )
        .select_for_update(no_key=True, of=("self",))
        .get(pk=touch.pk)
    )


def _begin(
    row: Touch, now: datetime, *, actor: Staff | None, is_by_hand: bool = False
) -> None:
    """approved or held → sending, or held with the reason."""
    by_hand = is_by_hand or actor is not None
    why = pace.before_start(row, now, is_by_hand=by_hand)
    if why is not None:
        if why.code == "account_closed" and actor is not None:
            raise AccountNotLive
        _hold_for_a_person(row, why, actor=actor)
        return
    if pace.is_expired(row, now) and actor is not None:
        raise TooLate
    before = row.state
    if row.snapshot_at is None:
        snapshots.take(row)
        row.refresh_from_db(fields=["snapshot_at", "planned_count"])
    _open_run(row)
    row.state = State.SENDING
    row.started_at = row.started_at or now
    row.started_by = row.started_by or actor
    row.fed_at = row.watched_from = now
    row.resumes_at, row.reason_code, row.reason = None, "", ""
    row.save(
        update_fields=[
            *("state", "started_at", "started_by", "fed_at", "watched_from"),
            *("resumes_at", "reason_code", "reason"),
        ]
    )
    name = "started" if before == State.APPROVED else "went_on"
    _record(row, name, actor=actor, before=before)
    _ring()


def _go_on(touch: Touch, expected: str, name: str, *, actor: Staff) -> Touch:
    refusal: AppError | None = None
    with transaction.atomic():
        row = _locked(touch)
        if row.state != expected:
            text = _("This touch is %(state)s now.")
            raise NotInThisState(text % {"state": row.get_state_display()})
        now = timezone.now()
        has_begun = row.started_at is not None
        if not has_begun and not approving.is_current(row, now):
            approving.void(row, "approval_outdated")
            refusal = ChangedAfterApproval()
        elif pace.is_expired(row, now):
            raise TooLate
        else:
            _record(row, name, actor=actor, before=row.state)
            _begin(row, now, actor=actor)
    if refusal is not None:
        raise refusal
    return row


def _halt(row: Touch, why: pace.Halt, *, actor: Staff | None) -> None:
    before = row.state
    row.state, row.reason_code = why.state, why.code
    row.reason = why.text[:300]
    row.resumes_at = why.until
    row.save(update_fields=["state", "reason_code", "reason", "resumes_at"])
    _move_run(row, OutboundRun.State.PAUSED)
    _record(row, str(why.state), actor=actor, before=before, reason=why.text)


def _hold_for_a_person(
    row: Touch, why: pace.Halt, *, actor: Staff | None = None
) -> None:
    is_news = (row.state, row.reason_code) != (why.state, why.code)
    if is_news or row.resumes_at != why.until:
        _halt(row, why, actor=actor)


def _open_run(row: Touch) -> None:
    run = runs.begin(
        app=app_of(row), purpose=PURPOSE, reference=str(row.pk), actor=_writer()
    )
    runs.move(run, OutboundRun.State.RUNNING)


def _move_run(row: Touch, state: str) -> None:
    run = run_of(row)
    if run is not None:
        runs.move(run, state)


def run_of(touch: Touch) -> OutboundRun | None:
    """The touch's run at the gateway; None before it was begun."""
    rows = OutboundRun.objects.select_related("app__account")
    return rows.filter(purpose=PURPOSE, reference=str(touch.pk)).first()


def app_of(touch: Touch) -> App:
    """The app the touch goes out through. Raises AccountNotLive."""
    app = App.objects.filter(account=touch.account_id, is_active=True).first()
    if app is None:
        raise AccountNotLive
    return app


def finish(row: Touch) -> None:
    """Nothing waits any more; the row is locked by the caller."""
    row.state, row.finished_at = State.DONE, timezone.now()
    row.save(update_fields=["state", "finished_at"])
    _record(row, "done", actor=None, before=State.SENDING)
    if row.version is not None:
        began = row.started_at or row.finished_at
        slots.went_out(row.version, row.account, began, actor=_writer())


def reopen(touch_id: int) -> None:
    """Somebody of a touch that was done is to be sent it again; in a transaction."""
    # A finish under way is waited for, else it would be missed.
    Touch.objects.select_for_update(no_key=True).filter(pk=touch_id).first()
    Touch.objects.filter(pk=touch_id, state=State.DONE).update(
        state=State.SENDING, fed_at=timezone.now(), finished_at=None
    )
    _ring()


def leave_out(touch: Touch, code: str, count: int = 20_000) -> int:
    """Exclude up to `count` of those who wait and are not on their way; how many."""
    waiting = Recipient.objects.filter(
        touch=touch, state=Recipient.State.WAITING, batch=None, message=None
    )
    pks = list(waiting.order_by("pk").values_list("pk", flat=True)[:count])
    return waiting.filter(pk__in=pks).update(
        state=Recipient.State.EXCLUDED, reason=code
    )


# -- words and records


def _not_approved(row: Touch) -> AppError:
    if row.started_at is None:
        return NotInThisState(_("Only an approved touch can be sent."))
    who = _starter(row)
    text = _("%(who)s started it at %(time)s.")
    words = text % {"who": who, "time": moment(row.started_at)}
    return StartedAlready(words, holder=str(who))


def _starter(row: Touch) -> object:
    return row.started_by or reasons.BY_THE_CLOCK


def _writer() -> Staff:
    return system_staff(WRITER)


def _record(
    row: Touch,
    name: str,
    *,
    actor: Staff | None,
    before: str,
    reason: str = "",
) -> AuditEntry:
    return audit.record(
        f"campaigns.touch.{name}",
        row,
        actor=actor or _writer(),
        before={"state": str(before)},
        after={"state": str(row.state), "reason": row.reason_code},
        reason=reason,
        label=row.name,
    )


def _ring() -> None:
    from campaigns.tasks import drain_touches

    doorbell.ring(drain_touches)
