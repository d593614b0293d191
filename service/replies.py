"""What we say in a conversation: answers to the customer, notes among ourselves."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Coalesce
from django.utils.translation import gettext

from core import live
from crm import preference_links
from service.allowances import allowance_of
from service.errors import (
    BadReply,
    CannotReplyHere,
    KeyReused,
    NoMessagesLeft,
    NotHolder,
    NotReachable,
    WindowClosed,
)
from service.models import Conversation, Message
from service.writing import announce, lock, must_be_held, must_be_known
from staff.models import Staff
from wechat import outbox
from wechat.models import Media, OutboundMessage

# custom/send refuses more with 45002 (contract A, reply types: 2048 bytes).
TEXT_LIMIT_BYTES = 2048


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
        locked = lock(conversation)
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

    Raises BadReply when empty, KeyReused, MemberGone once the person was purged.
    """
    text = text.strip()
    if not text:
        raise BadReply(gettext("Write something first."), code="empty_reply")
    with transaction.atomic():
        locked = lock(conversation)
        must_be_known(locked)
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
    must_be_held(conversation)
    if conversation.assignee is not None and conversation.assignee_id != actor.pk:
        raise NotHolder.but(conversation.assignee)
    if conversation.app.account.is_wecom:
        raise CannotReplyHere
    if not conversation.member.is_reachable:
        raise NotReachable


# -- parts of the transactions above


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
        {"media": message.media_id}
        if message.media_id
        else {"text": preference_links.fill_for(conversation.member, message.text)}
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
        preview=message.preview,
        unread_count=0,
        messages_left=max(left, 0),
    )
    conversation.refresh_from_db()
    announce(conversation, message=message.pk)
