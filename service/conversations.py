"""What the customer says, in the one unfinished conversation of a member and app.

Who serves it: service.assignments. What we say: service.replies. How it ends:
service.closing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db import IntegrityError, transaction

from core import snapshot
from core.inserting import insert_new
from crm.models import Member
from service.allowances import allowance_of
from service.models import Conversation, Message, Queue
from service.writing import announce, due_after, write_history
from staff.models import Staff
from wechat.models import App, InboundEvent, Media

# The other writer's may be closed again before we look.
_LOOKS = 3
# Written out: Django composes it longer than PostgreSQL answers it, for every message.
UNFINISHED = """
SELECT * FROM service_conversation
WHERE app_id = %s AND member_id = %s AND state <> 'closed' FOR NO KEY UPDATE
"""


@dataclass(frozen=True)
class Said:
    """One thing the customer said. `inbound` makes writing it twice harmless.

    `at`: when, by the platform's time, which orders the history. `waits_since`: since
    when they wait for us, `at` unless given.
    """

    at: datetime
    kind: str = Message.Kind.TEXT
    text: str = ""
    media: Media | None = None
    inbound: InboundEvent | None = None
    waits_since: datetime | None = None


def open_or_append(
    *, app: App, member: Member, recipient: str, said: Said, actor: Staff
) -> tuple[Conversation, Message]:
    """Add what the customer said to the unfinished conversation, else open one.

    A new one waits in the default queue of the app's account. Call inside or outside a
    transaction; a replay of `said.inbound` returns what stands. `actor` is the automatic
    writer (or whoever opens one by hand).
    """
    with transaction.atomic(savepoint=False):
        known = _message_of(said.inbound)
        if known is not None:
            return known.conversation, known
        conversation = locked_unfinished(app=app, member=member)
        if conversation is None:
            conversation = _open(app, member, recipient, said.at)
        return conversation, append(conversation, said, actor=actor)


def open_with(
    *, app: App, member: Member, recipient: str, said: Said, actor: Staff
) -> Conversation:
    """Open one with what the customer said, for a caller who just saw that none is.

    Inside a transaction only, and never for a replay. One that another writer opened
    meanwhile is appended to.
    """
    conversation = _open(app, member, recipient, said.at)
    append(conversation, said, actor=actor)
    return conversation


def append(conversation: Conversation, said: Said, *, actor: Staff) -> Message:
    """Add what the customer said to a conversation whose row the caller has locked.

    What was added before, by a replay of `said.inbound`, is returned as it stands.
    """
    message = Message(
        conversation=conversation,
        direction=Message.Direction.IN,
        kind=said.kind,
        text=said.text,
        media=said.media,
        inbound=said.inbound,
        at=said.at,
    )
    if not insert_new(message):
        return Message.objects.get(inbound=said.inbound)
    allowed = allowance_of(conversation)
    since = conversation.waiting_since or said.waits_since or said.at
    conversation.waiting_since = since
    conversation.due_at = conversation.due_at or due_after(since)
    conversation.last_message_at = max(said.at, conversation.last_message_at)
    conversation.preview = message.preview
    conversation.unread_count += 1
    conversation.window_closes_at = allowed.closes_at
    conversation.messages_left = allowed.lasting
    conversation.save(
        update_fields=[
            "waiting_since",
            "due_at",
            "last_message_at",
            "preview",
            "unread_count",
            "window_closes_at",
            "messages_left",
        ]
    )
    announce(conversation, message=message.pk)
    return message


def locked_unfinished(*, app: App, member: Member) -> Conversation | None:
    """The unfinished one, locked until the transaction ends."""
    rows = Conversation.objects.raw(UNFINISHED, [app.pk, member.pk])
    found: Conversation | None = next(iter(rows), None)
    if found is not None:
        found.app, found.member = app, member
    return found


def default_queue(app: App) -> Queue:
    """The queue people of the app's account wait in; made when there is none yet."""

    def read() -> Queue | None:
        rows = Queue.objects.filter(account=app.account_id, is_active=True)
        return rows.order_by("-is_default", "id").first()

    queue = snapshot.of(("service.queue", app.account_id), read)
    if queue is not None:
        return queue
    made, _ = Queue.objects.get_or_create(
        account=app.account, is_default=True, defaults={"name": app.account.name}
    )
    return made


def _open(app: App, member: Member, recipient: str, at: datetime) -> Conversation:
    """Insert an unfinished one, or lock the one that another writer just opened."""
    opened = Conversation(
        app=app,
        member=member,
        recipient=recipient,
        queue=default_queue(app),
        opened_at=at,
        last_message_at=at,
    )
    for _ in range(_LOOKS):
        if insert_new(opened):
            write_history(opened, "opened", at=at)
            return opened
        found = locked_unfinished(app=app, member=member)
        if found is not None:
            return found
    raise IntegrityError("A conversation was neither found nor could it be opened.")


def _message_of(inbound: InboundEvent | None) -> Message | None:
    if inbound is None or inbound.is_first_try:
        return None
    return (
        Message.objects.select_related("conversation").filter(inbound=inbound).first()
    )
