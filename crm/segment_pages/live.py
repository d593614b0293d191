"""What the builder asks while a rule is written: how many, why somebody is in, names.

Each takes and answers JSON. Any JSON is a valid question: a rule that can't be used is
answered with its problems, never with an error page.
"""

from __future__ import annotations

from typing import Any

from django.core.exceptions import BadRequest, PermissionDenied
from django.db.models import Q
from django.http import HttpRequest, JsonResponse
from django.template.loader import render_to_string
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET, require_POST

from core.errors import AppError
from core.ids import as_id
from core.registry import Text
from core.templatetags.console import grouped
from crm import members, segments
from crm.models import Member, Segment
from crm.segment_pages import access, explaining
from crm.segments import Node, SegmentInvalid
from crm.segments.references import ROWS
from staff.models import OrgUnit, Staff
from staff.requests import require

OPTIONS = 30
CANDIDATES = 10
# Why somebody a rule means can't be addressed (crm.segments.estimate).
REASONS: dict[str, Text] = {
    "complaint": gettext_lazy("marketing frozen after a complaint"),
    "test_account": gettext_lazy("carry a tag that stops marketing"),
    "opted_out": gettext_lazy("opted out"),
    "no_personalisation": gettext_lazy("want no personalisation"),
    "unreachable": gettext_lazy("not reachable"),
}


@require_POST
def estimate(request: HttpRequest) -> JsonResponse:
    """Who the rule of the open page means now."""
    staff = require(request, access.VIEW)
    given, controller = _asked(request, staff)
    unit = access.unit_of(staff, controller, given.get("org_unit"))
    try:
        node = _node(given, controller)
        found = segments.estimate(node, controller, staff, unit=unit)
    except SegmentInvalid as refusal:
        words = _("Fill in the marked conditions; then it is counted.")
        problems = [list(each) for each in refusal.problems]
        return JsonResponse({"problems": problems, "words": words})
    context = {
        "found": found,
        "share": share_words(found.share),
        "reachable": share_words(found.sendable / found.total if found.total else None),
        "excluded": [
            (REASONS.get(code, code), count) for code, count in found.excluded.items()
        ],
        "may_see_members": staff.has_perm(access.VIEW_MEMBER),
    }
    return JsonResponse(
        {
            "html": render_to_string("crm/segment_reach.html", context, request),
            "words": "",
            "change": _change(given, found.total, found.is_exact, staff),
        }
    )


def share_words(share: float | None) -> str:
    """4.4 %; "" when there is nobody to compare with."""
    return "" if share is None else f"{share * 100:.1f} %"


def _change(given: dict[str, Any], total: int, is_exact: bool, staff: Staff) -> str:
    """What saving does to the count; "" for a new segment."""
    pk = as_id(given.get("segment"))
    saved = None if pk is None else Segment.objects.visible_to(staff).filter(pk=pk)
    segment = None if saved is None else saved.first()
    if segment is None or segment.member_count is None:
        return ""
    words = (
        _("%(before)s now → %(after)s")
        if is_exact
        else _("%(before)s now → about %(after)s")
    )
    return words % {
        "before": grouped(segment.member_count),
        "after": grouped(total),
    }


@require_POST
def why(request: HttpRequest) -> JsonResponse:
    """Why a member is in or not in, by the rule of the open page."""
    staff = require(request, access.VIEW)
    if not staff.has_perm(access.VIEW_MEMBER):
        raise PermissionDenied
    given, controller = _asked(request, staff)
    unit = access.unit_of(staff, controller, given.get("org_unit"))
    pk = as_id(given.get("member"))
    if pk is not None:
        rows = Member.objects.visible_to(staff).known().filter(controller=controller)
        found = list(rows.filter(pk=pk))
    else:
        text = str(given.get("text") or "").replace("\0", "").strip()[:80]
        among = Q(controller=controller)
        found = members.look_up(staff, text, CANDIDATES, among=among)
    context: dict[str, Any] = {"candidates": found, "explained": None}
    if len(found) == 1:
        try:
            node = _node(given, controller)
        except SegmentInvalid:
            context["problem"] = _("Fill in the marked conditions first.")
        else:
            context["explained"] = explaining.of(node, found[0], unit=unit)
            context["member"] = found[0]
    html = render_to_string("crm/segment_why.html", context, request)
    return JsonResponse({"html": html})


@require_GET
def options(request: HttpRequest) -> JsonResponse:
    """Rows to choose from: {"results": [[id, words, what it stands under], …]}."""
    staff = require(request, access.VIEW)
    controller = _controller(staff, request.GET.get("controller"))
    of = request.GET.get("of", "")
    text = request.GET.get("q", "").replace("\0", "").strip()[:80]
    if of not in ROWS:
        return JsonResponse({"results": []})
    limit = OPTIONS if text else None
    more = {} if limit is None else {"limit": limit}
    found = segments.options(of, controller, staff, text=text, **more)
    rows = [[row["id"], row["name"], row["group"]] for row in found["rows"]]
    return JsonResponse({"results": rows})


def _asked(request: HttpRequest, staff: Staff) -> tuple[dict[str, Any], OrgUnit]:
    try:
        given = access.read_json(request.body)
    except AppError as error:
        raise BadRequest(str(error)) from error
    if not isinstance(given, dict):
        raise BadRequest("not an object")
    return given, _controller(staff, given.get("controller"))


def _controller(staff: Staff, given: Any) -> OrgUnit:
    controller = access.controller_of(staff, given)
    if controller is None:
        raise PermissionDenied
    return controller


def _node(given: dict[str, Any], controller: OrgUnit) -> Node:
    return segments.parse(
        given.get("rule"),
        controller=controller,
        segment=as_id(given.get("segment")),
    )
