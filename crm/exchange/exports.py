"""Taking data out: asked for with a reason, approved where it is much, written as a job.

Everything is looked at again when the job runs and whenever the file is fetched: the
person's rights and scope then count, not those of the moment of asking.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from array import array
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

from django.db import models, transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core import audit, jobs
from core.errors import AppError, BadInput, NotAllowed
from core.system_settings import get as setting
from crm.exchange import export_kinds, sheets
from crm.exchange.export_kinds import Column, ExportKind
from crm.exchange.files import remove
from crm.models import Export
from staff.models import Approval, Staff

PERMISSION = "crm.export_member"
APPROVE = "crm.approve_export"
REVEAL = "crm.reveal_member"
JOB = "crm.export"
ACTION = "crm.export.approve"
ASKED_FOR = timedelta(days=7)
LEAST_REASON = 4
_BATCH = 1000
State = Export.State


class ExportGone(AppError):
    code = "export_gone"
    message = gettext_lazy("This file can't be had any more: ask for a new export.")


class SecondPersonNeeded(NotAllowed):
    code = "second_person_needed"
    message = gettext_lazy("Somebody else must approve what you asked for.")


class TooManyRows(BadInput):
    code = "too_many_rows"

    @classmethod
    def of(cls, format: str) -> TooManyRows:
        words = _("More than %(limit)d rows: narrow the selection.")
        if format == Export.Format.XLSX and most_rows(Export.Format.CSV) > most_rows(
            format
        ):
            words = _(
                "A workbook holds %(limit)d rows: narrow the selection, or take CSV."
            )
        return cls(words % {"limit": most_rows(format)})


# -- asking


def kind_of(name: str, staff: Staff) -> ExportKind:
    """Raises NotAllowed, BadInput."""
    kind = export_kinds.kinds.get(name)
    if kind is None:
        raise BadInput(_("This can't be exported."))
    if not (staff.has_perm(PERMISSION) and staff.has_perm(kind.view)):
        raise NotAllowed
    return kind


def estimate(kind: ExportKind, staff: Staff, query: str, limit: int) -> int:
    """How many rows, counted no further than `limit` + 1."""
    return kind.rows(staff, query).order_by()[: limit + 1].count()


def approval_rows() -> int:
    """Above how many rows a second person must agree."""
    return int(setting("export_approval_rows"))


def most_rows(format: str) -> int:
    """How many rows a file of this format may have."""
    limit = int(setting("export_max_rows"))
    return min(limit, sheets.MAX_SHEET_ROWS) if format == Export.Format.XLSX else limit


def _is_past(rows: models.QuerySet[Any], limit: int) -> bool:
    """Whether there are more rows, found without reading them."""
    return rows.order_by("pk")[limit : limit + 1].exists()


@transaction.atomic
def request(
    name: str,
    query: str,
    columns: Sequence[str],
    *,
    actor: Staff,
    reason: str,
    format: str = Export.Format.CSV,
    is_revealing: bool = False,
) -> Export:
    """Ask for a file; begin it, or ask a second person where the rules want one.

    Raises NotAllowed, BadInput (no reason, no column, nothing found), TooManyRows.
    """
    kind = kind_of(name, actor)
    chosen = kind.chosen(columns)
    reason = " ".join(reason.split())
    if len(reason) < LEAST_REASON:
        raise BadInput(_("Say why the file is needed, in a few words."))
    if not chosen:
        raise BadInput(_("Choose at least one column."))
    if format not in Export.Format.values:
        raise BadInput(_("Choose CSV or XLSX."))
    is_revealing = is_revealing and any(column.is_personal for column in chosen)
    if is_revealing and not actor.has_perm(REVEAL):
        raise NotAllowed(_("You may not see phones and real names in clear."))
    limit = approval_rows()
    found = _found(kind, actor, query, format, limit)
    # Who sees every data controller takes out rows of all: nobody's own but theirs.
    home = None if actor.is_superuser else actor.org_unit
    export = Export(
        controller=home.controller if home else None,
        org_unit=home if home and home.pk != home.controller_id else None,
        kind=kind.name,
        asked={"query": query, "columns": [column.name for column in chosen]},
        format=format,
        is_revealing=is_revealing,
        reason=reason[:200],
        requested_by=actor,
    )
    needs_approval = found > limit or is_revealing
    export.state = State.ASKED if needs_approval else State.QUEUED
    export.save()
    _tell_asked(export, kind, reason)
    if needs_approval:
        _ask(export, kind, found, limit)
    else:
        _start(export)
    return export


def _found(kind: ExportKind, actor: Staff, query: str, format: str, limit: int) -> int:
    """As `estimate`; raises BadInput for nobody, TooManyRows for more than a file has."""
    found = estimate(kind, actor, query, limit)
    if not found:
        raise BadInput(_("Nothing to export: no row fits."))
    most = most_rows(format)
    if found > most or (found > limit and _is_past(kind.rows(actor, query), most)):
        raise TooManyRows.of(format)
    return found


def _tell_asked(export: Export, kind: ExportKind, reason: str) -> None:
    after = {"kind": kind.name, "columns": export.asked["columns"]}
    after |= {"revealing": export.is_revealing, "format": export.format}
    audit.record(
        "crm.export.asked",
        export,
        actor=export.requested_by,
        after=after,
        reason=reason,
        label=str(kind.label),
    )


def _ask(export: Export, kind: ExportKind, found: int, limit: int) -> None:
    count = (
        str(found) if found <= limit else _("more than %(count)d") % {"count": limit}
    )
    words = _("Export of %(kind)s, %(count)s rows: %(reason)s") % {
        "kind": kind.label,
        "count": count,
        "reason": export.reason,
    }
    export.approval = Approval.objects.create(
        action=ACTION,
        subject_type=export._meta.label_lower,
        subject_id=str(export.pk),
        summary=words[:300],
        digest=digest_of(export),
        requested_by=export.requested_by,
        reason=export.reason,
        expires_at=timezone.now() + ASKED_FOR,
    )
    export.save(update_fields=["approval"])


def digest_of(export: Export) -> str:
    """What a second person says yes to."""
    covered = [export.pk, export.kind, export.asked, export.format]
    covered += [export.is_revealing, export.reason, export.requested_by_id]
    text = json.dumps(covered, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _start(export: Export) -> None:
    kind = export_kinds.kinds[export.kind]
    export.job = jobs.start(
        JOB,
        {"export": export.pk},
        actor=export.requested_by,
        label=_("Export: %(kind)s") % {"kind": kind.label},
    )
    export.state = State.QUEUED
    export.save(update_fields=["job", "state"])


# -- approving


@transaction.atomic
def decide(export: Export, *, actor: Staff, is_yes: bool, reason: str = "") -> Export:
    """A second person agrees or refuses. Raises NotAllowed, AppError."""
    if not actor.has_perm(APPROVE):
        raise NotAllowed
    row = _locked(export)
    approval = _approval_of(row)
    is_open = approval is not None and approval.state == Approval.State.REQUESTED
    if row.state != State.ASKED or approval is None or not is_open:
        raise AppError(_("This request is settled already."))
    if row.requested_by_id == actor.pk:
        raise SecondPersonNeeded
    if is_yes and row.is_revealing and not actor.has_perm(REVEAL):
        raise NotAllowed(_("You may not see phones and real names in clear."))
    if approval.expires_at <= timezone.now() or approval.digest != digest_of(row):
        _lapse(row, approval)
    elif is_yes:
        approval.state = Approval.State.APPROVED
    else:
        approval.state, row.state = Approval.State.REFUSED, State.REFUSED
        row.error = reason[:500]
    approval.approver, approval.decided_at = actor, timezone.now()
    approval.save(update_fields=["state", "approver", "decided_at"])
    row.save(update_fields=["state", "error"])
    if approval.state == Approval.State.APPROVED:
        _start(row)
    audit.record(
        f"crm.export.{approval.state}",
        row,
        actor=actor,
        reason=reason,
        after={"requested_by": row.requested_by_id},
    )
    return row


def _approval_of(export: Export) -> Approval | None:
    if export.approval_id is None:
        return None
    return Approval.objects.select_for_update().get(pk=export.approval_id)


def _locked(export: Export) -> Export:
    rows = Export.objects.select_for_update(of=("self",))
    return rows.select_related("requested_by").get(pk=export.pk)


def waiting_for(staff: Staff) -> models.QuerySet[Export]:
    """Exports in their scope that somebody else asked for and nobody decided."""
    if not staff.has_perm(APPROVE):
        return Export.objects.none()
    rows = Export.objects.visible_to(staff).filter(state=State.ASKED)
    return rows.exclude(requested_by=staff).select_related("requested_by", "approval")


# -- writing


def run(progress: jobs.Progress) -> dict[str, Any]:
    """Write the file of an export; done again from its start when a worker died."""
    export = Export.objects.select_related("requested_by", "approval").get(
        pk=progress.params["export"]
    )
    moved = Export.objects.filter(pk=export.pk, state__in=[State.QUEUED, State.RUNNING])
    if not moved.update(state=State.RUNNING, stored_as=f"{uuid.uuid4().hex}.dat"):
        raise AppError(_("This export is over already."))
    old = export.path if export.stored_as else None
    export.refresh_from_db()
    if old is not None:
        remove(old)
    try:
        rows = _write(export, progress)
    except jobs.Cancelled:
        _end(export, State.CANCELLED)
        raise
    except AppError as refusal:
        _end(export, State.FAILED, error=str(refusal.message))
        raise
    return {"rows": rows}


def _write(export: Export, progress: jobs.Progress) -> int:
    staff = export.requested_by
    _may_still(export, staff)
    kind = kind_of(export.kind, staff)
    ids = _ids(kind, staff, export)
    columns = kind.chosen(export.asked["columns"])
    progress.total(len(ids))
    mark = sheets.Watermark(
        number=number_of(export),
        who=f"{staff.display_name} ({staff.username})",
        at=timezone.now(),
        reason=export.reason,
        rows=len(ids),
    )
    export.path.parent.mkdir(parents=True, exist_ok=True)
    write = (
        sheets.write_csv if export.format == Export.Format.CSV else sheets.write_xlsx
    )
    headers = [str(column.label) for column in columns] + [_("export number")]
    try:
        write(export.path, headers, _rows(kind, ids, columns, export, progress), mark)
    except BaseException:
        remove(export.path)
        raise
    export.path.chmod(0o600)
    _ready(export, len(ids))
    return len(ids)


def _may_still(export: Export, staff: Staff) -> None:
    if not staff.is_active:
        raise NotAllowed
    if export.is_revealing and not staff.has_perm(REVEAL):
        raise NotAllowed(_("You may not see phones and real names in clear."))
    approval = export.approval
    if approval is not None and (
        approval.state != Approval.State.APPROVED
        or approval.digest != digest_of(export)
    ):
        raise NotAllowed(_("Nobody approved this export."))


def _ids(kind: ExportKind, staff: Staff, export: Export) -> array[int]:
    """Of every row, in the order of age, within the limits. Raises AppError."""
    limit = most_rows(export.format)
    rows = kind.rows(staff, export.asked["query"]).order_by("pk")
    pks = rows.values_list("pk", flat=True)[: limit + 1]
    ids = array("q", pks.iterator(chunk_size=10_000))
    if len(ids) > limit:
        raise TooManyRows.of(export.format)
    if export.approval_id is None and len(ids) > approval_rows():
        raise NotAllowed(_("Meanwhile it is more than may go out without approval."))
    return ids


def _rows(
    kind: ExportKind,
    ids: array[int],
    columns: Sequence[Column],
    export: Export,
    progress: jobs.Progress,
) -> Iterator[list[Any]]:
    number = number_of(export)
    for start in range(0, len(ids), _BATCH):
        some = ids[start : start + _BATCH].tolist()
        # Asked anew: who was purged or moved out of scope meanwhile is not in it.
        rows = kind.rows(export.requested_by, export.asked["query"])
        rows = rows.filter(pk__in=some).order_by("pk")
        for row in kind.prepare(rows):
            yield [column.value(row, export.is_revealing) for column in columns] + [
                number
            ]
        progress.step(len(some))


def number_of(export: Export) -> str:
    return f"E{export.pk}-{export.requested_by.username}"


@transaction.atomic
def _ready(export: Export, rows: int) -> None:
    now = timezone.now()
    days = int(setting("export_file_days"))
    Export.objects.filter(pk=export.pk, state=State.RUNNING).update(
        state=State.READY,
        rows=rows,
        size=export.path.stat().st_size,
        finished_at=now,
        expires_at=now + timedelta(days=days),
    )
    audit.record(
        "crm.export.written",
        export,
        actor=export.requested_by,
        after={"rows": rows, "revealing": export.is_revealing},
        reason=export.reason,
    )


def _end(export: Export, state: str, *, error: str = "") -> None:
    Export.objects.filter(pk=export.pk, state=State.RUNNING).update(
        state=state, error=error, finished_at=timezone.now(), stored_as=""
    )
    remove(export.path)


@transaction.atomic
def let_lapse(export: Export, *, actor: Staff) -> None:
    """Refuse what nobody decided in time, so that nobody goes on waiting for it."""
    row = _locked(export)
    approval = _approval_of(row)
    if row.state != State.ASKED or approval is None:
        return
    _lapse(row, approval)
    approval.save(update_fields=["state"])
    row.save(update_fields=["state", "error"])
    audit.record("crm.export.void", row, actor=actor)


def _lapse(row: Export, approval: Approval) -> None:
    approval.state, row.state = Approval.State.VOID, State.REFUSED
    row.error = _("The time to approve it is over: ask again.")


def settle(export: Export) -> None:
    """Say of an export whose job ended without a word that it failed."""
    job = export.job
    if export.state not in (State.QUEUED, State.RUNNING) or not (job and job.is_over):
        return
    is_stopped = job.state == job.State.CANCELLED
    Export.objects.filter(pk=export.pk, state=export.state, job=job).update(
        state=State.CANCELLED if is_stopped else State.FAILED,
        error=job.error,
        finished_at=job.finished_at,
    )
    export.refresh_from_db()


# -- fetching


def may_fetch(export: Export, staff: Staff) -> bool:
    """Who asked for it, and privacy officers, while they have the rights."""
    kind = export_kinds.kinds.get(export.kind)
    is_own = export.requested_by_id == staff.pk and staff.has_perm(PERMISSION)
    is_own = is_own and (kind is None or staff.has_perm(kind.view))
    if not (is_own or staff.has_perm(APPROVE)):
        return False
    return not export.is_revealing or staff.has_perm(REVEAL)


@transaction.atomic
def fetch(export: Export, *, actor: Staff) -> Export:
    """Note that the file is being taken. Raises NotAllowed, ExportGone."""
    if not may_fetch(export, actor):
        raise NotAllowed
    row = _locked(export)
    is_over = row.expires_at is None or row.expires_at <= timezone.now()
    if row.state != State.READY or is_over or not row.path.is_file():
        raise ExportGone
    row.downloads += 1
    row.save(update_fields=["downloads"])
    audit.record(
        "crm.export.downloaded",
        row,
        actor=actor,
        after={"rows": row.rows, "revealing": row.is_revealing},
        reason=row.reason,
    )
    return row


@transaction.atomic
def withdraw(export: Export, *, actor: Staff) -> None:
    """Delete the file before its time, or take back the request. Raises AppError."""
    row = _locked(export)
    if row.requested_by_id != actor.pk and not actor.has_perm(APPROVE):
        raise NotAllowed
    if row.state == State.ASKED:
        approval = _approval_of(row)
        if approval is not None:
            approval.state = Approval.State.VOID
            approval.save(update_fields=["state"])
        row.state = State.CANCELLED
    elif row.state == State.READY:
        row.state = State.EXPIRED
        transaction.on_commit(lambda: remove(row.path))
    else:
        raise AppError(_("This export is over already."))
    row.save(update_fields=["state"])
    audit.record("crm.export.withdrawn", row, actor=actor)
