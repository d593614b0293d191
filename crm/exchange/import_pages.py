"""Imports where people meet them: upload, columns, check, run, what was refused."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Q
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseRedirect,
    StreamingHttpResponse,
)
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from core.errors import AppError, NotAllowed
from core.pages import console_page
from crm.exchange import fields, imports, reasons, sheets
from crm.exchange.files import Layout
from crm.exchange.reading import open_rows
from crm.models import Category, Import, ImportProblem, TagGroup
from staff.models import OrgUnit, Staff
from staff.requests import require

State = Import.State
SAMPLE_ROWS = 5
SHOWN_PROBLEMS = 100
SHOWN_IMPORTS = 100
_TONES = {
    State.UPLOADED: "idle",
    State.CHECKING: "part",
    State.CHECKED: "next",
    State.RUNNING: "part",
    State.DONE: "done",
    State.CANCELLED: "idle",
    State.FAILED: "bad",
}


def _staff(request: HttpRequest) -> Staff:
    return require(request, imports.PERMISSION)


def _batch(request: HttpRequest, import_id: int) -> Import:
    rows = Import.objects.visible_to(_staff(request))
    rows = rows.select_related("job", "created_by", "org_unit", "controller")
    batch = get_object_or_404(rows, pk=import_id)
    imports.settle(batch)
    return batch


# -- the list, and the upload


def home(request: HttpRequest) -> HttpResponse:
    """All imports of one's scope, and the form for the next one."""
    staff = _staff(request)
    error = ""
    if request.method == "POST":
        try:
            batch = _upload(request, staff)
        except NotAllowed as refusal:
            raise PermissionDenied(str(refusal.message)) from refusal
        except AppError as refusal:
            error = str(refusal.message)
        else:
            return HttpResponseRedirect(reverse("admin:crm_import", args=[batch.pk]))
    rows = Import.objects.visible_to(staff).select_related("created_by", "job")
    return console_page(
        request,
        "crm/imports.html",
        title=_("Imports"),
        lead=_("Members, tags and orders from CSV or XLSX, checked before anything is written."),
        context={
            "rows": [(row, _TONES[State(row.state)]) for row in rows[:SHOWN_IMPORTS]],
            "kinds": Import.Kind.choices,
            "chosen_kind": request.POST.get("kind", Import.Kind.MEMBERS),
            "controllers": _controllers(staff),
            "chosen_controller": request.POST.get("controller", ""),
            "days": imports.kept_for().days,
            "error": error,
        },
        status=409 if error else 200,
    )  # fmt: skip


def _controllers(staff: Staff) -> list[OrgUnit]:
    """Who sees all says whose members they are; everybody else's are their own's."""
    if not staff.is_superuser:
        return []
    rows = OrgUnit.objects.filter(is_active=True).select_related("controller")
    found = {unit.controller_id: unit.controller for unit in rows if unit.controller}
    return sorted(found.values(), key=lambda unit: unit.path)


def _upload(request: HttpRequest, staff: Staff) -> Import:
    given = request.FILES.get("file")
    size = request.META.get("CONTENT_LENGTH") or "0"
    if given is None and size.isdigit() and int(size) > settings.MAX_UPLOAD_BYTES:
        raise AppError(_("The file is larger than 200 MB."))
    if given is None or isinstance(given, list):
        raise AppError(_("Choose a file."))
    kind = request.POST.get("kind", "")
    if kind not in Import.Kind.values:
        raise AppError(_("Choose what the file holds."))
    controller = None
    controllers = {str(unit.pk): unit for unit in _controllers(staff)}
    if controllers:
        controller = controllers.get(request.POST.get("controller", ""))
        if controller is None and staff.org_unit is not None:
            controller = staff.org_unit.controller
        if controller is None:
            raise AppError(_("Choose whose members they are."))
    return imports.upload(given, kind, actor=staff, controller=controller)


# -- one import


@require_safe
def show(request: HttpRequest, import_id: int) -> TemplateResponse:
    batch = _batch(request, import_id)
    return _page(request, batch)


def _page(
    request: HttpRequest, batch: Import, *, error: str = "", status: int = 200
) -> TemplateResponse:
    is_assigning = batch.state == State.UPLOADED
    is_asked = batch.state == State.CHECKED and "columns" in request.GET
    state = _state_context(batch, _staff(request))
    context = {
        **state,
        "error": error or batch.error,
        "file_goes_at": batch.created_at + imports.kept_for(),
    }
    if state["may_act"] and (is_assigning or is_asked):
        context |= _columns_context(request, batch)
    return console_page(
        request,
        "crm/import.html",
        title=_("Import: %(file)s") % {"file": batch.file_name},
        above=[(_("Imports"), reverse("admin:crm_imports"))],
        lead=str(batch.get_kind_display()),
        context=context,
        status=status,
    )


@require_safe
def progress(request: HttpRequest, import_id: int) -> TemplateResponse:
    """The part that changes; the open page asks until the import is at rest."""
    batch = _batch(request, import_id)
    context = _state_context(batch, _staff(request))
    response = TemplateResponse(request, "crm/import_state.html", context)
    if not batch.is_busy:
        response["HX-Refresh"] = "true"
    return response


