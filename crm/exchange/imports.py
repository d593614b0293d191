"""What a person does with an import: upload, assign columns, check, begin, go on."""

from __future__ import annotations

import os
import shutil
import uuid
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

from django.core.files.uploadedfile import TemporaryUploadedFile, UploadedFile
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from core import audit, jobs
from core.errors import AppError, BadInput, NotAllowed
from core.system_settings import get as setting
from crm.exchange import fields, files
from crm.models import Import, ImportProblem, MappingMemory
from crm.naming import printable
from staff.models import OrgUnit, Staff
from wechat.models import Account

PERMISSION = "crm.import_member"
CHECK, RUN = "crm.import_check", "crm.import"
# A file up to this size is checked while the person waits.
SMALL_BYTES = 300_000
State = Import.State


class NotNow(AppError):
    code = "import_not_now"


def kept_for() -> timedelta:
    """How long an uploaded file is kept."""
    return timedelta(days=int(setting("import_file_days")))


def may_import(staff: Staff) -> None:
    """Raises NotAllowed."""
    if not (staff.is_active and staff.has_perm(PERMISSION)):
        raise NotAllowed


def home_of(
    staff: Staff, chosen: OrgUnit | None = None
) -> tuple[OrgUnit, OrgUnit | None]:
    """(data controller, store or None) that an import of this person reaches.

    `chosen`: the controller an administrator who sees all picked. Raises NotAllowed for
    somebody without a place.
    """
    if staff.is_superuser and chosen is not None:
        return chosen, None
    home = staff.org_unit
    if home is None or home.controller is None:
        raise NotAllowed(_("You belong to no org unit, so nothing can be imported."))
    return home.controller, None if home.pk == home.controller_id else home


@transaction.atomic
def upload(
    given: UploadedFile[Any],
    kind: str,
    *,
    actor: Staff,
    controller: OrgUnit | None = None,
) -> Import:
    """Keep the file and find out how it is read. Raises BadFile, NotAllowed."""
    may_import(actor)
    owner, unit = home_of(actor, controller)
    name = printable(os.path.basename(given.name or ""), 200) or "?"
    stored = f"{uuid.uuid4().hex}.dat"
    batch = Import(
        controller=owner,
        org_unit=unit,
        kind=Import.Kind(kind),
        file_name=name,
        stored_as=stored,
        size=given.size or 0,
        created_by=actor,
    )
    batch.path.parent.mkdir(parents=True, exist_ok=True)
    try:
        _store(given, batch.path)
        layout = files.inspect(batch.path)
        batch.layout = layout.as_json()
        batch.mapping, batch.options = _first_mapping(batch, layout.headers, actor)
        batch.save()
    except BaseException:
        files.remove(batch.path)
        raise
    after = {"kind": kind, "size": batch.size}
    audit.record("crm.import.uploaded", batch, actor=actor, after=after, label=name)
    return batch


def _store(given: UploadedFile[Any], path: Path) -> None:
    """Never through memory: a large upload lies on disk already and is moved."""
    if isinstance(given, TemporaryUploadedFile):
        shutil.move(given.temporary_file_path(), path)
        path.chmod(0o600)
        return
    with path.open("wb") as target:
        for block in given.chunks():
            target.write(block)


def _first_mapping(
    batch: Import, headers: tuple[str, ...], actor: Staff
) -> tuple[dict[str, int], dict[str, Any]]:
    """As this person assigned the same headers before; else by their names."""
    kept = MappingMemory.objects.filter(
        staff=actor, kind=batch.kind, headers_digest=fields.digest(headers)
    ).first()
    if kept is None:
        return fields.guess(batch.kind, headers), {}
    return fields.read_mapping(batch.kind, kept.mapping, len(headers)), kept.options


def accounts_of(batch: Import, *, is_wecom: bool) -> list[Account]:
    """Accounts whose ids the importer may bring."""
    rows = Account.objects.visible_to(batch.created_by).filter(
        org_unit__controller_id=batch.controller_id
    )
    return [account for account in rows if account.is_wecom == is_wecom]


