"""The board of one campaign: phases with tasks and gates, and what is said when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.views.decorators.http import require_GET

from campaigns import chores, counts
from campaigns.forms import TaskForm
from campaigns.models import Campaign, GateItem, Phase, Task, Touch
from campaigns.pages import access
from core.pages import console_page
from staff.models import Staff
from staff.requests import staff_of


@dataclass(frozen=True)
class Gate:
    """One checklist: "G1 Readiness 4/6"."""

    label: str
    due_on: date
    points: list[GateItem]
    today: date

    @property
    def done(self) -> int:
        return sum(point.done_at is not None for point in self.points)

    @property
    def is_passed(self) -> bool:
        return self.done == len(self.points)

    @property
    def is_late(self) -> bool:
        return not self.is_passed and self.due_on < self.today


@dataclass(frozen=True)
class Column:
    phase: Phase
    tasks: list[Task]
    gates: list[Gate]
    today: date

    @property
    def done(self) -> int:
        return sum(task.is_over for task in self.tasks)

    @property
    def percent(self) -> int:
        return round(100 * self.done / len(self.tasks)) if self.tasks else 0

    @property
    def is_now(self) -> bool:
        return self.phase.starts_on <= self.today <= self.phase.ends_on

    @property
    def is_past(self) -> bool:
        return self.phase.ends_on < self.today


@dataclass(frozen=True)
class Days:
    """The line of days: shares of the whole in percent, and where today stands."""

    ahead: float
    shares: list[tuple[str, float]]
    now: float | None
    edge: str


@dataclass(frozen=True)
class Said:
    """A touch with its counts; `counts` is None before the audience was fixed."""

    touch: Touch
    counts: Any


@require_GET
def show(request: HttpRequest, campaign: Campaign) -> HttpResponse:
    return page(request, campaign)


def page(
    request: HttpRequest, campaign: Campaign, *, status: int = 200, **more: Any
) -> TemplateResponse:
    """The board, also after a refused change: `more` says what to show where."""
    staff = staff_of(request)
    today = timezone.localdate()
    columns = _columns(campaign, today)
    tasks = [task for column in columns for task in column.tasks]
    context = {
        "campaign": campaign,
        "columns": columns,
        "days": _days([column.phase for column in columns], tasks, campaign, today),
        "campaign_key": str(campaign.pk),
        "said": said_in(campaign, staff),
        "late": [task for task in tasks if task.is_overdue(today)],
        "late_gates": [g for column in columns for g in column.gates if g.is_late],
        "t_today": (today - campaign.live_date).days,
        "today": today,
        "people": chores.assignable(staff) if staff.has_perm(chores.CHANGE) else [],
        "recap_url": recap_url(campaign),
        "may": _rights(staff, campaign),
        "me": staff,
        "task_form": TaskForm(),
        **more,
    }
    return console_page(
        request,
        "campaigns/board.html",
        title=campaign.name,
        above=[Campaign],
        context=context,
        status=status,
    )


def _rights(staff: Staff, campaign: Campaign) -> dict[str, bool]:
    is_open = not campaign.is_over
    return {
        "change": is_open and staff.has_perm(access.CHANGE),
        "tasks": is_open and staff.has_perm(chores.CHANGE),
        "gates": is_open and staff.has_perm("campaigns.change_gateitem"),
        "touch": is_open and staff.has_perm(access.ADD_TOUCH),
    }


def recap_url(campaign: Campaign) -> str:
    """Where the layer above shows what came of it; "" when it has no such page."""
    try:
        return reverse("admin:reports_campaign_recap", args=[campaign.pk])
    except NoReverseMatch:
        return ""


def said_in(campaign: Campaign, staff: Staff) -> list[Said]:
    if not staff.has_perm(access.VIEW_TOUCH):
        return []
    rows = list(campaign.touches.select_related("account", "phase", "version__item"))
    found = counts.of([each.pk for each in rows])
    return [Said(each, found[each.pk] if each.snapshot_at else None) for each in rows]


def _columns(campaign: Campaign, today: date) -> list[Column]:
    # Setting the key's object spares a query for every date.
    tasks = list(campaign.tasks.select_related("assignee", "done_by", "depends_on"))
    points = list(campaign.gate_items.select_related("done_by"))
    phases = list(campaign.phases.order_by("start_day"))
    for row in (*tasks, *points, *phases):
        row.campaign = campaign
    gates = _gates(points, today)
    columns = []
    for position, phase in enumerate(phases):
        is_last = position == len(phases) - 1
        own = [
            gate
            for gate in gates
            if (is_last or gate.due_on <= phase.ends_on)
            and not any(gate.due_on <= before.ends_on for before in phases[:position])
        ]
        columns.append(
            Column(phase, [t for t in tasks if t.phase_id == phase.pk], own, today)
        )
    return columns


def _gates(points: Sequence[GateItem], today: date) -> list[Gate]:
    by_code: dict[str, list[GateItem]] = {}
    for point in points:
        by_code.setdefault(point.code, []).append(point)
    return [
        Gate(str(GateItem.Code(code).label), own[0].due_on, own, today)
        for code, own in sorted(by_code.items())
    ]


def _days(
    phases: Sequence[Phase], tasks: Sequence[Task], campaign: Campaign, today: date
) -> Days:
    first = min([p.start_day for p in phases] + [t.start_day for t in tasks], default=0)
    last = max((p.end_day for p in phases), default=0)
    whole = max(last - first + 1, 1)
    at = (today - campaign.live_date).days - first
    now = 100 * (at + 0.5) / whole if 0 <= at < whole else None
    shares = [(p.kind, 100 * (p.end_day - p.start_day + 1) / whole) for p in phases]
    begin = phases[0].start_day if phases else first
    edge = "left" if now is not None and now < 12 else ""
    edge = "right" if now is not None and now > 88 else edge
    return Days(100 * (begin - first) / whole, shares, now, edge)