def _may_act(batch: Import, staff: Staff) -> bool:
    """Whoever brought the file decides what becomes of it."""
    return staff.is_superuser or batch.created_by_id == staff.pk


def _state_context(batch: Import, staff: Staff) -> dict[str, Any]:
    is_check = batch.state == State.CHECKED
    counts = batch.foreseen if is_check else batch.counts
    problems = ImportProblem.objects.filter(batch=batch, is_check=is_check)
    shown = list(problems[:SHOWN_PROBLEMS])
    by_reason: list[Any] = []
    if shown and not batch.is_busy:
        totals = problems.values("code", "is_refusal").annotate(count=Count("id"))
        by_reason = [
            (_bare_words(each["code"]), each["count"], each["is_refusal"])
            for each in totals.order_by("-count")[:10]
        ]
    return {
        "batch": batch,
        "may_act": _may_act(batch, staff),
        "layout": Layout.of(batch.layout),
        "tone": _TONES[State(batch.state)],
        "figures": [
            (label, counts.get(name, 0), name)
            for name, label in _figures(batch.kind)
            if counts.get(name) or name in ("new", "known", "refused")
        ],
        "is_check": is_check,
        "problems": [
            (each, reasons.words(each.code, each.params)) for each in shown
        ],
        "more_problems": len(shown) == SHOWN_PROBLEMS,
        "by_reason": by_reason,
        "lines": [(line, _outcome(what)) for line, what in batch.foreseen.get("lines", [])]
        if is_check
        else [],
        "rate": _rate(batch),
    }  # fmt: skip


def _bare_words(code: str) -> str:
    """The words of a reason whatever it is about."""
    text = str(reasons.WORDS.get(code, code))
    return text.replace("%(tag)s", "…").replace("%(line)s", "…").replace(
        "%(found)s", "…"
    ).replace("%(wanted)s", "…")  # fmt: skip


def _figures(kind: str) -> tuple[tuple[str, str], ...]:
    if kind == Import.Kind.ORDERS:
        names = (("new", _("new orders")), ("known", _("known orders")))
        more: tuple[tuple[str, str], ...] = (("item", _("further items")),)
    else:
        names = (("new", _("new members")), ("known", _("known members")))
        more = ()
    return (
        *names,
        *more,
        ("double", _("double in the file")),
        ("refused", _("refused rows")),
    )


def _outcome(what: str) -> str:
    words = {
        "new": _("becomes new"),
        "known": _("is known, and completed"),
        "double": _("double in the file, joined"),
        "item": _("a further item"),
        "refused": _("refused"),
    }
    return words.get(what, what)


def _rate(batch: Import) -> int | None:
    """Rows a second of the job at hand; None before there is one."""
    job = batch.job
    if batch.state != State.RUNNING or job is None or job.started_at is None:
        return None
    seconds = (timezone.now() - job.started_at).total_seconds()
    return int(batch.rows_done / seconds) if seconds > 1 and batch.rows_done else None


# -- columns


def _columns_context(request: HttpRequest, batch: Import) -> dict[str, Any]:
    layout = Layout.of(batch.layout)
    chosen = {number: name for name, number in batch.mapping.items()}
    if request.method == "POST":
        chosen = {
            number: request.POST.get(f"c{number}", "")
            for number in range(len(layout.headers))
        }
    # In clear only for whoever holds the file anyway.
    is_own = batch.created_by_id == _staff(request).pk
    sample = _sample(batch, layout) if is_own else []
    known = fields.FIELDS[batch.kind]
    options = _read_options(request) if request.method == "POST" else batch.options
    return {
        "columns": [
            {
                "number": number,
                "header": header or _("(no name)"),
                "chosen": chosen.get(number, ""),
                "sample": [row[number] for row in sample if number < len(row)],
            }
            for number, header in enumerate(layout.headers)
        ],
        "fields": known,
        "needs_identity": batch.kind != Import.Kind.ORDERS,
        "options": options,
        "accounts": imports.accounts_of(batch, is_wecom=False),
        "wecom_accounts": imports.accounts_of(batch, is_wecom=True),
        "tag_groups": _of_batch(TagGroup, batch)
        if batch.created_by.has_perm("crm.add_tag")
        else [],
        "categories": _of_batch(Category, batch)
        if batch.kind == Import.Kind.ORDERS
        else [],
    }


def _of_batch(model: Any, batch: Import) -> Any:
    """Rows the importer sees that count in the data controller the import is for."""
    rows = model.objects.visible_to(batch.created_by)
    return rows.of_controller(batch.controller_id)


def _sample(batch: Import, layout: Layout) -> list[list[str]]:
    if not batch.stored_as:
        return []
    try:
        with open_rows(batch.path, layout) as rows:
            return [
                [cell[:60] for cell in row.cells]
                for row in islice(rows, 1, 1 + SAMPLE_ROWS)
            ]
    except (AppError, FileNotFoundError):
        return []


