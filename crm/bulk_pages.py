"""Doing the same to many members: choose, see who is left out, start the job."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods
from unfold.decorators import action

from core.errors import AppError
from core.ids import as_id
from core.job_pages import job_url
from core.pages import console_page
from core.registry import Text
from crm import bulk, segmenting
from crm.errors import BulkTargetGone
from crm.models import Member, Segment, Tag
from crm.tag_pages import FOLLOWING
from staff.models import OrgUnit, Staff
from staff.requests import staff_of

MOST_IDS = 1_000
NEW = "new"


@dataclass(frozen=True)
class Verb:
    """An address below /admin/crm/member/bulk/; `choose` asks for the target."""

    name: str
    action: type[bulk.Action]
    choose: Text


VERBS = {
    verb.name: verb
    for verb in (
        Verb("tag", bulk.AddTag, gettext_lazy("Choose a tag")),
        Verb("untag", bulk.RemoveTag, gettext_lazy("Choose a tag")),
        Verb("assign", bulk.Assign, gettext_lazy("Choose a colleague")),
        Verb("list", bulk.AddToList, gettext_lazy("Choose a list")),
    )
}


@dataclass(frozen=True)
class Asked:
    """What the address says: who, and in whose look of the list they stand."""

    ids: list[int]
    look: str
    is_all: bool

    @property
    def selection(self) -> bulk.Selection:
        return {"query": self.look} if self.is_all else {"ids": self.ids}


class BulkActions:
    """Mixed into the member list: each action leads to its page with the selection."""

    actions = ("tag_selected", "untag_selected", "assign_selected", "list_selected")

    def has_tag_permission(self, request: HttpRequest) -> bool:
        return _may(request, bulk.AddTag)

    def has_assign_permission(self, request: HttpRequest) -> bool:
        return _may(request, bulk.Assign)

    def has_list_permission(self, request: HttpRequest) -> bool:
        return _may(request, bulk.AddToList)

    @action(description=gettext_lazy("Add a tag"), permissions=["tag"])  # type: ignore[untyped-decorator]
    def tag_selected(
        self, request: HttpRequest, queryset: QuerySet[Member]
    ) -> HttpResponse:
        return _lead_to("tag", request)

    @action(description=gettext_lazy("Remove a tag"), permissions=["tag"])  # type: ignore[untyped-decorator]
    def untag_selected(
        self, request: HttpRequest, queryset: QuerySet[Member]
    ) -> HttpResponse:
        return _lead_to("untag", request)

    @action(description=gettext_lazy("Assign an owner"), permissions=["assign"])  # type: ignore[untyped-decorator]
    def assign_selected(
        self, request: HttpRequest, queryset: QuerySet[Member]
    ) -> HttpResponse:
        return _lead_to("assign", request)

    @action(description=gettext_lazy("Add to a list"), permissions=["list"])  # type: ignore[untyped-decorator]
    def list_selected(
        self, request: HttpRequest, queryset: QuerySet[Member]
    ) -> HttpResponse:
        return _lead_to("list", request)


def _may(request: HttpRequest, what: type[bulk.Action]) -> bool:
    return staff_of(request).has_perm(what.permission)


def _lead_to(name: str, request: HttpRequest) -> HttpResponse:
    """To the page of the action, which asks and previews before anything happens."""
    given = {
        "ids": ",".join(request.POST.getlist("_selected_action")),
        "look": request.GET.urlencode(),
    }
    if request.POST.get("select_across") == "1":
        given["all"] = "1"
    address = reverse("admin:crm_member_bulk", args=[name])
    return HttpResponseRedirect(f"{address}?{urlencode(given)}")


@require_http_methods(["GET", "HEAD", "POST"])
def show(request: HttpRequest, name: str) -> HttpResponse:
    """The page (GET), its preview alone (GET with `preview`), and the start (POST)."""
    verb = VERBS.get(name)
    if verb is None:
        raise Http404
    staff = staff_of(request)
    if not (staff.has_perm("crm.view_member") and _may(request, verb.action)):
        raise PermissionDenied
    given = request.POST if request.method == "POST" else request.GET
    asked = Asked(
        _ids(given.get("ids", "")), given.get("look", "")[:2_000], "all" in given
    )
    if request.method != "POST":
        return _page(request, verb, asked, given.get("target", ""))
    try:
        target = _target(verb, staff, asked, request)
        job = bulk.start(
            verb.action.kind,
            asked.selection,
            target.pk,
            actor=staff,
            label=f"{verb.action.label} · {target}",
        )
    except AppError as refusal:
        fields = refusal.extra.get("fields") or {}
        words = " ".join(map(str, fields.values())) if isinstance(fields, dict) else ""
        error = words or str(refusal.message)
        return _page(
            request, verb, asked, given.get("target", ""), error=error, status=409
        )
    return HttpResponseRedirect(job_url(job))


def _target(verb: Verb, staff: Staff, asked: Asked, request: HttpRequest) -> Any:
    """The row chosen; a list may be a new one. Raises BulkTargetGone, SegmentRefused."""
    wanted = request.POST.get("target", "")
    if wanted == NEW and verb.action is bulk.AddToList and _may_make_lists(staff):
        return segmenting.create(
            _controller(staff, asked),
            actor=staff,
            name=request.POST.get("name", ""),
            kind=Segment.Kind.LIST,
        )
    found = _chosen(verb, staff, wanted)
    if found is None:
        raise BulkTargetGone(verb.choose)
    return found


def _chosen(verb: Verb, staff: Staff, text: str) -> Any:
    pk = as_id(text)
    return None if pk is None else verb.action.targets(staff).filter(pk=pk).first()


def _may_make_lists(staff: Staff) -> bool:
    return staff.has_perm("crm.add_segment")


def _controller(staff: Staff, asked: Asked) -> OrgUnit:
    """Whose list it becomes: the person's own, else that of the first one selected."""
    if staff.org_unit is not None and staff.org_unit.controller is not None:
        return staff.org_unit.controller
    first = bulk.rows_of(staff, asked.selection).select_related("controller").first()
    if first is None:
        raise BulkTargetGone(_("Nobody is selected."))
    return first.controller


