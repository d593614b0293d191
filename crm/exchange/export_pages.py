"""Exports where people meet them: asking, approving, fetching."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, urlencode

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import (
    FileResponse,
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseRedirect,
)
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from core.errors import AppError, BadInput, NotAllowed
from core.pages import console_page
from core.system_settings import get as setting
from crm.exchange import export_kinds, exports
from crm.models import Export
from staff.models import Staff
from staff.requests import staff_of

State = Export.State
SHOWN = 100
# Beyond it people only read "more than".
COUNTED = 10_000
_TONES = {
    State.ASKED: "next",
    State.REFUSED: "bad",
    State.QUEUED: "idle",
    State.RUNNING: "part",
    State.READY: "good",
    State.FAILED: "bad",
    State.CANCELLED: "idle",
    State.EXPIRED: "idle",
}


def address(kind: str, query: str = "") -> str:
    """Where the export of a kind is asked for; `query` as its list has it."""
    return f"{reverse('admin:crm_export_new')}?{urlencode({'kind': kind, 'of': query})}"


def _staff(request: HttpRequest) -> Staff:
    staff = staff_of(request)
    if not (staff.has_perm(exports.PERMISSION) or staff.has_perm(exports.APPROVE)):
        raise PermissionDenied
    return staff


def _export(request: HttpRequest, export_id: int) -> Export:
    rows = Export.objects.visible_to(_staff(request))
    return get_object_or_404(rows.select_related("requested_by", "job"), pk=export_id)


@require_safe
def home(request: HttpRequest) -> TemplateResponse:
    staff = _staff(request)
    rows = Export.objects.visible_to(staff).select_related(
        "requested_by", "approval__approver", "job"
    )
    found = list(rows[:SHOWN])
    for row in found:
        exports.settle(row)
    waiting = list(exports.waiting_for(staff)[:SHOWN])
    page = console_page(
        request,
        "crm/exports.html",
        title=_("Exports"),
        lead=_("Every file that left or will leave: who, why, how much, until when."),
        context={
            "waiting": [(row, _columns(row)) for row in waiting],
            "rows": [_shown(row, staff) for row in found if row not in waiting],
            "kinds": _open_kinds(staff),
            "is_busy": any(row.state in ("queued", "running") for row in found),
        },
    )
    page["Cache-Control"] = "no-store"
    return page


def _shown(row: Export, staff: Staff) -> dict[str, Any]:
    can_fetch = row.state == State.READY and exports.may_fetch(row, staff)
    is_own = row.requested_by_id == staff.pk
    return {
        "export": row,
        "label": _label(row),
        "tone": _TONES[State(row.state)],
        "may_fetch": can_fetch,
        "may_withdraw": row.state in (State.ASKED, State.READY)
        and (is_own or staff.has_perm(exports.APPROVE)),
    }


def _label(row: Export) -> str:
    kind = export_kinds.kinds.get(row.kind)
    return str(kind.label) if kind else row.kind


def _columns(row: Export) -> list[str]:
    """What is in the file, for who is to agree to it."""
    kind = export_kinds.kinds.get(row.kind)
    names = row.asked.get("columns", [])
    return [str(column.label) for column in kind.chosen(names)] if kind else names


def _open_kinds(staff: Staff) -> list[export_kinds.ExportKind]:
    if not staff.has_perm(exports.PERMISSION):
        return []
    kinds = sorted(export_kinds.kinds.values(), key=lambda kind: kind.order)
    return [kind for kind in kinds if staff.has_perm(kind.view)]


def new(request: HttpRequest) -> HttpResponse:
    """Ask for a file: what is in it, why, which columns."""
    staff = _staff(request)
    given = request.POST if request.method == "POST" else request.GET
    try:
        kind = exports.kind_of(given.get("kind", "members"), staff)
    except NotAllowed as refusal:
        raise PermissionDenied from refusal
    except BadInput as refusal:
        raise Http404 from refusal
    query, error = given.get("of", ""), ""
    if request.method == "POST":
        try:
            export = _ask(request, kind.name, query, staff)
        except NotAllowed as refusal:
            raise PermissionDenied(str(refusal.message)) from refusal
        except AppError as refusal:
            error = str(refusal.message)
        else:
            messages.success(request, _asked_words(export))
            return HttpResponseRedirect(reverse("admin:crm_exports"))
    return _form(request, kind, query, staff, error)


def _ask(request: HttpRequest, kind: str, query: str, staff: Staff) -> Export:
    return exports.request(
        kind,
        query,
        request.POST.getlist("column"),
        actor=staff,
        reason=request.POST.get("reason", ""),
        format=request.POST.get("format", ""),
        is_revealing=request.POST.get("reveal") == "on",
    )


def _asked_words(export: Export) -> str:
    if export.state == State.ASKED:
        return _("Approval was asked for; the file is written once somebody agrees.")
    return _("The file is being written; it stands here when it is ready.")


def _form(
    request: HttpRequest,
    kind: export_kinds.ExportKind,
    query: str,
    staff: Staff,
    error: str,
) -> TemplateResponse:
    count = exports.estimate(kind, staff, query, COUNTED)
    limit = exports.approval_rows()
    posted = request.POST if request.method == "POST" else None
    chosen = (
        posted.getlist("column")
        if posted is not None
        else [column.name for column in kind.columns if column.is_default]
    )
    return console_page(
        request,
        "crm/export_new.html",
        title=_("Export: %(kind)s") % {"kind": kind.label},
        above=[(_("Exports"), reverse("admin:crm_exports"))],
        context={
            "kind": kind,
            "query": query,
            "count": count,
            "is_more": count > COUNTED,
            "counted": COUNTED,
            "needs_approval": count > limit,
            "limit": limit,
            "chosen": chosen,
            "may_reveal": staff.has_perm(exports.REVEAL)
            and any(column.is_personal for column in kind.columns),
            "reason": posted.get("reason", "") if posted is not None else "",
            "format": posted.get("format", "csv") if posted is not None else "csv",
            "is_revealing": posted is not None and posted.get("reveal") == "on",
            "error": error,
            "days": setting("export_file_days"),
        },
        status=409 if error else 200,
    )


@require_POST
def act(request: HttpRequest, export_id: int) -> HttpResponse:
    staff, export = _staff(request), _export(request, export_id)
    wanted = request.POST.get("act", "")
    try:
        if wanted in ("approve", "refuse"):
            reason = request.POST.get("reason", "").strip()
            if wanted == "refuse" and not reason:
                raise AppError(_("Say why not, for who asked."))
            is_yes = wanted == "approve"
            row = exports.decide(export, actor=staff, is_yes=is_yes, reason=reason)
            messages.success(request, row.get_state_display())
        elif wanted == "withdraw":
            exports.withdraw(export, actor=staff)
            messages.success(request, _("Withdrawn; a file that was there is deleted."))
        else:
            raise Http404
    except exports.SecondPersonNeeded as refusal:
        messages.error(request, str(refusal.message))
    except NotAllowed as refusal:
        raise PermissionDenied(str(refusal.message)) from refusal
    except AppError as refusal:
        messages.error(request, str(refusal.message))
    return HttpResponseRedirect(reverse("admin:crm_exports"))


@require_POST
def fetch(request: HttpRequest, export_id: int) -> HttpResponseBase:
    """The file itself; each time it is taken stands in the trail."""
    staff, export = _staff(request), _export(request, export_id)
    try:
        row = exports.fetch(export, actor=staff)
    except NotAllowed as refusal:
        raise PermissionDenied(str(refusal.message)) from refusal
    except AppError as refusal:
        messages.error(request, str(refusal.message))
        return HttpResponseRedirect(reverse("admin:crm_exports"))
    name = f"{_label(row)}-{export_kinds.today()}-{exports.number_of(row)}.{row.format}"
    response = FileResponse(row.path.open("rb"), content_type=_TYPES[row.format])
    response["Content-Disposition"] = f"attachment; filename*=UTF-8''{quote(name)}"
    response["Cache-Control"] = "no-store"
    response["X-Content-Type-Options"] = "nosniff"
    return response


_TYPES = {
    "csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
URLS = (
    ("crm/exports/", home, "crm_exports"),
    ("crm/exports/new/", new, "crm_export_new"),
    ("crm/exports/<int:export_id>/do/", act, "crm_export_act"),
    ("crm/exports/<int:export_id>/file/", fetch, "crm_export_file"),
)
