"""The page of one segment: its rule as sentences, who it means now, and its name."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _

from core.errors import AppError
from core.pages import console_page
from crm import segment_states, segment_uses, segmenting
from crm.models import Segment
from crm.segment_pages import access, drawing, looks
from crm.segments import sentences
from crm.segments.errors import SegmentChanged, SegmentInvalid
from staff.models import OrgUnit, Staff
from staff.requests import require, staff_of

Kind = Segment.Kind
# With what the first segment is shown how a rule is written.
SAMPLE = {
    "all": [
        {"on": "seen", "is": "within", "days": 30},
        {
            "on": "orders",
            "within_days": 90,
            "measure": "count",
            "is": "gte",
            "value": 2,
        },
        {"not": {"on": "consent", "purpose": "marketing", "is": "withdrawn"}},
    ]
}


def address(segment: Segment) -> str:
    """The page of a segment."""
    return reverse("admin:crm_segment_change", args=[segment.pk])


@dataclass
class Draft:
    """What the form says, kept as it was typed; `errors` by field, `problems` by path."""

    name: str = ""
    description: str = ""
    org_unit: OrgUnit | None = None
    rule: Any = None
    errors: dict[str, str] = field(default_factory=dict)
    problems: list[tuple[str, str]] = field(default_factory=list)
    conflict: dict[str, Any] | None = None

    @property
    def status(self) -> int:
        if self.conflict:
            return 409
        return 422 if self.errors or self.problems else 200


# -- new


def add(request: HttpRequest) -> HttpResponse:
    """A new segment or list; sent, it is made, or shown again with what is wrong."""
    staff = require(request, access.ADD)
    given = request.POST.get("controller") or request.GET.get("controller", "")
    controller = access.controller_of(staff, given or looks.controller_in(request))
    if controller is None:
        raise PermissionDenied
    kind = request.POST.get("kind") or request.GET.get("kind", "")
    kind = Kind.LIST if kind == Kind.LIST else Kind.DYNAMIC
    try:
        look = looks.taken(request, controller)
    except looks.NotALook as refusal:
        return looks.back(request, refusal)
    if request.method == "POST":
        draft = _typed(request, staff, controller, kind)
        made = None
        if not draft.problems:
            made = _create(draft, kind, controller, staff)
        if made is not None:
            page = "people" if kind == Kind.LIST else "change"
            messages.success(
                request,
                _("Saved.")
                if kind == Kind.LIST
                else _("Saved. The members are being counted anew."),
            )
            return HttpResponseRedirect(
                reverse(f"admin:crm_segment_{page}", args=[made.pk])
            )
    else:
        draft = _beginning(request, controller, look)
    segment = Segment(controller=controller, kind=kind, owner=staff)
    return _page(request, segment, draft, look)


def _beginning(
    request: HttpRequest, controller: OrgUnit, look: looks.Look | None
) -> Draft:
    home = access.unit_of(staff_of(request), controller, "")
    if look is not None:
        return Draft(org_unit=home, rule=look.rule)
    if "sample" in request.GET:
        return Draft(name=_("Buyers who came back"), org_unit=home, rule=SAMPLE)
    return Draft(org_unit=home, rule={"all": []})


def _create(
    draft: Draft, kind: str, controller: OrgUnit, staff: Staff
) -> Segment | None:
    try:
        made = segmenting.create(
            controller,
            actor=staff,
            name=draft.name,
            description=draft.description,
            kind=kind,
            rule=draft.rule,
            org_unit=draft.org_unit,
        )
    except AppError as refusal:
        _note(draft, refusal)
        return None
    if made.kind == Kind.DYNAMIC:
        segment_states.recompute(made, actor=staff)
    return made


# -- show and save


def show(request: HttpRequest, segment: Segment) -> HttpResponse:
    """The page of a segment; sent, it is saved over what was read (`revision`), or
    shown again with what is wrong, or with what somebody else saved meanwhile.
    """
    staff = staff_of(request)
    if request.method != "POST":
        draft = Draft(
            name=segment.name,
            description=segment.description,
            org_unit=segment.org_unit,
            rule=segment.rule,
        )
        return _page(request, segment, draft)
    require(request, access.CHANGE)
    draft = _typed(request, staff, segment.controller, segment.kind)
    if draft.problems:
        return _page(request, segment, draft)
    if segment.kind != Kind.DYNAMIC:
        draft.rule = segment.rule
    before = segment.version
    try:
        saved = segmenting.update(
            segment,
            access.typed(request, "revision"),
            actor=staff,
            name=draft.name,
            description=draft.description,
            rule=draft.rule,
            org_unit=draft.org_unit,
        )
    except AppError as refusal:
        fresh = access.visible(request, segment.pk)
        _note(draft, refusal, fresh)
        return _page(request, fresh, draft)
    if saved.kind == Kind.DYNAMIC and saved.version != before:
        segment_states.recompute(saved, actor=staff)
        messages.success(request, _("Saved. The members are being counted anew."))
    else:
        messages.success(request, _("Saved."))
    return HttpResponseRedirect(address(saved))


def _typed(request: HttpRequest, staff: Staff, controller: OrgUnit, kind: str) -> Draft:
    draft = Draft(
        name=access.typed(request, "name"),
        description=access.typed(request, "description"),
        org_unit=access.unit_of(staff, controller, request.POST.get("org_unit", "")),
    )
    if kind != Kind.DYNAMIC:
        return draft
    try:
        draft.rule = access.read_json(access.typed(request, "rule"))
    except AppError:
        draft.rule = None
    if draft.rule is None:  # not {}: everybody must be said, not left out
        draft.problems = [("", _("The rule can't be read; begin it anew."))]
    return draft


def _note(draft: Draft, refusal: AppError, segment: Segment | None = None) -> None:
    """What was refused, where the page shows it."""
    if isinstance(refusal, SegmentInvalid):
        draft.problems = refusal.problems
    elif isinstance(refusal, SegmentChanged) and segment is not None:
        draft.conflict = _conflict(draft, refusal, segment)
    elif "fields" in refusal.extra:
        draft.errors = refusal.extra["fields"]
    else:
        draft.errors = {"": str(refusal.message)}


def _conflict(draft: Draft, refusal: AppError, segment: Segment) -> dict[str, Any]:
    """Who saved meanwhile, and how theirs differs from what stands on this page."""
    names = sentences.names_in([segment.rule, draft.rule], [segment.controller_id])
    return {
        "words": str(refusal.message),
        "last": segmenting.last_change(segment),
        "lines": sentences.difference(segment.rule, draft.rule, names),
        "is_other_rule": segment.rule != draft.rule,
        "name": segment.name if segment.name != draft.name else "",
    }


def _page(
    request: HttpRequest,
    segment: Segment,
    draft: Draft,
    look: looks.Look | None = None,
) -> TemplateResponse:
    staff = staff_of(request)
    is_new = segment.pk is None
    may_edit = staff.has_perm(access.ADD if is_new else access.CHANGE)
    may_edit = may_edit and segment.archived_at is None
    names = sentences.names_in([segment.rule], [segment.controller_id])
    titles = {Kind.LIST: _("New list"), Kind.DYNAMIC: _("New segment")}
    return console_page(
        request,
        "crm/segment.html",
        title=titles[Kind(segment.kind)] if is_new else segment.name,
        above=[Segment],
        context={
            "segment": segment,
            "draft": draft,
            "is_new": is_new,
            "look": look,
            "may_edit": may_edit,
            "has_rule": segment.kind == Kind.DYNAMIC,
            "revision": "" if is_new else segmenting.revision_of(segment),
            "units": access.units(staff, segment.controller) if may_edit else [],
            "may_be_everybody": access.unit_of(staff, segment.controller, "") is None,
            "controllers": access.controllers(staff) if is_new else [],
            "lines": sentences.outline(segment.rule, names),
            "may_see_members": staff.has_perm(access.VIEW_MEMBER),
            "settings": _settings(segment, draft, staff, may_edit=may_edit),
            "uses": [] if is_new else segment_uses.of(segment, staff),
            **({} if is_new else head(request, segment)),
        },
        status=draft.status,
    )


def _settings(
    segment: Segment, draft: Draft, staff: Staff, *, may_edit: bool
) -> dict[str, Any]:
    if segment.kind == Kind.LIST:
        return {}
    rule = draft.rule if isinstance(draft.rule, dict) else {"all": []}
    is_drawn = may_edit and segment.kind == Kind.DYNAMIC
    return {
        "rule": rule,
        "segment": segment.pk,
        "controller": segment.controller_id,
        "org_unit": segment.org_unit_id or "",
        **(drawing.catalogue(segment.controller, staff) if is_drawn else {}),
        "names": drawing.names(rule, segment.controller),
        "words": drawing.words(),
        "problems": [list(each) for each in draft.problems],
        "urls": {
            name: reverse(f"admin:crm_segment_{name}")
            for name in ("estimate", "why", "options")
        },
    }


def head(request: HttpRequest, segment: Segment) -> dict[str, Any]:
    """What stands above every page of a segment."""
    staff = staff_of(request)
    return {
        "segment": segment,
        "state": segment_states.of([segment])[segment.pk],
        "may_change": staff.has_perm(access.CHANGE),
        "may_add": staff.has_perm(access.ADD),
        "may_see_members": staff.has_perm(access.VIEW_MEMBER),
        "revision": segmenting.revision_of(segment),
    }
