"""Who has a conversation: claimed, given, handed on, put back.

Each write is one transaction with compare-and-set; an agent's places are counted in it.
"""

from __future__ import annotations

from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone

from core import live
from core.crash import crash_point
from service.errors import (
    AgentUnavailable,
    AlreadyClaimed,
    AtCapacity,
    NotYourQueue,
)
from service.models import AgentState, Assignment, Conversation
from service.rights import may_serve, works_in
from service.writing import (
    announce,
    due_after,
    lock,
    must_be_held,
    must_be_unfinished,
    must_hold_or_supervise,
    note_in_trail,
)
from staff.models import Staff

FRONT_OF_QUEUE = 10


def claim(conversation: Conversation, *, actor: Staff) -> Conversation:
    """Take a waiting conversation; claiming one's own again changes nothing.

    Raises AlreadyClaimed (with the holder), AlreadyClosed, AtCapacity, NotYourQueue.
    """
    return _give(conversation, to=actor, actor=actor)


def assign(conversation: Conversation, *, staff: Staff, actor: Staff) -> Conversation:
    """A supervisor gives a waiting conversation to an agent.

    Raises as claim does, and AgentUnavailable when the agent can't serve the queue.
    """
    if not may_serve(staff, conversation):
        raise AgentUnavailable
    return _give(conversation, to=staff, actor=actor)


def _give(conversation: Conversation, *, to: Staff, actor: Staff) -> Conversation:
    if to == actor and not works_in(to, conversation.queue):
        raise NotYourQueue
    _ensure_agent_state(to)
    with transaction.atomic():
        locked = lock(conversation)
        must_be_unfinished(locked)
        holder = locked.assignee
        if holder is not None:
            if holder.pk != to.pk:
                raise AlreadyClaimed.by(holder)
            return locked
        _start_assignment(locked, to)
        locked.state, locked.assignee = Conversation.State.OPEN, to
        locked.save(update_fields=["state", "assignee"])
        if to != actor:
            note_in_trail("assigned", locked, actor=actor, after={"assignee": to.pk})
        crash_point("K13")
        announce(locked)
        live.notify(f"staff.{to.pk}", conversation=locked.pk)
    return locked


def requeue(
    conversation: Conversation, *, actor: Staff, because: str = "released"
) -> Conversation:
    """Put a held conversation back, to the front of its queue, history and all.

    By its holder or a supervisor. Raises AlreadyClosed, NotHolder; one that already
    waits stays as it is.
    """
    with transaction.atomic():
        locked = lock(conversation)
        must_be_unfinished(locked)
        if locked.state == Conversation.State.QUEUED:
            return locked
        must_hold_or_supervise(locked, actor)
        _put_back(locked, because=because, actor=actor)
        crash_point("K13")
    return locked


def transfer_to(
    conversation: Conversation, *, staff: Staff, actor: Staff
) -> Conversation:
    """Hand a held conversation to a colleague in one step.

    By its holder or a supervisor. Raises AlreadyClosed, NotClaimed, NotHolder,
    AgentUnavailable, AtCapacity (of the colleague).
    """
    if not may_serve(staff, conversation):
        raise AgentUnavailable
    _ensure_agent_state(staff)
    with transaction.atomic():
        locked = lock(conversation)
        must_be_held(locked)
        must_hold_or_supervise(locked, actor)
        before = locked.assignee
        assert before is not None
        if before.pk == staff.pk:
            return locked
        _lock_agents(before, staff)
        end_assignment(locked, because="transferred")
        _start_assignment(locked, staff)
        locked.assignee = staff
        locked.save(update_fields=["assignee"])
        note_in_trail(
            "transferred",
            locked,
            actor=actor,
            before={"assignee": before.pk},
            after={"assignee": staff.pk},
        )
        crash_point("K13")
        announce(locked)
        for person in (before, staff):
            live.notify(f"staff.{person.pk}", conversation=locked.pk)
    return locked


def requeue_all_of(staff: Staff, *, actor: Staff, because: str) -> int:
    """Put everything a person has back into the queues; returns how many."""
    with transaction.atomic():
        held = list(
            Conversation.objects.held_by(staff)
            .order_by("pk")
            .select_for_update(no_key=True, of=("self",))
        )
        for conversation in held:
            _put_back(conversation, because=because, actor=actor)
        AgentState.objects.filter(staff=staff).update(status=AgentState.Status.OFFLINE)
    return len(held)


# -- parts of the transactions above


def _ensure_agent_state(staff: Staff) -> None:
    AgentState.objects.get_or_create(staff=staff)


def _lock_agents(*people: Staff) -> None:
    states = AgentState.objects.filter(staff__in=people).order_by("staff_id")
    list(states.select_for_update(no_key=True))


def _start_assignment(conversation: Conversation, staff: Staff) -> None:
    """Take one of the agent's places and note it; AtCapacity when there is none."""
    taken = AgentState.objects.filter(staff=staff, open_count__lt=F("capacity")).update(
        open_count=F("open_count") + 1
    )
    if not taken:
        state = AgentState.objects.get(staff=staff)
        raise AtCapacity.of(staff, open_count=state.open_count, capacity=state.capacity)
    Assignment.objects.create(conversation=conversation, staff=staff)


def end_assignment(conversation: Conversation, *, because: str) -> None:
    ended = Assignment.objects.filter(conversation=conversation, ended_at=None).update(
        ended_at=timezone.now(), ended_because=because
    )
    if ended:
        AgentState.objects.filter(
            Q(open_count__gt=0), staff=conversation.assignee_id
        ).update(open_count=F("open_count") - 1)


def _put_back(conversation: Conversation, *, because: str, actor: Staff) -> None:
    holder = conversation.assignee_id
    end_assignment(conversation, because=because)
    now = timezone.now()
    conversation.state = Conversation.State.QUEUED
    conversation.assignee = None
    conversation.priority = FRONT_OF_QUEUE
    conversation.waiting_since = conversation.waiting_since or now
    conversation.due_at = conversation.due_at or due_after(now)
    conversation.save(
        update_fields=["state", "assignee", "priority", "waiting_since", "due_at"]
    )
    note_in_trail(
        "requeued",
        conversation,
        actor=actor,
        before={"assignee": holder},
        reason=because,
    )
    announce(conversation)
    live.notify(f"staff.{holder}", conversation=conversation.pk)
