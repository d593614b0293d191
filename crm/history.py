"""What of crm itself stands on a timeline: events, and rows that are history anyway."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db import models
from django.utils.translation import gettext as _

from core.registry import Text
from crm.models import Event, Member, MemberTag, Note, Order, Refund, StageChange
from crm.registry import reason_words
from crm.timeline import (
    Group,
    Line,
    Source,
    Wording,
    add_source,
    kinds_of,
    wordings,
)
from staff.models import Staff
from wechat.models import Colleague

_UNKNOWN = Wording(Group.PROFILE, "", "circle", lambda _data: "")
_LADDERS: dict[str, dict[str, Text]] = {
    StageChange.Ladder.STAGE.value: dict(Member.Stage.choices),
    StageChange.Ladder.TRUST.value: dict(Member.Trust.choices),
}


def register() -> None:
    """Called once, in AppConfig.ready(), after the kinds are described."""
    # Any kind may be described by an app above, so events answer to every chip.
    everything = frozenset(Group.values)
    orders, notes = "crm.view_order", "crm.view_note"
    for source in (
        Source("event", everything, _events, _event_lines),
        Source("note", frozenset([Group.NOTE]), _notes, _note_lines, permission=notes),
        Source(
            "order",
            frozenset([Group.ORDER]),
            _orders,
            _order_lines,
            "placed_at",
            permission=orders,
        ),
        Source(
            "refund",
            frozenset([Group.ORDER]),
            _refunds,
            _refund_lines,
            permission=orders,
        ),
        Source("stage", frozenset([Group.STAGE]), _stages, _stage_lines),
        Source("tag", frozenset([Group.TAG]), _tags, _tag_lines, "set_at"),
    ):
        add_source(source)


# -- events


def _events(member: Member, group: str) -> models.QuerySet[Event]:
    rows = Event.objects.filter(member=member).select_related("account")
    return rows.filter(kind__in=kinds_of(group)) if group else rows


def _event_lines(events: Sequence[Event], staff: Staff) -> list[Line]:
    wanted = {event.data.get("colleague") for event in events}
    known = [pk for pk in wanted if isinstance(pk, int)]
    colleagues = Colleague.objects.in_bulk(known) if known else {}
    lines = []
    for event in events:
        wording = wordings.get(event.kind, _UNKNOWN)
        who = colleagues.get(event.data.get("colleague", 0))
        data: dict[str, Any] = {**event.data, "who": str(who)} if who else event.data
        lines.append(
            Line(
                title=wording.title or event.kind,
                text=wording.text(data),
                icon=wording.icon,
                account=str(event.account) if event.account else "",
            )
        )
    return lines


# -- notes


def _notes(member: Member, group: str) -> models.QuerySet[Note]:
    return Note.objects.filter(member=member).select_related("staff")


def _note_lines(notes: Sequence[Note], staff: Staff) -> list[Line]:
    return [
        Line(
            title=_("Note by %(who)s") % {"who": note.staff},
            text=note.text,
            icon="sticky_note_2",
        )
        for note in notes
    ]


# -- orders


def _orders(member: Member, group: str) -> models.QuerySet[Order]:
    return Order.objects.filter(member=member)


def _order_lines(orders: Sequence[Order], staff: Staff) -> list[Line]:
    return [
        Line(
            title=_("Ordered for ¥%(amount)s") % {"amount": f"{order.amount:,.2f}"},
            text=f"{order.code} · {order.get_state_display()}",
            icon="shopping_bag",
            account=order.shop,
        )
        for order in orders
    ]


def _refunds(member: Member, group: str) -> models.QuerySet[Refund]:
    return Refund.objects.filter(order__member=member).select_related("order")


def _refund_lines(refunds: Sequence[Refund], staff: Staff) -> list[Line]:
    return [
        Line(
            title=_("¥%(amount)s went back") % {"amount": f"{refund.amount:,.2f}"},
            text=" · ".join(filter(None, (refund.order.code, refund.reason))),
            icon="undo",
            account=refund.order.shop,
        )
        for refund in refunds
    ]


# -- stages


def _stages(member: Member, group: str) -> models.QuerySet[StageChange]:
    return StageChange.objects.filter(member=member)


def _stage_lines(changes: Sequence[StageChange], staff: Staff) -> list[Line]:
    return [
        Line(title=change_title(change), text=why_changed(change), icon="stairs")
        for change in changes
    ]


def change_title(change: StageChange) -> str:
    """ "Lifecycle stage: New customer → Growing"; also for the box of stages."""
    known = _LADDERS.get(change.ladder, {})
    return _("%(ladder)s: %(before)s → %(after)s") % {
        "ladder": change.get_ladder_display(),
        "before": known.get(change.before, change.before) or "–",
        "after": known.get(change.after, change.after),
    }


def why_changed(change: StageChange) -> Text:
    """The reason in words, "" when nobody words it."""
    for words in reason_words:
        found = words(change)
        if found:
            return found
    return ""


# -- tags


def _tags(member: Member, group: str) -> models.QuerySet[MemberTag]:
    """Those carried now; what people took off is an event."""
    rows = MemberTag.objects.filter(member=member)
    return rows.select_related("tag__group", "set_by")


def _tag_lines(rows: Sequence[MemberTag], staff: Staff) -> list[Line]:
    return [
        Line(
            title=_("Got the tag “%(tag)s”") % {"tag": row.tag},
            text=f"{row.tag.group} · {row.origin}",
            icon="sell",
        )
        for row in rows
    ]
