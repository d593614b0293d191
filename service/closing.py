"""How a conversation ends."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from core import live
from service import ratings
from service.assignments import end_assignment
from service.errors import NotClaimed
from service.models import Conversation
from service.rights import may_supervise
from service.writing import (
    announce,
    lock,
    must_be_unfinished,
    must_hold_or_supervise,
    note_in_trail,
    write_history,
)
from staff.models import Staff


def close(
    conversation: Conversation,
    *,
    reason: str = Conversation.CloseReason.RESOLVED,
    actor: Staff,
) -> Conversation:
    """End it, by its holder, a supervisor or an automatic writer.

    `reason`: a CloseReason. Closing a closed one raises AlreadyClosed; one that waits
    can be closed by a supervisor only (NotClaimed). Closed by a person, the customer
    may be asked for a rating.
    """
    with transaction.atomic():
        locked = lock(conversation)
        must_be_unfinished(locked)
        if locked.state == Conversation.State.QUEUED and not may_supervise(actor):
            raise NotClaimed
        if locked.state == Conversation.State.OPEN:
            must_hold_or_supervise(locked, actor)
        finish(locked, reason=reason, actor=actor)
        if not actor.is_system:
            ratings.ask(locked)
    return locked


def finish(conversation: Conversation, *, reason: str, actor: Staff) -> None:
    """Close a locked, unfinished conversation without asking who may."""
    if conversation.state == Conversation.State.OPEN:
        end_assignment(conversation, because=f"closed:{reason}"[:20])
    holder = conversation.assignee_id
    conversation.state = Conversation.State.CLOSED
    conversation.closed_at = timezone.now()
    conversation.close_reason = reason
    conversation.waiting_since = conversation.due_at = None
    conversation.unread_count = 0
    conversation.save(
        update_fields=[
            "state",
            "closed_at",
            "close_reason",
            "waiting_since",
            "due_at",
            "unread_count",
        ]
    )
    note_in_trail("closed", conversation, actor=actor, after={"reason": reason})
    write_history(
        conversation, "closed", at=conversation.closed_at, reason=reason, staff=holder
    )
    announce(conversation)
    if holder is not None:
        live.notify(f"staff.{holder}", conversation=conversation.pk)
