"""Settling "unknown" messages by hand: one person asks, another one confirms.

Nothing here guesses. "Treat as sent" closes the message; "send again" makes it planned
once more, which is the only way anything is ever sent a second time.
"""

from __future__ import annotations

import hashlib
import json
from datetime import timedelta

from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from core import audit, doorbell
from core.crash import crash_point
from staff.models import Approval, Staff
from wechat import limits, windows
from wechat.errors import (
    AlreadyAsked,
    DecisionOutdated,
    MayStillArrive,
    NotUnknown,
    SecondPersonNeeded,
)
from wechat.models import Attempt, OutboundMessage, OutboundRun
from wechat.processes import is_proved_dead
from wechat.reasons import explain
from wechat.registry import tell_outcome
from wechat.tasks import drain_bulk, drain_outbox

State = OutboundMessage.State
TREAT_AS_SENT = "treat_as_sent"
SEND_AGAIN = "send_again"
CHOICES = (TREAT_AS_SENT, SEND_AGAIN)
PREFIX = "wechat.outbound."
ASKED_FOR = timedelta(days=7)
# In fault tests about three of four unknown messages had arrived.
ARRIVED_OF_FOUR = 3


def open_request(message: OutboundMessage) -> Approval | None:
    """The decision somebody asked for and nobody took yet."""
    return (
        Approval.objects.open()
        .filter(
            action__startswith=PREFIX,
            subject_type=message._meta.label_lower,
            subject_id=str(message.pk),
        )
        .select_related("requested_by")
        .first()
    )


def choice_of(approval: Approval) -> str:
    return approval.action.removeprefix(PREFIX)


def why_not_again(message: OutboundMessage) -> str:
    """Why it can't be sent again now, in words; "" when it can."""
    if message.expires_at and message.expires_at <= timezone.now():
        return _("The time in which it made sense is over.")
    if message.run is not None and message.run.state == OutboundRun.State.STOPPED:
        return _("What it belongs to was stopped.")
    if message.reason_code == "worker_lost" and not is_proved_dead(message.owner):
        return str(MayStillArrive.message)
    return ""


def ask(
    message: OutboundMessage, choice: str, *, actor: Staff, reason: str
) -> Approval:
    """Ask a second person to confirm `choice`. Raises AppError."""
    if choice not in CHOICES:
        raise ValueError(choice)
    with transaction.atomic():
        row = _locked(message)
        refusal = why_not_again(row) if choice == SEND_AGAIN else ""
        if refusal:
            raise MayStillArrive(refusal)
        _drop_expired(row)
        if open_request(row) is not None:
            raise AlreadyAsked
        try:
            with transaction.atomic():
                approval = Approval.objects.create(
                    action=f"{PREFIX}{choice}",
                    subject_type=row._meta.label_lower,
                    subject_id=str(row.pk),
                    summary=f"{row} ({row.get_channel_display()})"[:300],
                    digest=_digest(row, choice),
                    requested_by=actor,
                    reason=reason[:500],
                    expires_at=timezone.now() + ASKED_FOR,
                )
        except IntegrityError:
            raise AlreadyAsked from None
        audit.record(f"wechat.outbound.{choice}_asked", row, actor=actor, reason=reason)
    return approval


def decide(
    approval: Approval, *, actor: Staff, is_yes: bool, reason: str = ""
) -> OutboundMessage:
    """Confirm or refuse what was asked. Raises AppError.

    A message that changed meanwhile (its answer came after all) voids the request.
    """
    row, refusal = _decide(approval, actor=actor, is_yes=is_yes, reason=reason)
    if refusal is not None:
        raise refusal
    return row


