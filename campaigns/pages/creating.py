"""A new campaign: choose a template, see its plan, give name and date."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from itertools import groupby
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from campaigns import plans
from campaigns.blueprints import in_order, phase_of
from campaigns.forms import CampaignForm, add_refusal
from campaigns.models import Campaign, CampaignTemplate, GateItem
from campaigns.models.plan import PhaseKind
from campaigns.pages.access import ADD
from core.errors import AppError
from core.pages import console_page, tell_missing
from staff.requests import require

BLANK = "blank"
# Offered first; the longest template begins 30 days before its live date.
DEFAULT_AHEAD = timedelta(days=30)


@dataclass(frozen=True)
class PlannedPhase:
    """A phase of a template with its dates for the chosen live date."""

    kind: str
    label: str
    start: date
    end: date
    tasks: list[dict[str, Any]]
    gates: list[tuple[str, date, list[str]]]


def create(request: HttpRequest) -> HttpResponse:
    staff = require(request, ADD)
    templates = list(CampaignTemplate.objects.filter(is_active=True))
    code = request.POST.get("template") or request.GET.get("template", "")
    template = next((each for each in templates if each.code == code), None)
    is_chosen = template is not None or code == BLANK
    form = CampaignForm(
        request.POST or None,
        staff=staff,
        initial={
            "owner": staff.pk,
            "org_unit": staff.org_unit_id,
            "live_date": timezone.localdate() + DEFAULT_AHEAD,
        },
    )
    if request.method == "POST" and is_chosen and form.is_valid():
        try:
            campaign = plans.create(template=template, actor=staff, **form.cleaned_data)
        except AppError as error:
            add_refusal(form, error)
        else:
            messages.success(
                request, _("“%(name)s” is planned.") % {"name": campaign.name}
            )
            return HttpResponseRedirect(
                reverse("admin:campaigns_campaign_change", args=[campaign.pk])
            )
    if not form.is_bound:
        tell_missing(request, form.fields["org_unit"])
    live_date = _date(request) or timezone.localdate() + DEFAULT_AHEAD
    return console_page(
        request,
        "campaigns/new.html",
        title=_("New campaign"),
        above=[Campaign],
        lead=_(
            "Start from how such a campaign usually runs; everything can be changed."
        ),
        context={
            "templates": templates,
            "template": template,
            "code": code if is_chosen else "",
            "blank": BLANK,
            "form": form,
            "plan": _plan(template, live_date) if template else [],
            "live_date": live_date,
        },
        status=422 if form.is_bound and form.errors else 200,
    )


def plan(request: HttpRequest) -> HttpResponse:
    """The plan with the dates of another live date; a fragment of the open page."""
    require(request, ADD)
    code = request.GET.get("template", "")
    template = CampaignTemplate.objects.filter(is_active=True, code=code).first()
    live_date = _date(request)
    context = {
        "plan": _plan(template, live_date) if template and live_date else [],
        "live_date": live_date,
    }
    return TemplateResponse(request, "campaigns/new_plan.html", context)


def _date(request: HttpRequest) -> date | None:
    given = request.POST.get("live_date") or request.GET.get("live_date", "")
    try:
        found = date.fromisoformat(given)
    except ValueError:
        return None
    near = abs((found - timezone.localdate()).days) <= plans.FURTHEST_DAYS
    return found if near else None


def _plan(template: CampaignTemplate, live_date: date) -> list[PlannedPhase]:
    def on(day: int) -> date:
        return live_date + timedelta(days=day)

    tasks = list(template.tasks.all())
    found = []
    for kind, (start, end) in in_order(template.phases):
        own = [t for t in tasks if phase_of(template.phases, t.start_day) == kind]
        points = [p for p in template.gates if p["phase"] == kind]
        by_gate = groupby(points, key=lambda p: (p["code"], p["due_day"]))
        found.append(
            PlannedPhase(
                kind=kind,
                label=str(PhaseKind(kind).label),
                start=on(start),
                end=on(end),
                tasks=[
                    {"task": t, "start": on(t.start_day), "end": on(t.end_day)}
                    for t in own
                ],
                gates=[
                    (
                        str(GateItem.Code(code).label),
                        on(due),
                        [point["title"] for point in group],
                    )
                    for (code, due), group in by_gate
                ],
            )
        )
    return found
