"""What the gateway says of a touch's sends, onto its recipients: the contact ledger."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.utils import timezone

from campaigns import sending
from campaigns.models import Recipient
from core import doorbell
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
    """A merge or an erasure may have taken the person out since it was planned."""
    if message.purpose != sending.PURPOSE:
        return None
    rows = Recipient.objects.filter(pk=int(message.reference), state=State.WAITING)
    return None if rows.exists() else Veto("not_waiting", "")


@for_many(still_waits)
def still_wait(messages: list[OutboundMessage]) -> dict[int, Veto]:
    """As `still_waits`, in one question."""
    mine = {
        int(each.reference): each.pk
        for each in messages
        if each.purpose == sending.PURPOSE
    }
    rows = Recipient.objects.filter(pk__in=mine, state=State.WAITING)
    waiting = set(rows.values_list("pk", flat=True))
    return {
        message: Veto("not_waiting", "")
        for recipient, message in mine.items()
        if recipient not in waiting
    }


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
    """Who opted out, left or was erased since the people were frozen: freeze anew."""
    people = people_of(batch)
    gone = people.exclude(state=State.WAITING) | people.filter(
        member__opted_out_at__isnull=False
    )
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
