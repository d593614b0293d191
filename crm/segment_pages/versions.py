"""Every rule a segment has had: who changed what, and the way back."""

from __future__ import annotations

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from core.errors import AppError
from core.ids import as_id
from core.pages import console_page
from core.paginators import OpenPaginator
from crm import segment_states, segmenting
from crm.models import Segment
from crm.segment_pages import access
from crm.segment_pages.builder import head
from crm.segments import sentences
from staff.requests import require

SHOWN = 20


def show(request: HttpRequest, segment: Segment) -> HttpResponse:
    """Every version with what it changed in the rule, the newest first."""
    rows = segment.versions.select_related("made_by").order_by("-number")
    paginator: Paginator = OpenPaginator(rows, SHOWN)  # type: ignore[type-arg]
    page = paginator.get_page(request.GET.get("p"))
    found = list(page)
    before = {}
    if found:
        first = found[-1].number
        before = dict(
            segment.versions.filter(number__gte=first - 1).values_list("number", "rule")
        )
    rules = [*before.values(), *(version.rule for version in found)]
    names = sentences.names_in(rules, [segment.controller_id])
    return console_page(
        request,
        "crm/segment_versions.html",
        title=segment.name,
        above=[Segment],
        context={
            "page": page,
            "versions": [
                {
                    "row": version,
                    "summary": sentences.summary(version.rule, names),
                    "lines": sentences.difference(
                        before[version.number - 1], version.rule, names
                    )
                    if version.number - 1 in before
                    else [],
                    "is_newest": version.number == segment.version,
                }
                for version in found
            ],
            **head(request, segment),
        },
    )


@require_POST
def restore(request: HttpRequest, segment: Segment) -> HttpResponse:
    """Make the rule of an earlier version the newest; Http404 without it."""
    staff = require(request, access.CHANGE)
    number = as_id(request.POST.get("number"))
    if number is None or not segment.versions.filter(number=number).exists():
        raise Http404
    try:
        held = segmenting.restore(
            segment, number, access.typed(request, "revision"), actor=staff
        )
    except AppError as refusal:
        messages.error(request, str(refusal.message))
    else:
        if held.version != segment.version:
            segment_states.recompute(held, actor=staff)
        words = _("The rule of version %(number)d holds again.")
        messages.success(request, words % {"number": number})
    return HttpResponseRedirect(
        reverse("admin:crm_segment_versions", args=[segment.pk])
    )
