"""What the gateway says of a touch's sends, onto its recipients: the contact ledger."""

from __future__ import annotations

from typing import Any

from django.db.models import Q, QuerySet
from django.utils import timezone

from campaigns import exclusions, reasons, sending
from campaigns.models import Recipient, Touch
from core import doorbell
from crm import permission
from wechat.models import OutboundBatch, OutboundMessage
from wechat.registry import (
    Veto,
    for_many,
    may_send,
    may_send_batch,
    on_batch_outcome,
    on_outcome,
    on_sent,
)

State = Recipient.State
# A rule kept it from being sent: the person is left out, for this reason. Whatever else
# failed has failed.
LEFT_OUT = {
    "expired": "expired",
    "stopped": "stopped",
    "opted_out": "opted_out",
    "complaint": "complaint",
    "channel_off": "channel_off",
    "topic_off": "topic_off",
    "no_personalisation": "no_personalisation",
    "purged": "erased",
    "erased": "erased",
    "not_waiting": "stopped",
    "window_closed": "window_closed",
    "window_used": "window_closed",
    "errcode_45015": "window_closed",
    "errcode_45047": "window_closed",
    "errcode_43004": "unreachable",
    "errcode_48002": "opted_out",
}
# The batch was never called, or is to be replaced: its people wait again.
AGAIN = ("outdated", "send_again")
# The feeder is woken by one message in so many.
RING_EVERY = 250


@may_send
def still_waits(message: OutboundMessage) -> Veto | None:
    """A merge, an erasure or their own choice may have taken the person out meanwhile."""
    if message.purpose != sending.PURPOSE:
        return None
    return still_wait([message]).get(message.pk)


@for_many(still_waits)
def still_wait(messages: list[OutboundMessage]) -> dict[int, Veto]:
    """As `still_waits`, in one question, and one for each touch they are of."""
    mine = {
        int(each.reference): each.pk
        for each in messages
        if each.purpose == sending.PURPOSE
    }
    rows = Recipient.objects.filter(pk__in=mine, state=State.WAITING)
    waiting = dict(rows.values_list("pk", "touch"))
    found = {
        message: Veto("not_waiting", "")
        for recipient, message in mine.items()
        if recipient not in waiting
    }
    touches = Touch.objects.filter(pk__in=set(waiting.values()))
    for touch in touches.only("channel", "topic", "audience"):
        meant = [pk for pk, its_touch in waiting.items() if its_touch == touch.pk]
        refusing = Recipient.objects.filter(_refusing(touch), pk__in=meant)
        for row in refusing.select_related("member"):
            code = _refusal(touch, row)
            found[mine[row.pk]] = Veto(code, reasons.words(code))
    return found


def _refusing(touch: Touch) -> Q:
    """Recipients the touch must not reach any more, by their own word or a complaint."""
    return permission.refusing(
        touch.channel,
        touch.topic_id,
        is_personal=exclusions.is_personal(touch),
        prefix="member__",
    )


def _refusal(touch: Touch, row: Recipient) -> str:
    return permission.refusal(
        row.member,
        touch.channel,
        touch.topic,
        is_personal=exclusions.is_personal(touch),
    )


@on_sent(sending.PURPOSE)
def messages_sent(messages: list[OutboundMessage]) -> None:
    """Many that were sent, in one statement."""
    Recipient.objects.filter(
        pk__in=[int(message.reference) for message in messages],
        state__in=[State.WAITING, State.UNKNOWN],
    ).update(state=State.SENT, reason="", contacted_at=timezone.now())
    if any(message.pk % RING_EVERY == 0 for message in messages):
        _ring()


@on_outcome(sending.PURPOSE)
def message_ended(message: OutboundMessage) -> None:
    """One message's end is its recipient's."""
    row = Recipient.objects.filter(
        pk=int(message.reference), state__in=[State.WAITING, State.UNKNOWN]
    )
    states = OutboundMessage.State
    if message.state == states.PLANNED:
        # A person's decision, or the late word that it was certainly not sent.
        unknown = row.filter(state=State.UNKNOWN)
        if unknown.update(state=State.WAITING, reason="", contacted_at=None):
            _reopen(message)
        return
    if message.state == states.SENT:
        row.update(state=State.SENT, reason="", contacted_at=timezone.now())
    elif message.state == states.UNKNOWN:
        _unknown(row, message.reason_code)
    elif message.state == states.FAILED:
        code = LEFT_OUT.get(message.reason_code)
        # Once it may have arrived nobody is "left out" any more.
        waiting = row.filter(state=State.WAITING)
        if code is None or not waiting.update(state=State.EXCLUDED, reason=code):
            row.update(
                state=State.FAILED, reason=message.reason_code[:24], contacted_at=None
            )
    if message.pk % RING_EVERY == 0:
        _ring()


def _unknown(rows: QuerySet[Recipient], code: str) -> None:
    rows.update(state=State.UNKNOWN, reason=code[:24], contacted_at=timezone.now())


def _reopen(message: OutboundMessage) -> None:
    assert message.run is not None  # every message of a touch has one
    sending.reopen(int(message.run.reference))


def people_of(batch: OutboundBatch) -> QuerySet[Recipient]:
    """The recipients of a batch, found by the ids its reference spans."""
    first, _dash, last = batch.reference.partition("-")
    return Recipient.objects.filter(
        pk__gte=int(first), pk__lte=int(last), batch=batch.pk
    )


@may_send_batch(sending.PURPOSE)
def batch_is_current(batch: OutboundBatch) -> Veto | None:
    """Who refused, left or was erased since the people were frozen: freeze anew."""
    touch = Touch.objects.get(pk=int(batch.run.reference))
    gone = people_of(batch).filter(~Q(state=State.WAITING) | _refusing(touch))
    return Veto("outdated", "") if gone.exists() else None


@on_batch_outcome(sending.PURPOSE)
def batch_ended(batch: OutboundBatch) -> None:
    """One statement for all people of the batch."""
    states = OutboundBatch.State
    people = people_of(batch)
    if batch.state in (states.PLANNED, states.SENDING):
        return
    if batch.state == states.SENT:
        _open(people).update(
            state=State.ACCEPTED, reason="", contacted_at=timezone.now()
        )
    elif batch.state == states.UNKNOWN:
        _unknown(people.filter(state=State.WAITING), batch.reason_code)
    elif batch.reason_code in AGAIN:
        changes: dict[str, Any] = {"state": State.WAITING, "reason": "", "batch": None}
        _open(people).update(**changes, contacted_at=None)
        sending.reopen(int(batch.run.reference))
    elif batch.reason_code in LEFT_OUT:
        people.filter(state=State.WAITING).update(
            state=State.EXCLUDED, reason=LEFT_OUT[batch.reason_code]
        )
    else:
        # Also those it was accepted for: the platform dropped it afterwards.
        people.filter(state__in=[State.WAITING, State.UNKNOWN, State.ACCEPTED]).update(
            state=State.FAILED, reason=batch.reason_code[:24], contacted_at=None
        )
    _ring()


def _open(people: QuerySet[Recipient]) -> QuerySet[Recipient]:
    return people.filter(state__in=[State.WAITING, State.UNKNOWN])


def _ring() -> None:
    from campaigns.tasks import drain_touches

    doorbell.ring(drain_touches)
