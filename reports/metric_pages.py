"""The dictionary of figures, and what stands behind a key figure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from campaigns.models import Recap
from core.pages import console_page
from reports import rollups, series
from reports.metrics import Metric, all_metrics, weight_names
from reports.models import MemberDay, MetricWeight
from reports.recap_pages import VIEW as VIEW_RECAP
from reports.row_pages import MEMBERS
from reports.trend import Trend
from staff.requests import require, staff_of

FIGURES = "reports.view_figures"
SHOWN_RECAPS = 50
PAGE_ROWS = 50
# Days anybody can mean; beyond, a week would leave the calendar.
YEARS = range(2000, 2201)


def may_read_definitions(request: HttpRequest) -> bool:
    staff = staff_of(request)
    return staff.has_perm(FIGURES) or staff.has_perm(VIEW_RECAP)


@require_GET
def index(request: HttpRequest) -> HttpResponse:
    """The key figures of now, the dictionary and the newest recaps."""
    if not may_read_definitions(request):
        raise PermissionDenied
    staff = staff_of(request)
    recaps = (
        Recap.objects.visible_to(staff)
        .select_related("campaign__org_unit", "locked_by")
        .defer("figures")
        .order_by("-as_of")[:SHOWN_RECAPS]
        if staff.has_perm(VIEW_RECAP)
        else None
    )
    return console_page(
        request,
        "reports/index.html",
        title=_("Reports and metrics"),
        lead=_("What each figure means, and what came of the campaigns."),
        context={"metrics": list(all_metrics().values()), "recaps": recaps},
    )


@dataclass(frozen=True)
class DayLine:
    day: date
    value: Decimal


@require_GET
def define(request: HttpRequest, code: str) -> HttpResponse:
    """One metric: its formula, weights and, where it is added up by day, its days."""
    if not may_read_definitions(request):
        raise PermissionDenied
    metric = all_metrics().get(code)
    if metric is None:
        raise Http404
    context: dict[str, Any] = {
        "metric": metric,
        "weights": _weights(metric),
        "may_weigh": staff_of(request).has_perm("reports.change_metricweight"),
    }
    if code in series.CODES and staff_of(request).has_perm(FIGURES):
        context |= _days(request, code)
    return console_page(
        request,
        "reports/metric.html",
        title=f"{metric.name} {metric.code}",
        context=context,
    )


def _weights(metric: Metric) -> list[tuple[str, MetricWeight]]:
    names = weight_names()
    rows = MetricWeight.objects.filter(metric=metric.code)
    return [
        (names[row.metric, row.name].label, row)
        for row in rows
        if (row.metric, row.name) in names
    ]


def _days(request: HttpRequest, code: str) -> dict[str, Any]:
    staff, today = staff_of(request), timezone.localdate()
    reading = series.read(staff, code, today=today)
    first = series.monday(today) - timedelta(weeks=1)
    values = series.by_day(staff, code, first, today)
    lines = [
        DayLine(day, values.get(day, Decimal(0)))
        for day in (today - timedelta(days=n) for n in range((today - first).days + 1))
    ]
    return {
        "reading": reading,
        "trend": Trend.of(reading.weeks),
        "lines": lines,
        "parts": series.by_account(staff, code, series.monday(today), today)
        if code == "C10"
        else [],
        "as_of": rollups.as_of(),
        "may_see_rows": staff.has_perm(MEMBERS),
    }


@require_GET
def rows(request: HttpRequest, code: str) -> HttpResponse:
    """Who did it: members with their day, newest first; `?day=` or `?week=` (a Monday)."""
    staff = require(request, FIGURES)
    require(request, MEMBERS)
    metric = all_metrics().get(code)
    if metric is None or code not in series.CODES:
        raise Http404
    first, last = _span(request)
    found = MemberDay.objects.visible_to(staff).filter(day__gte=first, day__lte=last)
    if code == "C08":
        found = found.filter(interactions__gt=0)
    else:
        found = found.exclude(resolved=0, self_served=0)
    before = request.GET.get("before", "")
    if before:
        if not before.isascii() or not before.isdigit() or len(before) > 18:
            raise Http404
        found = found.filter(pk__lt=int(before))
    page_rows = list(
        found.select_related("member", "account").order_by("-pk")[: PAGE_ROWS + 1]
    )
    context = {
        "metric": metric,
        "first": first,
        "last": last,
        "span": request.GET.urlencode() if not before else "",
        "is_interactions": code == "C08",
        "lines": page_rows[:PAGE_ROWS],
        "next_before": page_rows[PAGE_ROWS - 1].pk
        if len(page_rows) > PAGE_ROWS
        else None,
    }
    title = _("%(figure)s: who it was") % {"figure": metric.name}
    page = console_page(
        request, "reports/member_days.html", title=title, context=context
    )
    page["Cache-Control"] = "no-store"
    return page


def _span(request: HttpRequest) -> tuple[date, date]:
    day, week = _date(request, "day"), _date(request, "week")
    if day is not None:
        return day, day
    first = series.monday(week or timezone.localdate())
    return first, first + timedelta(days=6)


def _date(request: HttpRequest, name: str) -> date | None:
    text = request.GET.get(name, "")
    if not text:
        return None
    try:
        found = date.fromisoformat(text)
    except ValueError:
        raise Http404 from None
    if found.year not in YEARS:
        raise Http404
    return found