def _list_to_be(staff: Staff, asked: Asked) -> Segment | None:
    """For the preview: a list nobody is on, made when the job is started."""
    try:
        controller = _controller(staff, asked)
    except BulkTargetGone:
        return None
    return Segment(controller=controller, kind=Segment.Kind.LIST)


def _page(
    request: HttpRequest,
    verb: Verb,
    asked: Asked,
    chosen: str,
    *,
    error: str = "",
    status: int = 200,
) -> TemplateResponse:
    staff = staff_of(request)
    target = _chosen(verb, staff, chosen)
    if chosen == NEW and verb.action is bulk.AddToList and _may_make_lists(staff):
        target = _list_to_be(staff, asked)
    context: dict[str, Any] = {
        "verb": verb,
        "label": verb.action.label,
        "asked": asked,
        "chosen": chosen,
        "error": error,
        "new_name": request.POST.get("name", ""),
        "is_following": isinstance(target, Tag) and target.builtin_key in FOLLOWING,
        "preview": bulk.preview(verb.action(target, staff), asked.selection)
        if target is not None
        else None,
    }
    if "preview" in request.GET:
        return TemplateResponse(request, "crm/bulk_preview.html", context)
    context |= {
        "may_make_lists": verb.action is bulk.AddToList and _may_make_lists(staff),
        "choices": _choices(verb, staff),
        "back": f"{reverse('admin:crm_member_changelist')}?{asked.look}",
    }
    page = console_page(
        request,
        "crm/bulk.html",
        title=verb.action.label,
        above=[Member],
        context=context,
        status=status,
    )
    page["Cache-Control"] = "no-store"
    return page


def _choices(verb: Verb, staff: Staff) -> list[tuple[str, list[Any]]]:
    """The targets by group: of tags their group, of colleagues their unit."""
    rows = verb.action.targets(staff)
    groups: dict[str, list[Any]] = {}
    if issubclass(verb.action, bulk.AddTag):
        for tag in rows.order_by("group_id", "pk"):
            groups.setdefault(str(tag.group), []).append(tag)
    elif verb.action is bulk.Assign:
        for colleague in rows.order_by("org_unit__path", "display_name", "pk"):
            groups.setdefault(str(colleague.org_unit), []).append(colleague)
    else:
        groups[""] = list(rows.order_by("name"))
    return list(groups.items())


def _ids(text: str) -> list[int]:
    """The ids of "1,2,3"; what is none is left out, and so is what no page selects."""
    words = text.split(",")[:MOST_IDS]
    ids = (as_id(word) for word in dict.fromkeys(words))
    return [pk for pk in ids if pk is not None]
