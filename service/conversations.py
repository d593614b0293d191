"""Every write to a conversation; each is one transaction with compare-and-set.

Lock order, the same everywhere: conversations by id, then agents by id. Nobody waits for
a conversation while holding an agent, so two writers never wait for each other.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import F, Q
from django.db.models.functions import Coalesce
from django.utils import timezone
from django.utils.translation import gettext

from core import audit, live, system_settings
from core.crash import crash_point
from crm import timeline
from crm.models import Member
from service.errors import (
    AgentUnavailable,
    AlreadyClaimed,
    AlreadyClosed,
    AtCapacity,
    BadReply,
    CannotReplyHere,
    KeyReused,
    NoMessagesLeft,
    NotClaimed,
    NotHolder,
    NotReachable,
    NotYourQueue,
    WindowClosed,
)
from service.models import AgentState, Assignment, Conversation, Message, Queue
from staff.models import Staff
from wechat import outbox, windows
from wechat.models import App, InboundEvent, Media, OutboundMessage

# custom/send refuses more with 45002 (contract A, reply types: 2048 bytes).
TEXT_LIMIT_BYTES = 2048
PREVIEW_LENGTH = 60
FRONT_OF_QUEUE = 10

SUPERVISE = "service.supervise_conversation"
ANSWER = "service.answer_conversation"


@dataclass(frozen=True)
class Said:
    """One thing the customer said. `inbound` makes writing it twice harmless."""

    at: datetime
    kind: str = Message.Kind.TEXT
    text: str = ""
    media: Media | None = None
    inbound: InboundEvent | None = None


# -- the customer speaks


def open_or_append(
    *, app: App, member: Member, recipient: str, said: Said, actor: Staff
) -> tuple[Conversation, Message]:
    """Add what the customer said to the unfinished conversation, else open one.

    A new one waits in the default queue of the app's account. Call inside or outside a
    transaction; a replay of `said.inbound` returns what stands. `actor` is the automatic
    writer (or whoever opens one by hand).
    """
    with transaction.atomic():
        known = _message_of(said.inbound)
        if known is not None:
            return known.conversation, known
        conversation = unfinished_of(app=app, member=member, lock=True)
        if conversation is None:
            conversation = _open(app, member, recipient, said)
        return conversation, append(conversation, said, actor=actor)


def append(conversation: Conversation, said: Said, *, actor: Staff) -> Message:
    """Add what the customer said to a conversation whose row the caller has locked."""
    known = _message_of(said.inbound)
    if known is not None:
        return known
    message = Message.objects.create(
        conversation=conversation,
        direction=Message.Direction.IN,
        kind=said.kind,
        text=said.text,
        media=said.media,
        inbound=said.inbound,
        at=said.at,
    )
    since = conversation.waiting_since or said.at
    allowed = allowance_of(conversation)
    Conversation.objects.filter(pk=conversation.pk).update(
        waiting_since=since,
        due_at=conversation.due_at or due_after(since),
        last_message_at=max(said.at, conversation.last_message_at),
        preview=preview_of(message),
        unread_count=F("unread_count") + 1,
        window_closes_at=allowed.closes_at,
        messages_left=allowed.lasting,
    )
    conversation.refresh_from_db()
    _announce(conversation, message=message.pk)
    return message


def unfinished_of(
    *, app: App, member: Member, lock: bool = False
) -> Conversation | None:
    rows = Conversation.objects.unfinished().filter(app=app, member=member)
    if lock:
        return rows.select_for_update(no_key=True).first()
    return rows.select_related("app", "queue").first()


def default_queue(app: App) -> Queue:
    """The queue people of the app's account wait in; made when there is none yet."""
    queue = (
        Queue.objects.filter(account=app.account_id, is_active=True)
        .order_by("-is_default", "id")
        .first()
    )
    if queue is not None:
        return queue
    made, _ = Queue.objects.get_or_create(
        account=app.account, is_default=True, defaults={"name": app.account.name}
    )
    return made


def _open(app: App, member: Member, recipient: str, said: Said) -> Conversation:
    """Insert an unfinished one, or lock the one that another writer just opened."""
    try:
        with transaction.atomic():
            opened = Conversation.objects.create(
                app=app,
                member=member,
                recipient=recipient,
                queue=default_queue(app),
                opened_at=said.at,
                last_message_at=said.at,
            )
    except IntegrityError:
        found = unfinished_of(app=app, member=member, lock=True)
        if found is None:
            raise
        return found
    _write_history(opened, "opened", at=said.at)
    return opened