@transaction.atomic
def _decide(
    approval: Approval, *, actor: Staff, is_yes: bool, reason: str
) -> tuple[OutboundMessage, DecisionOutdated | MayStillArrive | None]:
    asked = Approval.objects.select_for_update().open().filter(pk=approval.pk).first()
    if asked is None:
        raise DecisionOutdated
    if asked.requested_by_id == actor.pk:
        raise SecondPersonNeeded
    choice = choice_of(asked)
    row = _locked_any(int(asked.subject_id))
    outdated: DecisionOutdated | MayStillArrive | None = None
    if row.state != State.UNKNOWN or asked.digest != _digest(row, choice):
        asked.state, outdated = Approval.State.VOID, DecisionOutdated()
    elif is_yes and choice == SEND_AGAIN and why_not_again(row):
        raise MayStillArrive(why_not_again(row))
    else:
        asked.state = Approval.State.APPROVED if is_yes else Approval.State.REFUSED
    asked.approver, asked.decided_at = actor, timezone.now()
    asked.save(update_fields=["state", "approver", "decided_at"])
    if asked.state == Approval.State.APPROVED:
        _carry_out(row, choice, asked)
    audit.record(
        f"wechat.outbound.{choice}_{asked.state}", row, actor=actor, reason=reason
    )
    crash_point("K10")
    return row, outdated


def _carry_out(row: OutboundMessage, choice: str, approval: Approval) -> None:
    """Move the locked row; the place it took in window and quota counts as used."""
    assert row.attempt is not None  # "unknown" comes after an attempt
    windows.settle(row, is_used=True)
    limits.settle_send(row, is_used=True)
    Attempt.objects.create(
        message=row,
        attempt=row.attempt,
        phase="decision",
        owner=f"approval:{approval.pk}",
        evidence={"choice": choice, "approval": approval.pk},
    )
    row.window, row.window_opened_at, row.quota_period = "", None, ""
    if choice == TREAT_AS_SENT:
        row.state, row.reason_code = State.SENT, "treated_as_sent"
        row.finished_at = timezone.now()
    else:
        row.state, row.reason_code = State.PLANNED, "send_again"
        row.next_at, row.owner = timezone.now(), ""
        is_realtime = row.lane == OutboundMessage.Lane.REALTIME
        doorbell.ring(drain_outbox if is_realtime else drain_bulk)
    row.reason = str(explain(row.reason_code, is_wecom=False)[0])[:300]
    row.save(
        update_fields=[
            *("state", "reason_code", "reason", "next_at", "owner", "finished_at"),
            *("window", "window_opened_at", "quota_period"),
        ]
    )
    tell_outcome(row)


def _drop_expired(row: OutboundMessage) -> None:
    Approval.objects.filter(
        action__startswith=PREFIX,
        subject_type=row._meta.label_lower,
        subject_id=str(row.pk),
        state=Approval.State.REQUESTED,
        expires_at__lte=timezone.now(),
    ).update(state=Approval.State.VOID)


def _locked_any(pk: int) -> OutboundMessage:
    return (
        OutboundMessage.objects.select_related("app__account")
        .select_for_update(no_key=True, of=("self",))
        .get(pk=pk)
    )


def _locked(message: OutboundMessage) -> OutboundMessage:
    row = _locked_any(message.pk)
    if row.state != State.UNKNOWN:
        raise NotUnknown
    return row


def _digest(row: OutboundMessage, choice: str) -> str:
    """What the second person says yes to: this choice for this very attempt."""
    covered = [row.pk, row.dedupe_key, str(row.attempt), row.attempts, choice]
    covered += [row.recipient, row.payload]
    text = json.dumps(covered, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def open_requests_for(staff: Staff) -> int:
    """Decisions on messages in their scope that somebody else waits for."""
    if not staff.has_perm("wechat.resolve_outboundmessage"):
        return 0
    return len(asked_messages(staff))


def asked_messages(staff: Staff) -> list[int]:
    """Messages in their scope with an open request of somebody else."""
    asked = (
        Approval.objects.open()
        .filter(action__startswith=PREFIX)
        .exclude(requested_by=staff)
        .values_list("subject_id", flat=True)
    )
    return list(
        OutboundMessage.objects.visible_to(staff)
        .filter(pk__in=[int(pk) for pk in asked[:500]], state=State.UNKNOWN)
        .values_list("pk", flat=True)
    )
