"""Settling an "unknown" mass call by hand: one person asks, another one confirms.

As wechat.resolving does for one message. "Send again" ends the batch; who planned it
plans its people anew, in a new batch with a key of its own.
"""

from __future__ import annotations

import hashlib
import json

from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from core import audit
from staff.models import Approval, Staff
from wechat.errors import (
    AlreadyAsked,
    DecisionOutdated,
    MayStillArrive,
    NotUnknown,
    SecondPersonNeeded,
)
from wechat.mass_outcomes import apply, locked
from wechat.models import BatchAttempt, OutboundBatch, OutboundRun
from wechat.outcomes import Verdict
from wechat.resolving import ASKED_FOR, CHOICES, SEND_AGAIN, TREAT_AS_SENT

State = OutboundBatch.State
PREFIX = "wechat.batch."


def open_request(batch: OutboundBatch) -> Approval | None:
    """The decision somebody asked for and nobody took yet."""
    return (
        Approval.objects.open()
        .filter(
            action__startswith=PREFIX,
            subject_type=batch._meta.label_lower,
            subject_id=str(batch.pk),
        )
        .select_related("requested_by")
        .first()
    )


def choice_of(approval: Approval) -> str:
    return approval.action.removeprefix(PREFIX)


def why_not_again(batch: OutboundBatch) -> str:
    """Why its people can't be sent it again, in words; "" when they can."""
    if batch.run.state == OutboundRun.State.STOPPED:
        return _("What it belongs to was stopped.")
    if batch.expires_at and batch.expires_at <= timezone.now():
        return _("The time in which it made sense is over.")
    return ""


@transaction.atomic
def ask(batch: OutboundBatch, choice: str, *, actor: Staff, reason: str) -> Approval:
    """Ask a second person to confirm `choice` (wechat.resolving.CHOICES).

    Raises NotUnknown, MayStillArrive and AlreadyAsked.
    """
    if choice not in CHOICES:
        raise ValueError(choice)
    row = locked(pk=batch.pk, state=State.UNKNOWN)
    if row is None:
        raise NotUnknown
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
                summary=str(row)[:300],
                digest=_digest(row, choice),
                requested_by=actor,
                reason=reason[:500],
                expires_at=timezone.now() + ASKED_FOR,
            )
    except IntegrityError:
        raise AlreadyAsked from None
    audit.record(f"{PREFIX}{choice}_asked", row, actor=actor, reason=reason)
    return approval


def decide(approval: Approval, *, actor: Staff, is_yes: bool) -> OutboundBatch:
    """Confirm or refuse what was asked; a batch that changed meanwhile voids it.

    Raises DecisionOutdated, SecondPersonNeeded and MayStillArrive.
    """
    row, is_outdated = _decide(approval, actor=actor, is_yes=is_yes)
    if is_outdated:
        raise DecisionOutdated
    return row


@transaction.atomic
def _decide(
    approval: Approval, *, actor: Staff, is_yes: bool
) -> tuple[OutboundBatch, bool]:
    asked = Approval.objects.select_for_update().open().filter(pk=approval.pk).first()
    if asked is None:
        raise DecisionOutdated
    if asked.requested_by_id == actor.pk:
        raise SecondPersonNeeded
    row = locked(pk=int(asked.subject_id))
    assert row is not None  # batches are never deleted
    choice = choice_of(asked)
    is_outdated = row.state != State.UNKNOWN or asked.digest != _digest(row, choice)
    if is_outdated:
        asked.state = Approval.State.VOID
    elif is_yes and choice == SEND_AGAIN and why_not_again(row):
        raise MayStillArrive(why_not_again(row))
    else:
        asked.state = Approval.State.APPROVED if is_yes else Approval.State.REFUSED
    asked.approver, asked.decided_at = actor, timezone.now()
    asked.save(update_fields=["state", "approver", "decided_at"])
    if asked.state == Approval.State.APPROVED:
        _carry_out(row, choice, asked)
    audit.record(f"{PREFIX}{choice}_{asked.state}", row, actor=actor)
    return row, is_outdated


def _carry_out(row: OutboundBatch, choice: str, approval: Approval) -> None:
    assert row.attempt is not None  # "unknown" comes after an attempt
    BatchAttempt.objects.create(
        batch=row,
        attempt=row.attempt,
        phase="decision",
        owner=f"approval:{approval.pk}",
        evidence={"choice": choice, "approval": approval.pk},
    )
    if choice == TREAT_AS_SENT:
        apply(row, Verdict(State.SENT, code="treated_as_sent"))
        row.finished_at = row.finished_at or timezone.now()
        row.save(update_fields=["finished_at"])
    else:
        apply(row, Verdict(State.FAILED, code="send_again"))


def _drop_expired(row: OutboundBatch) -> None:
    Approval.objects.filter(
        action__startswith=PREFIX,
        subject_type=row._meta.label_lower,
        subject_id=str(row.pk),
        state=Approval.State.REQUESTED,
        expires_at__lte=timezone.now(),
    ).update(state=Approval.State.VOID)


def _digest(row: OutboundBatch, choice: str) -> str:
    """What the second person says yes to: this choice for this very call."""
    covered = [row.pk, row.clientmsgid, str(row.attempt), row.openids_sha256, choice]
    return hashlib.sha256(json.dumps(covered).encode()).hexdigest()


def asked_batches(staff: Staff) -> list[int]:
    """Batches in their scope with an open request of somebody else."""
    asked = (
        Approval.objects.open()
        .filter(action__startswith=PREFIX)
        .exclude(requested_by=staff)
        .values_list("subject_id", flat=True)
    )
    return list(
        OutboundBatch.objects.visible_to(staff)
        .filter(pk__in=[int(pk) for pk in asked[:500]], state=State.UNKNOWN)
        .values_list("pk", flat=True)
    )