def _message_of(inbound: InboundEvent | None) -> Message | None:
    if inbound is None:
        return None
    return (
        Message.objects.select_related("conversation").filter(inbound=inbound).first()
    )


# -- who has it


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
        locked = _locked(conversation)
        _must_be_unfinished(locked)
        holder = locked.assignee
        if holder is not None:
            if holder.pk != to.pk:
                raise AlreadyClaimed.by(holder)
            return locked
        _start_assignment(locked, to)
        locked.state, locked.assignee = Conversation.State.OPEN, to
        locked.save(update_fields=["state", "assignee"])
        if to != actor:
            _audit("assigned", locked, actor=actor, after={"assignee": to.pk})
        crash_point("K13")
        _announce(locked)
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
        locked = _locked(conversation)
        _must_be_unfinished(locked)
        if locked.state == Conversation.State.QUEUED:
            return locked
        _must_hold_or_supervise(locked, actor)
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
        locked = _locked(conversation)
        _must_be_held(locked)
        _must_hold_or_supervise(locked, actor)
        before = locked.assignee
        assert before is not None
        if before.pk == staff.pk:
            return locked
        _lock_agents(before, staff)
        _end_assignment(locked, because="transferred")
        _start_assignment(locked, staff)
        locked.assignee = staff
        locked.save(update_fields=["assignee"])
        _audit(
            "transferred",
            locked,
            actor=actor,
            before={"assignee": before.pk},
            after={"assignee": staff.pk},
        )
        crash_point("K13")
        _announce(locked)
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


def close(
    conversation: Conversation,
    *,
    reason: str = Conversation.CloseReason.RESOLVED,
    actor: Staff,
) -> Conversation:
    """End it, by its holder, a supervisor or an automatic writer.

    `reason`: a CloseReason. Closing a closed one raises AlreadyClosed; one that waits
    can be closed by a supervisor only (NotClaimed).
    """
    with transaction.atomic():
        locked = _locked(conversation)
        _must_be_unfinished(locked)
        if locked.state == Conversation.State.QUEUED and not _rules(actor):
            raise NotClaimed
        if locked.state == Conversation.State.OPEN:
            _must_hold_or_supervise(locked, actor)
        finish(locked, reason=reason, actor=actor)
    return locked


def finish(conversation: Conversation, *, reason: str, actor: Staff) -> None:
    """Close a locked, unfinished conversation without asking who may."""
    if conversation.state == Conversation.State.OPEN:
        _end_assignment(conversation, because=f"closed:{reason}"[:20])
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
    _audit("closed", conversation, actor=actor, after={"reason": reason})
    _write_history(
        conversation, "closed", at=conversation.closed_at, reason=reason, staff=holder
    )
    _announce(conversation)
    if holder is not None:
        live.notify(f"staff.{holder}", conversation=conversation.pk)


# -- we speak


def reply(
    conversation: Conversation,
    *,
    text: str = "",
    media: Media | None = None,
    client_key: str,
    actor: Staff,
) -> Message:
    """Answer the customer: the message and the right to send it, in one transaction.

    `client_key` (≤ 80 characters): the same key again returns the message that stands.
    Raises AlreadyClosed, NotClaimed, NotHolder, CannotReplyHere, NotReachable,
    WindowClosed, NoMessagesLeft, BadReply, KeyReused.
    """
    text = text.strip()
    with transaction.atomic():
        locked = _locked(conversation)
        known = locked.messages.filter(client_key=client_key).first()
        if known is not None:
            return _same(known, text=text, media=media)
        check_may_reply(locked, actor=actor)
        _check_answer(locked, text, media)
        lasting = _check_allowance(locked)
        message = Message.objects.create(
            conversation=locked,
            direction=Message.Direction.OUT,
            kind=Message.Kind.IMAGE if media else Message.Kind.TEXT,
            text=text,
            media=media,
            sender=actor,
            client_key=client_key,
        )
        message.outbound = _plan(locked, message, actor=actor)
        message.save(update_fields=["outbound"])
        _mark_answered(locked, message, left=lasting - 1)
    return message