def _read_options(request: HttpRequest) -> dict[str, Any]:
    given = request.POST
    options: dict[str, Any] = {
        "overwrite": given.get("overwrite") == "on",
        "create_tags": given.get("create_tags") == "on",
        "shop": " ".join(given.get("shop", "").split())[:40],
    }
    for name in ("account", "wecom_account", "tag_group", "category"):
        text = given.get(name, "")
        options[name] = int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None  # fmt: skip
    return options


def _allowed_options(batch: Import, staff: Staff, options: dict[str, Any]) -> None:
    """Raises Http404 for rows of others."""
    accounts = {each.pk for each in imports.accounts_of(batch, is_wecom=False)}
    wecom = {each.pk for each in imports.accounts_of(batch, is_wecom=True)}
    is_foreign = (
        options["account"] not in {None, *accounts}
        or options["wecom_account"] not in {None, *wecom}
        or (
            options["tag_group"]
            and not _of_batch(TagGroup, batch).filter(pk=options["tag_group"])
        )
        or (
            options["category"]
            and not _of_batch(Category, batch).filter(pk=options["category"])
        )
    )
    if is_foreign:
        raise Http404
    if options["create_tags"] and not staff.has_perm("crm.add_tag"):
        raise PermissionDenied


def _posted_mapping(request: HttpRequest, batch: Import) -> dict[str, int]:
    mapping: dict[str, int] = {}
    doubles = []
    for number in range(len(batch.layout["headers"])):
        name = request.POST.get(f"c{number}", "")
        if name and name in mapping:
            doubles.append(name)
        elif name:
            mapping[name] = number
    if doubles:
        labels = {each.name: each.label for each in fields.FIELDS[batch.kind]}
        words = ", ".join(str(labels.get(name, name)) for name in doubles)
        raise AppError(
            _("Two columns were assigned to the same: %(fields)s.") % {"fields": words}
        )
    return mapping


# -- acts


@require_POST
def act(request: HttpRequest, import_id: int) -> HttpResponse:
    staff, batch = _staff(request), _batch(request, import_id)
    if not _may_act(batch, staff):
        raise PermissionDenied
    wanted = request.POST.get("act", "")
    try:
        if wanted == "assign":
            options = _read_options(request)
            _allowed_options(batch, staff, options)
            mapping = _posted_mapping(request, batch)
            row = imports.assign(batch, mapping, options, actor=staff)
            imports.begin_check(row, actor=staff)
        elif wanted == "begin":
            imports.begin(batch, actor=staff)
        elif wanted == "cancel":
            imports.cancel(batch, actor=staff)
        elif wanted == "discard":
            imports.discard(batch, actor=staff)
            messages.success(request, _("The upload was discarded."))
            return HttpResponseRedirect(reverse("admin:crm_imports"))
        else:
            raise Http404
    except AppError as refusal:
        if wanted == "assign":
            batch.refresh_from_db()
            return _page(request, batch, error=str(refusal.message), status=409)
        messages.error(request, str(refusal.message))
    return HttpResponseRedirect(reverse("admin:crm_import", args=[batch.pk]))


@require_safe
def problems_file(request: HttpRequest, import_id: int) -> StreamingHttpResponse:
    """Every refused row with line, column and reason, as CSV."""
    batch = _batch(request, import_id)
    is_check = batch.state in (State.CHECKED, State.UPLOADED)
    response = StreamingHttpResponse(
        _problem_lines(batch, is_check=is_check), content_type="text/csv; charset=utf-8"
    )
    name = f"import-{batch.pk}-problems.csv"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    response["Cache-Control"] = "no-store"
    return response


def _problem_lines(batch: Import, *, is_check: bool) -> Iterator[str]:
    yield "\ufeff" + _csv_line(_("line"), _("column"), _("result"), _("reason"))
    last = Q()
    while True:
        rows = ImportProblem.objects.filter(last, batch=batch, is_check=is_check)
        found = list(rows.order_by("line", "id")[:2000])
        for each in found:
            result = _("refused") if each.is_refusal else _("applied with a doubt")
            words = reasons.words(each.code, each.params)
            yield _csv_line(each.line, each.column, result, words)
        if len(found) < 2000:
            return
        end = found[-1]
        last = Q(line__gt=end.line) | Q(line=end.line, pk__gt=end.pk)


def _csv_line(*cells: Any) -> str:
    texts = [str(sheets.safe(cell)).replace('"', '""') for cell in cells]
    return ",".join(f'"{text}"' for text in texts) + "\r\n"


URLS = (
    ("crm/imports/", home, "crm_imports"),
    ("crm/imports/<int:import_id>/", show, "crm_import"),
    ("crm/imports/<int:import_id>/progress/", progress, "crm_import_progress"),
    ("crm/imports/<int:import_id>/do/", act, "crm_import_act"),
    ("crm/imports/<int:import_id>/problems.csv", problems_file, "crm_import_problems"),
)
