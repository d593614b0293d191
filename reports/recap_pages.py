"""The recap of a campaign: its figures, what people learnt, versions, print and PDF."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from campaigns.models import Campaign, Recap
from campaigns.pages.access import typed, visible_campaign
from core.errors import AppError
from core.pages import console_page
from reports import recaps, tables
from staff.requests import staff_of

VIEW = "campaigns.view_recap"
CHANGE = "campaigns.change_recap"


@require_GET
def show(request: HttpRequest, campaign_id: int) -> HttpResponse:
    campaign = visible_campaign(request, campaign_id, VIEW)
    return _page(request, campaign, version_of(campaign, request))


def version_of(campaign: Campaign, request: HttpRequest) -> Recap:
    """The version asked for by `?version=`, else the newest; Http404 for no version."""
    asked = request.GET.get("version", "")
    if not asked:
        return recaps.latest(campaign)
    if not asked.isascii() or not asked.isdigit() or len(asked) > 4:
        raise Http404
    found: Recap | None = campaign.recaps.filter(number=int(asked)).first()
    if found is None:
        raise Http404
    return found


def _page(
    request: HttpRequest,
    campaign: Campaign,
    recap: Recap,
    *,
    status: int = 200,
    **more: Any,
) -> HttpResponse:
    versions = list(
        campaign.recaps.select_related("locked_by").defer("figures").order_by("-number")
    )
    may_change = staff_of(request).has_perm(CHANGE)
    is_newest = not versions or recap.number == versions[0].number
    context = {
        "campaign": campaign,
        "recap": recap,
        "locked_by": recap.locked_by,
        "is_kept": recap.pk is not None,
        "tables": tables.of(recap),
        "versions": versions,
        "may_learn": may_change and recap.pk is not None,
        "may_refresh": may_change and is_newest,
        "may_lock": may_change
        and is_newest
        and recap.pk is not None
        and recap.locked_at is None,
        "learnings": recap.learnings,
        "rows_url": reverse("admin:reports_rows", args=[campaign.pk, "planned"])[
            : -len("planned/")
        ],
        **more,
    }
    page = console_page(
        request,
        "reports/recap.html",
        title=_("Recap of %(campaign)s") % {"campaign": campaign},
        above=[campaign],
        context=context,
        status=status,
    )
    page["Cache-Control"] = "no-store"
    return page


def recap_url(campaign: Campaign, number: int | None = None) -> str:
    url = reverse("admin:reports_campaign_recap", args=[campaign.pk])
    return f"{url}?version={number}" if number else url


@require_POST
def refresh(request: HttpRequest, campaign_id: int) -> HttpResponse:
    campaign = visible_campaign(request, campaign_id, CHANGE)
    recap = recaps.refresh(campaign)
    messages.success(
        request, _("Version %(number)s was counted anew.") % {"number": recap.number}
    )
    return HttpResponseRedirect(recap_url(campaign))


@require_POST
def lock(request: HttpRequest, campaign_id: int) -> HttpResponse:
    campaign = visible_campaign(request, campaign_id, CHANGE)
    recap = _posted_version(request, campaign)
    try:
        recaps.lock(recap, as_of=_posted_moment(request), actor=staff_of(request))
    except AppError as refusal:
        recap.refresh_from_db()
        return _page(request, campaign, recap, status=409, problem=refusal.message)
    done = _("Version %(number)s is locked: its figures never change again.")
    messages.success(request, done % {"number": recap.number})
    return HttpResponseRedirect(recap_url(campaign, recap.number))


@require_POST
def learn(request: HttpRequest, campaign_id: int) -> HttpResponse:
    campaign = visible_campaign(request, campaign_id, CHANGE)
    recap = _posted_version(request, campaign)
    text = typed(request, "learnings")
    try:
        recaps.write_learnings(
            recap, text, before=request.POST.get("before", ""), actor=staff_of(request)
        )
    except AppError as refusal:
        recap.refresh_from_db()
        return _page(
            request,
            campaign,
            recap,
            status=409,
            learnings=text,
            learnings_problem=refusal.message,
            standing=recap.learnings if refusal.code == "edited" else "",
        )
    messages.success(request, _("The learnings were saved."))
    return HttpResponseRedirect(recap_url(campaign, recap.number))


@require_GET
def as_pdf(request: HttpRequest, campaign_id: int) -> HttpResponse:
    from reports import pdf  # slow to load, and seldom wanted

    campaign = visible_campaign(request, campaign_id, VIEW)
    recap = version_of(campaign, request)
    response = HttpResponse(pdf.draw(recap, campaign), content_type="application/pdf")
    name = f"recap-{campaign.pk}-v{recap.number}.pdf"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    response["Cache-Control"] = "no-store"
    return response


def _posted_version(request: HttpRequest, campaign: Campaign) -> Recap:
    number = request.POST.get("version", "")
    if not number.isascii() or not number.isdigit() or len(number) > 4:
        raise Http404
    found: Recap | None = campaign.recaps.filter(number=int(number)).first()
    if found is None:
        raise Http404
    return found


def _posted_moment(request: HttpRequest) -> datetime:
    """When the figures on the page were counted; the epoch where nothing sensible came."""
    text = request.POST.get("as_of", "")
    try:
        found = parse_datetime(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        return datetime.fromisoformat("1970-01-01T00:00:00+00:00")
    return found
