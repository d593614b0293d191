"""Who is in a segment, as computed last; of a list also who is put on it and taken off."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from core.errors import AppError
from core.ids import as_id
from core.pages import console_page
from crm import segment_lists
from crm.models import Member, Segment, SegmentMember
from crm.segment_pages import access
from crm.segment_pages.builder import head
from staff.requests import require, staff_of

SHOWN = 50


def show(request: HttpRequest, segment: Segment) -> HttpResponse:
    """Who is in; of a list, people are added and taken off here too."""
    staff = staff_of(request)
    if not staff.has_perm(access.VIEW_MEMBER):
        raise PermissionDenied
    if request.method == "POST":
        require(request, access.CHANGE)
        return _change(request, segment)
    return _page(request, segment)


def _change(request: HttpRequest, segment: Segment) -> HttpResponse:
    staff = staff_of(request)
    text = access.typed(request, "people")
    try:
        if "remove" in request.POST:
            pk = as_id(request.POST["remove"])
            count = segment_lists.remove(segment, [pk] if pk else [], actor=staff)
            words = _("Taken off the list.") if count else _("Nothing was changed.")
            messages.success(request, words)
        else:
            told = segment_lists.add(segment, text, actor=staff)
            if told.unknown:
                return _page(request, segment, told=told, status=422)
            messages.success(request, added_words(told))
    except AppError as refusal:
        return _page(
            request, segment, text=text, error=str(refusal.message), status=422
        )
    return HttpResponseRedirect(reverse("admin:crm_segment_people", args=[segment.pk]))


def added_words(told: segment_lists.Added) -> str:
    """How many were put on the list, and how many were on it already."""
    words = ngettext(
        "%(count)s person was put on the list.",
        "%(count)s people were put on the list.",
        told.added,
    ) % {"count": f"{told.added:,}"}
    if told.already:
        more = _("%(count)s were on it already.") % {"count": f"{told.already:,}"}
        words = f"{words} {more}"
    return words


def _page(
    request: HttpRequest,
    segment: Segment,
    *,
    told: segment_lists.Added | None = None,
    text: str = "",
    error: str = "",
    status: int = 200,
) -> HttpResponse:
    staff = staff_of(request)
    after = as_id(request.GET.get("after")) or 0
    rows = SegmentMember.objects.filter(segment=segment, member__gt=after)
    rows = rows.filter(
        member__in=Member.objects.visible_to(staff).known()
    ).select_related("member__org_unit")
    # By the number the next page begins after: "member" would be in its model's order.
    found = list(rows.order_by("member_id")[: SHOWN + 1])
    context: dict[str, Any] = {
        "rows": [row.member for row in found[:SHOWN]],
        "next": found[SHOWN - 1].member_id if len(found) > SHOWN else None,
        "is_first": not after,
        "is_list": segment.kind == Segment.Kind.LIST,
        "text": "\n".join(told.unknown[:500]) if told else text,
        "told": told,
        "told_words": added_words(told) if told else "",
        "error": error,
        **head(request, segment),
    }
    return console_page(
        request,
        "crm/segment_people.html",
        title=segment.name,
        above=[Segment],
        context=context,
        status=status,
    )
