"""What every write to a conversation is made of: the lock, its conditions, its traces.

Lock order, the same everywhere: conversations by id, then agents by id. Nobody waits for
a conversation while holding an agent, so two writers never wait for each other.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from core import audit, live, system_settings
from crm import timeline
from crm.errors import MemberGone
from service.errors import AlreadyClosed, NotClaimed, NotHolder
from service.models import Conversation
from service.rights import may_supervise
from staff.models import Staff


def lock(conversation: Conversation) -> Conversation:
    """The row as it is once the lock is ours.

    No joins: after a wait PostgreSQL re-reads the locked row only, so a joined assignee
    would still be the one of before, and the loser of a claim would see nobody.
    """
    return Conversation.objects.select_for_update(no_key=True).get(pk=conversation.pk)


def must_be_known(conversation: Conversation) -> None:
    """Of who was purged nothing is written any more. Raises MemberGone."""
    if conversation.member.purged_at is not None:
        raise MemberGone


def must_be_unfinished(conversation: Conversation) -> None:
    if conversation.state == Conversation.State.CLOSED:
        raise AlreadyClosed


def must_be_held(conversation: Conversation) -> None:
    must_be_unfinished(conversation)
    if conversation.state == Conversation.State.QUEUED:
        raise NotClaimed


def must_hold_or_supervise(conversation: Conversation, actor: Staff) -> None:
    holder = conversation.assignee
    if holder is not None and holder.pk != actor.pk and not may_supervise(actor):
        raise NotHolder.but(holder)


def due_after(since: datetime) -> datetime:
    """When an answer is due, by the setting service.answer_within_seconds."""
    seconds = int(system_settings.get("service.answer_within_seconds"))
    return since + timedelta(seconds=seconds)


def announce(conversation: Conversation, **ids: int) -> None:
    live.notify(f"conversation.{conversation.pk}", conversation=conversation.pk, **ids)
    live.notify(f"queue.{conversation.queue_id}", conversation=conversation.pk, **ids)


def write_history(
    conversation: Conversation, verb: str, *, at: datetime, **data: Any
) -> None:
    timeline.write(
        member=conversation.member,
        kind=f"conversation.{verb}",
        at=at,
        key=f"conversation:{conversation.pk}:{verb}",
        account=conversation.app.account,
        data={"conversation": conversation.pk, **data},
    )


def note_in_trail(
    verb: str, conversation: Conversation, *, actor: Staff, **what: Any
) -> None:
    audit.record(f"service.conversation.{verb}", conversation, actor=actor, **what)
