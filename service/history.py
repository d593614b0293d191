"""What stands in the middle of the workspace: everything said with a member on an app.

Messages of all their conversations there, what rules and the desk said by themselves,
what they did before, who took over when; oldest first, cut at a moment so that nothing
is missing or twice between two pages.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.utils.translation import gettext

from core.registry import Text
from crm.models import Event
from crm.timeline import wordings
from service.models import Assignment, Conversation, Message
from service.wording import PURPOSES, kind_in_words
from wechat.models import Media, OutboundMessage

PAGE = 60
# A frame told of one thing: few lines are enough for it.
LIVE_PAGE = 25
OutState = OutboundMessage.State

# (tone, words) of what became of an outgoing message.
SENDING: dict[str, tuple[str, Text]] = {
    OutState.PLANNED: ("wait", OutState.PLANNED.label),
    OutState.CLAIMED: ("wait", OutState.PLANNED.label),
    OutState.SENDING: ("wait", OutState.SENDING.label),
    OutState.SENT: ("sent", OutState.SENT.label),
    OutState.FAILED: ("failed", OutState.FAILED.label),
    OutState.UNKNOWN: ("unknown", OutState.UNKNOWN.label),
}


@dataclass
class Line:
    """One line. `side`: in, out, note, system or event; `version` changes with it."""

    key: str
    at: datetime
    side: str
    order: int = 0
    author: Text = ""
    text: Text = ""
    label: Text = ""
    icon: str = ""
    media: Media | None = None
    tone: str = ""
    state: Text = ""
    reason: str = ""
    client_key: str = ""
    is_automatic: bool = False
    outbound_id: int | None = None
    day: date | None = None
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def version(self) -> str:
        media = f"{self.media.state}" if self.media else ""
        return f"{self.tone}-{media}"

    @property
    def outbound_url(self) -> str:
        if self.outbound_id is None:
            return ""
        try:
            return reverse(
                "admin:wechat_outboundmessage_change", args=[self.outbound_id]
            )
        except NoReverseMatch:
            return ""


@dataclass(frozen=True)
class Page:
    """`before`: where the next older page begins, None when this is the beginning."""

    lines: list[Line]
    before: datetime | None


def page_of(
    conversation: Conversation, *, before: datetime | None = None, size: int = PAGE
) -> Page:
    """The newest lines, or those before a moment."""
    together = Conversation.objects.filter(
        member=conversation.member_id, app=conversation.app_id
    )
    messages = _messages(together, before, size)
    words = _automatic_words(conversation, before, size)
    events = _events(conversation, before, size)
    full = [rows for rows in (messages, words, events) if len(rows) > size]
    start = max((rows[size - 1].at for rows in full), default=None)
    lines = [
        line
        for line in (*messages, *words, *events, *_turns(together, before))
        if start is None or line.at >= start
    ]
    lines.sort(key=lambda line: (line.at, line.order, line.key))
    _mark_days(lines)
    return Page(lines, start)


def _messages(together: Any, before: datetime | None, size: int) -> list[Line]:
    rows = Message.objects.filter(conversation__in=together)
    if before is not None:
        rows = rows.filter(at__lt=before)
    rows = rows.select_related("sender", "media", "outbound").order_by("-at", "-id")
    return [_line_of(message) for message in rows[: size + 1]]


def _line_of(message: Message) -> Line:
    line = Line(
        key=f"m{message.pk}",
        at=message.at,
        side=message.direction,
        order=message.pk,
        author=str(message.sender) if message.sender else "",
        text=message.text,
        media=message.media,
        client_key=message.client_key,
    )
    if message.kind == Message.Kind.OTHER:
        line.label, line.text = kind_in_words(message.text)
    if message.outbound is not None:
        _show_sending(line, message.outbound)
    elif message.direction == Message.Direction.OUT:
        line.author = line.author or gettext("WeCom")
    return line


def _show_sending(line: Line, outbound: OutboundMessage) -> None:
    line.tone, line.state = SENDING[outbound.state]
    line.outbound_id = outbound.pk
    if line.tone in {"failed", "unknown"} or outbound.attempts:
        line.reason = outbound.reason


def _automatic_words(
    conversation: Conversation, before: datetime | None, size: int
) -> list[Line]:
    """What rules, greetings and receipts said; their text stands in the outbox."""
    if not conversation.recipient:
        return []
    rows = OutboundMessage.objects.filter(
        app=conversation.app_id,
        recipient=conversation.recipient,
        purpose__in=PURPOSES,
    )
    if before is not None:
        rows = rows.filter(created_at__lt=before)
    lines = []
    for outbound in rows.order_by("-id")[: size + 1]:
        line = Line(
            key=f"o{outbound.pk}",
            at=outbound.created_at,
            side="out",
            author=PURPOSES[outbound.purpose],
            text=str(outbound.payload.get("text", "")),
            is_automatic=True,
        )
        _show_sending(line, outbound)
        lines.append(line)
    return lines


def _events(
    conversation: Conversation, before: datetime | None, size: int
) -> list[Line]:
    """What the timeline knows that no conversation has."""
    rows = Event.objects.filter(
        member=conversation.member_id, account=conversation.app.account_id
    ).exclude(kind__in=["answered", "conversation.opened", "conversation.closed"])
    if before is not None:
        rows = rows.filter(at__lt=before)
    events = list(rows.order_by("-at", "-id")[: size + 1])
    numbers = {event.key: _inbound_number(event.key) for event in events}
    taken = set(
        Message.objects.filter(
            inbound__in=[number for number in numbers.values() if number]
        ).values_list("inbound_id", flat=True)
    )
    return [_event_line(e) for e in events if numbers[e.key] not in taken]


def _inbound_number(key: str) -> int | None:
    source, _colon, number = key.partition(":")
    return int(number) if source == "inbound" and number.isdigit() else None


def _event_line(event: Event) -> Line:
    wording = wordings.get(event.kind)
    title: Text = wording.title if wording else event.kind
    text = str(wording.text(event.data)) if wording else ""
    line = Line(
        key=f"e{event.pk}",
        at=event.at,
        side="event",
        label=title,
        text=text,
        icon=wording.icon if wording else "circle",
    )
    if event.kind.startswith("message."):
        line.side = "in"
        line.label = "" if event.kind == "message.text" else title
    return line


def _turns(together: Any, before: datetime | None) -> Iterator[Line]:
    """Who had it from when, and its beginning and end."""
    recent = list(together.select_related("queue").order_by("-id")[:20])
    assignments = (
        Assignment.objects.filter(conversation__in=recent)
        .select_related("staff")
        .order_by("id")
    )
    for line in (*_edges(recent), *_assignment_lines(assignments)):
        if before is None or line.at < before:
            yield line


def _edges(conversations: list[Conversation]) -> Iterator[Line]:
    for conversation in conversations:
        yield Line(
            key=f"c{conversation.pk}-opened",
            at=conversation.opened_at,
            side="system",
            order=-1,
            text=gettext("Conversation #%(number)s · queue “%(queue)s”")
            % {"number": conversation.pk, "queue": conversation.queue},
        )
        if conversation.closed_at:
            yield Line(
                key=f"c{conversation.pk}-closed",
                at=conversation.closed_at,
                side="system",
                text=gettext("Conversation #%(number)s closed · %(reason)s")
                % {
                    "number": conversation.pk,
                    "reason": conversation.get_close_reason_display(),
                },
            )


def _assignment_lines(assignments: Any) -> Iterator[Line]:
    for assignment in assignments:
        name = {"name": assignment.staff}
        yield Line(
            key=f"a{assignment.pk}",
            at=assignment.started_at,
            side="system",
            text=gettext("%(name)s took over") % name,
        )
        text = {
            "released": gettext("%(name)s put it back into the queue"),
            "transferred": gettext("%(name)s handed it over"),
            "supervisor": gettext("Taken back from %(name)s into the queue"),
            "deactivated": gettext(
                "%(name)s no longer works here: back into the queue"
            ),
        }.get(assignment.ended_because)
        if text and assignment.ended_at:
            yield Line(
                key=f"a{assignment.pk}-end",
                at=assignment.ended_at,
                side="system",
                text=text % name,
            )


def _mark_days(lines: list[Line]) -> None:
    """Set `day` on the first line of each day."""
    last: date | None = None
    for line in lines:
        day = timezone.localdate(line.at)
        if day != last:
            line.day = last = day
