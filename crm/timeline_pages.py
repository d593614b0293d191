"""The timeline where people read it: chips, days, and earlier lines on demand."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.views.decorators.http import require_GET

from core.templatetags.console import moment
from crm import timeline
from crm.models import Member
from crm.timeline import Cursor, Group, Line
from staff.models import Staff
from staff.requests import staff_of

PAGE_LINES = 30


@dataclass(frozen=True)
class Shown:
    """A line on the page; `day` is "11-23 周一" above the first line of a day, else ""."""

    at: datetime
    line: Line
    day: str


@require_GET
def show(request: HttpRequest, member: Member) -> HttpResponse:
    """More lines, or those of another chip; a fragment for the open page."""
    context = context_of(
        member,
        staff_of(request),
        request.GET.get("group", ""),
        request.GET.get("before", ""),
    )
    is_more = bool(request.GET.get("before"))
    template = "crm/timeline_lines.html" if is_more else "crm/timeline.html"
    return TemplateResponse(request, template, {"member": member, **context})


def context_of(
    member: Member, staff: Staff, group: str = "", before: str = ""
) -> dict[str, Any]:
    """What crm/timeline.html shows: the lines of one chip (`group`, "" for all) that
    come `before` a cursor, and the cursor of those further back."""
    group = group if group in Group.values else ""
    cursor = timeline.parse_cursor(before)
    found, has_more = timeline.read(
        member, staff=staff, limit=PAGE_LINES, group=group, before=cursor
    )
    return {
        "lines": _under_days(found, after=cursor),
        "group": group,
        "groups": Group.choices,
        "next_cursor": str(found[-1][0]) if has_more else "",
    }


def _under_days(
    found: list[tuple[Cursor, Line]], *, after: Cursor | None
) -> list[Shown]:
    """`after` is the line above the first, whose day stands already."""
    day = None if after is None else timezone.localdate(after.at)
    shown = []
    for cursor, line in found:
        today = timezone.localdate(cursor.at)
        words = "" if today == day else moment(cursor.at).rpartition(" ")[0]
        shown.append(Shown(cursor.at, line, words))
        day = today
    return shown
