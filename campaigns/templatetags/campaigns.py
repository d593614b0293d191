"""How dates, days from T0 and the states of campaigns look."""

from __future__ import annotations

from datetime import date
from typing import Any

from django import template
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from campaigns.models import Campaign, Recipient, Task, Touch
from core.templatetags.console import WEEKDAYS, status

register = template.Library()

CAMPAIGN_TONES = {
    Campaign.State.DRAFT: "idle",
    Campaign.State.RUNNING: "part",
    Campaign.State.CLOSED: "good",
    Campaign.State.CANCELLED: "idle",
}
TOUCH_TONES = {
    Touch.State.DRAFT: "idle",
    Touch.State.IN_REVIEW: "part",
    Touch.State.APPROVED: "next",
    Touch.State.SENDING: "part",
    Touch.State.PAUSED: "bad",
    Touch.State.HELD: "bad",
    Touch.State.DONE: "good",
    Touch.State.STOPPED: "bad",
    Touch.State.CANCELLED: "idle",
}
TASK_TONES = {
    Task.State.TODO: "idle",
    Task.State.DOING: "part",
    Task.State.DONE: "good",
    Task.State.SKIPPED: "done",
}
RECIPIENT_TONES = {
    Recipient.State.WAITING: "part",
    Recipient.State.SENT: "good",
    Recipient.State.ACCEPTED: "good",
    Recipient.State.FAILED: "bad",
    Recipient.State.UNKNOWN: "unknown",
    Recipient.State.EXCLUDED: "idle",
}
TONES: dict[type, dict[Any, str]] = {
    Campaign: CAMPAIGN_TONES,
    Touch: TOUCH_TONES,
    Task: TASK_TONES,
    Recipient: RECIPIENT_TONES,
}


@register.filter
def day(value: date | None) -> str:
    """11-23 周一, with the year when it is not this one."""
    if value is None:
        return "–"
    same_year = value.year == timezone.localdate().year
    text = value.strftime("%m-%d" if same_year else "%Y-%m-%d")
    return f"{text} {WEEKDAYS[value.weekday()]}"


@register.filter
def days(row: Any) -> str:
    """T-9…T-4 of anything with `start_day` and `end_day`."""
    first, last = from_t0(row.start_day), from_t0(row.end_day)
    return first if first == last else f"{first}…{last}"


@register.filter
def from_t0(offset: int) -> str:
    """T-14, T0, T+3."""
    return f"T{offset:+d}" if offset else "T0"


@register.filter
def state(row: Any) -> SafeString:
    """The state of a campaign, touch, task or recipient by shape, colour and word."""
    tones = TONES[type(row)]
    return status(tones.get(row.state, "idle"), row.get_state_display())


@register.filter
def state_shape(row: Any) -> SafeString:
    """The shape alone, where the line says the rest; words for those who listen."""
    shape = status(TONES[type(row)].get(row.state, "idle"), "")
    return format_html(
        '{}<span class="sr-only">{}</span>', shape, row.get_state_display()
    )