@transaction.atomic
def assign(
    batch: Import, mapping: dict[str, Any], options: dict[str, Any], *, actor: Staff
) -> Import:
    """Keep which column is what. Raises NotNow, BadInput naming what lacks."""
    row = _locked(batch, State.UPLOADED, State.CHECKED)
    headers = tuple(row.layout["headers"])
    row.mapping = fields.read_mapping(row.kind, mapping, len(headers))
    row.options = options
    row.state, row.error, row.foreseen = State.UPLOADED, "", {}
    row.save(update_fields=["mapping", "options", "state", "error", "foreseen"])
    ImportProblem.objects.filter(batch=row).delete()
    columns = list(row.mapping.values())
    doubles = {column for column in columns if columns.count(column) > 1}
    if doubles:
        names = ", ".join(headers[column] for column in sorted(doubles))
        raise BadInput(_("A column is assigned twice: %(names)s.") % {"names": names})
    lacking = fields.missing(row.kind, row.mapping)
    if lacking:
        words = "; ".join(str(each) for each in lacking)
        raise BadInput(_("Still to be assigned: %(fields)s.") % {"fields": words})
    MappingMemory.objects.update_or_create(
        staff=actor,
        kind=row.kind,
        headers_digest=fields.digest(headers),
        defaults={"mapping": row.mapping, "options": options},
    )
    return row


def begin_check(batch: Import, *, actor: Staff) -> Import:
    """Check a small file now, a large one as a job. Raises AppError."""
    may_import(actor)
    if batch.size <= SMALL_BYTES:
        from crm.exchange.running import look_ahead

        try:
            look_ahead(batch)
        except AppError as refusal:
            Import.objects.filter(pk=batch.pk).update(error=str(refusal.message))
            raise
        batch.refresh_from_db()
        return batch
    with transaction.atomic():
        row = _locked(batch, State.UPLOADED)
        row.state, row.job = State.CHECKING, _start(CHECK, row, actor)
        row.save(update_fields=["state", "job"])
    return row


@transaction.atomic
def begin(batch: Import, *, actor: Staff) -> Import:
    """Import a checked file, or go on with one that stopped. Raises NotNow."""
    may_import(actor)
    row = _locked(batch, State.CHECKED, State.CANCELLED, State.FAILED)
    if not row.stored_as:
        raise NotNow(_("The file is not there any more: upload it again."))
    if row.rows_total is None:
        raise NotNow(_("Check the file first."))
    row.state, row.error = State.RUNNING, ""
    row.started_at = row.started_at or timezone.now()
    row.finished_at = None
    row.job = _start(RUN, row, actor)
    row.save(update_fields=["state", "error", "started_at", "finished_at", "job"])
    audit.record(
        "crm.import.started",
        row,
        actor=actor,
        after={"kind": row.kind, "rows": row.rows_total, "from": row.rows_done},
        label=row.file_name,
    )
    return row


def _start(kind: str, row: Import, actor: Staff) -> Any:
    label = f"{row.get_kind_display()} · {row.file_name}"[:200]
    return jobs.start(kind, {"import": row.pk}, actor=actor, label=label)


def cancel(batch: Import, *, actor: Staff) -> None:
    """Stop after the chunk under way. Raises AppError when it is over."""
    if batch.job is None:
        raise NotNow(_("Nothing is running."))
    jobs.cancel(batch.job, actor=actor)
    batch.job.refresh_from_db()
    if batch.job.state == batch.job.State.CANCELLED:
        # It had not begun: nobody else will settle the import.
        state = State.UPLOADED if batch.state == State.CHECKING else State.CANCELLED
        Import.objects.filter(pk=batch.pk, state=batch.state).update(state=state)


def settle(batch: Import) -> None:
    """Free an import whose job ended without a word: its worker died, or it failed."""
    job = batch.job
    if not batch.is_busy or job is None or not job.is_over:
        return
    if batch.state == State.CHECKING:
        state = State.UPLOADED
    else:
        is_stopped = job.state == job.State.CANCELLED or job.cancel_requested_at
        state = State.CANCELLED if is_stopped else State.FAILED
    Import.objects.filter(pk=batch.pk, state=batch.state, job=job).update(
        state=state, error=job.error, finished_at=job.finished_at
    )
    batch.refresh_from_db()


@transaction.atomic
def discard(batch: Import, *, actor: Staff) -> None:
    """Forget an upload of which nothing was imported. Raises NotNow."""
    row = _locked(batch, State.UPLOADED, State.CHECKED)
    audit.record("crm.import.discarded", row, actor=actor, label=row.file_name)
    if row.stored_as:  # else its time was over
        transaction.on_commit(partial(files.remove, row.path))
    row.delete()


def _locked(batch: Import, *states: str) -> Import:
    rows = Import.objects.select_for_update(of=("self",))
    row = rows.select_related("created_by", "org_unit", "controller").get(pk=batch.pk)
    if row.state not in states:
        raise NotNow(
            _("This can't be done now: the import is “%(state)s”.")
            % {"state": row.get_state_display()}
        )
    return row