def note(
    conversation: Conversation, *, text: str, client_key: str, actor: Staff
) -> Message:
    """Leave a line only colleagues see; on any conversation one may see.

    Raises BadReply when empty, KeyReused.
    """
    text = text.strip()
    if not text:
        raise BadReply(gettext("Write something first."), code="empty_reply")
    with transaction.atomic():
        locked = _locked(conversation)
        known = locked.messages.filter(client_key=client_key).first()
        if known is not None:
            return _same(known, text=text, media=None)
        message = Message.objects.create(
            conversation=locked,
            direction=Message.Direction.NOTE,
            text=text,
            sender=actor,
            client_key=client_key,
        )
        live.notify(
            f"conversation.{locked.pk}", conversation=locked.pk, message=message.pk
        )
    return message


def mark_read(conversation: Conversation, *, actor: Staff) -> None:
    """The holder has seen what came in."""
    Conversation.objects.held_by(actor).filter(
        pk=conversation.pk, unread_count__gt=0
    ).update(unread_count=0)


def check_may_reply(conversation: Conversation, *, actor: Staff) -> None:
    """Raise what `reply` would, before anything about the answer itself is known."""
    _must_be_held(conversation)
    if conversation.assignee is not None and conversation.assignee_id != actor.pk:
        raise NotHolder.but(conversation.assignee)
    if conversation.app.account.is_wecom:
        raise CannotReplyHere
    if not conversation.member.is_reachable:
        raise NotReachable


def _check_answer(conversation: Conversation, text: str, media: Media | None) -> None:
    if not text and media is None:
        raise BadReply(gettext("Write something first."), code="empty_reply")
    if len(text.encode()) > TEXT_LIMIT_BYTES:
        raise BadReply(
            gettext("The platform takes at most %(limit)s bytes; this is %(size)s.")
            % {"limit": TEXT_LIMIT_BYTES, "size": len(text.encode())},
            code="text_too_long",
        )
    if media is not None and media.app_id != conversation.app_id:
        raise BadReply(gettext("This picture belongs elsewhere."), code="bad_picture")


def _check_allowance(conversation: Conversation) -> int:
    """Raise when nothing may be said; how many the longest window still allows."""
    allowed = allowance_of(conversation)
    if not allowed.is_window_open:
        closed_at = conversation.window_closes_at
        raise WindowClosed(closed_at=closed_at.isoformat() if closed_at else None)
    if allowed.left <= 0:
        raise NoMessagesLeft
    return allowed.lasting


def _plan(
    conversation: Conversation, message: Message, *, actor: Staff
) -> OutboundMessage:
    payload: dict[str, Any] = (
        {"media": message.media_id} if message.media_id else {"text": message.text}
    )
    return outbox.plan(
        app=conversation.app,
        channel=OutboundMessage.Channel.MP_CUSTOM,
        recipient=conversation.recipient,
        kind=message.kind,
        payload=payload,
        dedupe_key=f"service.reply:{message.pk}",
        purpose="service.reply",
        reference=str(message.pk),
        actor=actor,
    )


def _same(known: Message, *, text: str, media: Media | None) -> Message:
    if known.text != text or known.media_id != (media.pk if media else None):
        raise KeyReused
    return known


def _mark_answered(conversation: Conversation, message: Message, *, left: int) -> None:
    Conversation.objects.filter(pk=conversation.pk).update(
        waiting_since=None,
        due_at=None,
        first_response_at=Coalesce(F("first_response_at"), message.at),
        last_message_at=message.at,
        preview=preview_of(message),
        unread_count=0,
        messages_left=max(left, 0),
    )
    conversation.refresh_from_db()
    _announce(conversation, message=message.pk)


# -- questions


@dataclass(frozen=True)
class Allowed:
    """What may still be said: `left` messages; the last of them until `closes_at`.

    `lasting`: how many of them are left in the window that closes last; the others
    (a menu tap's, say) are gone within a minute.
    """

    is_window_open: bool
    left: int
    closes_at: datetime | None
    lasting: int


