"""What is done with a whole segment: computed, fixed, copied, archived."""

from __future__ import annotations

from collections.abc import Callable

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from core.errors import AppError
from core.job_pages import job_url
from crm import segment_states, segmenting
from crm.models import Segment
from crm.segment_pages import access
from staff.models import Staff
from staff.requests import require

# Each returns where to go on.
Act = Callable[[HttpRequest, Segment, Staff], str]


def _here(segment: Segment) -> str:
    return reverse("admin:crm_segment_change", args=[segment.pk])


def _recompute(request: HttpRequest, segment: Segment, staff: Staff) -> str:
    return job_url(segment_states.recompute(segment, actor=staff))


def _freeze(request: HttpRequest, segment: Segment, staff: Staff) -> str:
    segmenting.freeze(segment, access.typed(request, "revision"), actor=staff)
    messages.success(request, _("Who is in stays in from now on."))
    return _here(segment)


def _thaw(request: HttpRequest, segment: Segment, staff: Staff) -> str:
    held = segmenting.thaw(segment, access.typed(request, "revision"), actor=staff)
    segment_states.recompute(held, actor=staff)
    messages.success(request, _("The segment follows its rule again."))
    return _here(segment)


def _copy(request: HttpRequest, segment: Segment, staff: Staff) -> str:
    made = segmenting.copy(segment, actor=staff)
    if made.kind == Segment.Kind.DYNAMIC:
        segment_states.recompute(made, actor=staff)
    messages.success(request, _("This is the copy. Give it a name of its own."))
    return _here(made)


def _archive(request: HttpRequest, segment: Segment, staff: Staff) -> str:
    segmenting.archive(segment, actor=staff)
    messages.success(request, _("Archived: on no list to choose from any more."))
    return _here(segment)


def _bring_back(request: HttpRequest, segment: Segment, staff: Staff) -> str:
    if segmenting.bring_back(segment, actor=staff):
        segment.refresh_from_db()
        if segment.kind == Segment.Kind.DYNAMIC:
            segment_states.recompute(segment, actor=staff)
    messages.success(request, _("Out of the archive again."))
    return _here(segment)


ACTS: dict[str, tuple[str, Act]] = {
    "recompute": (access.CHANGE, _recompute),
    "freeze": (access.CHANGE, _freeze),
    "thaw": (access.CHANGE, _thaw),
    "copy": (access.ADD, _copy),
    "archive": (access.CHANGE, _archive),
    "bring_back": (access.CHANGE, _bring_back),
}


@require_POST
def do(request: HttpRequest, segment: Segment) -> HttpResponse:
    """Do what `act` names (ACTS) and go on; Http404 for any other name."""
    name = request.POST.get("act", "")
    if name not in ACTS:
        raise Http404
    permission, act = ACTS[name]
    staff = require(request, permission)
    try:
        return HttpResponseRedirect(act(request, segment, staff))
    except AppError as refusal:
        messages.error(request, str(refusal.message))
        return HttpResponseRedirect(_here(segment))