def allowance_of(conversation: Conversation) -> Allowed:
    """The platform's allowance less what is planned and not yet reserved there."""
    allowance = windows.allowance(conversation.app, conversation.recipient)
    planned = OutboundMessage.objects.filter(
        app=conversation.app_id,
        recipient=conversation.recipient,
        state__in=[OutboundMessage.State.PLANNED, OutboundMessage.State.CLAIMED],
    ).count()
    left = max(allowance.left - planned, 0)
    last = max(
        allowance.by_trigger.values(), key=lambda found: found.closes_at, default=None
    )
    return Allowed(
        is_window_open=last is not None,
        left=left,
        closes_at=allowance.closes_at or (last.closes_at if last else None),
        lasting=min(left, last.left) if last else 0,
    )


def works_in(staff: Staff, queue: Queue) -> bool:
    """Whether the person is among the agents of the queue, or supervises it."""
    return _rules(staff) or Queue.objects.worked_by(staff).filter(pk=queue.pk).exists()


def may_serve(staff: Staff, conversation: Conversation) -> bool:
    """Whether a colleague can be given the conversation."""
    return (
        staff.is_active
        and not staff.is_system
        and staff.has_perm(ANSWER)
        and Conversation.objects.visible_to(staff).filter(pk=conversation.pk).exists()
        and works_in(staff, conversation.queue)
    )


def due_after(since: datetime) -> datetime:
    """When an answer is due, by the setting service.answer_within_seconds."""
    seconds = int(system_settings.get("service.answer_within_seconds"))
    return since + timedelta(seconds=seconds)


def preview_of(message: Message) -> str:
    if message.kind == Message.Kind.IMAGE:
        return "[image]"
    return " ".join(message.text.split())[:PREVIEW_LENGTH]


def _rules(actor: Staff) -> bool:
    return actor.is_system or actor.has_perm(SUPERVISE)


# -- parts of the transactions above


def _locked(conversation: Conversation) -> Conversation:
    """The row as it is once the lock is ours.

    No joins: after a wait PostgreSQL re-reads the locked row only, so a joined assignee
    would still be the one of before, and the loser of a claim would see nobody.
    """
    return Conversation.objects.select_for_update(no_key=True).get(pk=conversation.pk)


def _must_be_unfinished(conversation: Conversation) -> None:
    if conversation.state == Conversation.State.CLOSED:
        raise AlreadyClosed


def _must_be_held(conversation: Conversation) -> None:
    _must_be_unfinished(conversation)
    if conversation.state == Conversation.State.QUEUED:
        raise NotClaimed


def _must_hold_or_supervise(conversation: Conversation, actor: Staff) -> None:
    holder = conversation.assignee
    if holder is not None and holder.pk != actor.pk and not _rules(actor):
        raise NotHolder.but(holder)


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


def _end_assignment(conversation: Conversation, *, because: str) -> None:
    ended = Assignment.objects.filter(conversation=conversation, ended_at=None).update(
        ended_at=timezone.now(), ended_because=because
    )
    if ended:
        AgentState.objects.filter(
            Q(open_count__gt=0), staff=conversation.assignee_id
        ).update(open_count=F("open_count") - 1)


def _put_back(conversation: Conversation, *, because: str, actor: Staff) -> None:
    holder = conversation.assignee_id
    _end_assignment(conversation, because=because)
    now = timezone.now()
    conversation.state = Conversation.State.QUEUED
    conversation.assignee = None
    conversation.priority = FRONT_OF_QUEUE
    conversation.waiting_since = conversation.waiting_since or now
    conversation.due_at = conversation.due_at or due_after(now)
    conversation.save(
        update_fields=["state", "assignee", "priority", "waiting_since", "due_at"]
    )
    _audit(
        "requeued",
        conversation,
        actor=actor,
        before={"assignee": holder},
        reason=because,
    )
    _announce(conversation)
    live.notify(f"staff.{holder}", conversation=conversation.pk)


def _announce(conversation: Conversation, **ids: int) -> None:
    live.notify(f"conversation.{conversation.pk}", conversation=conversation.pk, **ids)
    live.notify(f"queue.{conversation.queue_id}", conversation=conversation.pk, **ids)


def _write_history(
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


def _audit(verb: str, conversation: Conversation, *, actor: Staff, **what: Any) -> None:
    audit.record(f"service.conversation.{verb}", conversation, actor=actor, **what)
