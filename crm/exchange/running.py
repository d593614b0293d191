"""Imports as jobs: the whole file checked, then written chunk by chunk.

A chunk's rows, the list of what was refused of it and the place in the file are one
transaction: a worker that dies leaves the import at the end of a chunk, and the next one
goes on there. Of two workers with the same import only the one whose place is current
commits.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any, Protocol

from django.db import (
    DataError,
    IntegrityError,
    OperationalError,
    connection,
    transaction,
)
from django.utils import timezone
from django.utils.translation import gettext as _
from psycopg.errors import DeadlockDetected

from core import audit, jobs
from core.errors import AppError
from crm.exchange.chunks import Again, Context, Outcome
from crm.exchange.fields import digest
from crm.exchange.files import BadFile, Layout
from crm.exchange.imports import home_of, may_import
from crm.exchange.member_rows import MemberRows
from crm.exchange.order_rows import OrderRows
from crm.exchange.reading import Row, open_rows
from crm.exchange.tag_rows import TagRows
from crm.exchange.values import BadCell
from crm.models import Import, ImportProblem

logger = logging.getLogger(__name__)

State = Import.State
CHUNK_ROWS = 4000
# Two chunks of one data controller never run at once: both would make the same people.
_IMPORT_LOCK = 7_301_440
_TRIES = 6
SHOWN_LINES = 20


class Loader(Protocol):
    """Decides rows and, unless they are only checked, writes them."""

    def take(self, rows: Sequence[Row]) -> Outcome: ...

    def forget(self) -> None: ...


LOADERS: dict[str, Callable[[Context], Loader]] = {
    Import.Kind.MEMBERS: MemberRows,
    Import.Kind.TAGS: TagRows,
    Import.Kind.ORDERS: OrderRows,
}


# -- the jobs


def check(progress: jobs.Progress) -> dict[str, Any]:
    """Read the whole file and say what an import of it would do."""
    batch = _batch(progress, State.CHECKING)
    try:
        outcome, rows = _foresee(batch, progress)
    except (AppError, jobs.Cancelled) as refusal:
        _set_back(batch, refusal)
        raise
    Import.objects.filter(pk=batch.pk, state=State.CHECKING).update(
        state=State.CHECKED, rows_total=rows, foreseen=outcome, error=""
    )
    return {
        "rows": rows,
        **{name: outcome[name] for name in outcome if name != "lines"},
    }


def run(progress: jobs.Progress) -> dict[str, Any]:
    """Write what is not written yet of an import; goes on where it stopped."""
    batch = _batch(progress, State.RUNNING)
    progress.total(batch.rows_total or 0)
    progress.step(batch.rows_done)
    try:
        _write_rest(batch, progress)
    except jobs.Cancelled:
        _finish(batch, State.CANCELLED)
        raise
    except AppError as refusal:
        _finish(batch, State.FAILED, error=str(refusal.message))
        raise
    _finish(batch, State.DONE)
    return {"rows": batch.rows_done, **batch.counts}


def _batch(progress: jobs.Progress, state: str) -> Import:
    """The import of the job, when its importer may still do it."""
    rows = Import.objects.select_related("created_by__org_unit", "org_unit")
    batch = rows.filter(pk=progress.params["import"], state=state).first()
    if batch is None:
        raise AppError(_("This import is not waiting for that any more."))
    try:
        may_import(batch.created_by)
        controller, unit = home_of(batch.created_by, batch.controller)
        if (controller.pk, unit and unit.pk) != (
            batch.controller_id,
            batch.org_unit_id,
        ):
            raise AppError(_("You were moved to another unit since: upload it again."))
    except AppError as refusal:
        _finish(batch, State.FAILED, error=str(refusal.message))
        raise
    return batch


# -- looking ahead


def _foresee(
    batch: Import, progress: jobs.Progress | None
) -> tuple[dict[str, Any], int]:
    loader = LOADERS[batch.kind](Context(batch, is_dry=True))
    ImportProblem.objects.filter(batch=batch, is_check=True).delete()
    total: Counter[str] = Counter()
    lines: list[tuple[int, str]] = []
    rows = 0
    for chunk in _chunks(batch, 0, progress):
        outcome = loader.take(chunk)
        rows += len(chunk)
        total += outcome.counts
        lines = (lines + sorted(outcome.lines))[:SHOWN_LINES]
        _list_problems(batch, outcome, is_check=True)
        if progress is not None:
            progress.step(len(chunk))
    if not rows:
        raise BadFile(_("There is no row below the names of the columns."))
    return {**total, "lines": lines}, rows


def look_ahead(batch: Import) -> None:
    """Check a small file at once. Raises AppError, and the import is as before."""
    outcome, rows = _foresee(batch, None)
    # Another tab may have begun the import meanwhile, or assigned other columns.
    same = Import.objects.filter(
        pk=batch.pk,
        state=State.UPLOADED,
        mapping=batch.mapping,
        options=batch.options,
    )
    if not same.update(
        state=State.CHECKED, rows_total=rows, foreseen=outcome, error=""
    ):
        raise AppError(_("This import is not waiting for that any more."))


def _set_back(batch: Import, refusal: Exception) -> None:
    words = str(refusal.message) if isinstance(refusal, AppError) else ""
    Import.objects.filter(pk=batch.pk, state=State.CHECKING).update(
        state=State.UPLOADED, error=words
    )


# -- writing


def _write_rest(batch: Import, progress: jobs.Progress) -> None:
    loader = LOADERS[batch.kind](Context(batch))
    for chunk in _chunks(batch, batch.rows_done, progress):
        commit_chunk(batch, loader, chunk)
        progress.step(len(chunk))


def commit_chunk(batch: Import, loader: Loader, chunk: Sequence[Row]) -> None:
    """Write the chunk and the new place in the file, or nothing. Raises LostJob."""
    for _turn in range(_TRIES):
        try:
            with transaction.atomic():
                _lock(batch)
                outcome = loader.take(chunk)
                _move_on(batch, outcome, len(chunk))
        except OperationalError as error:
            # A deadlock is tried again, a lost server is not.
            loader.forget()
            if not isinstance(error.__cause__, DeadlockDetected):
                raise
        except (Again, IntegrityError):
            # Somebody else wrote one of the people meanwhile: decide anew.
            loader.forget()
        except DataError:
            loader.forget()
            break
        else:
            _advance(batch, outcome, len(chunk))
            return
    if len(chunk) > 1:
        # One row the database will not take must not stop the others.
        half = len(chunk) // 2
        commit_chunk(batch, loader, chunk[:half])
        commit_chunk(batch, loader, chunk[half:])
        return
    logger.warning("Import %s: line %s could not be written", batch.pk, chunk[0].line)
    refused = Outcome()
    refused.refuse(chunk[0].line, BadCell("could_not_write"))
    with transaction.atomic():
        _move_on(batch, refused, 1)
    _advance(batch, refused, 1)


def _advance(batch: Import, outcome: Outcome, count: int) -> None:
    """After the commit: the same in memory."""
    batch.counts = dict(Counter(batch.counts) + outcome.counts)
    batch.rows_done += count


def _lock(batch: Import) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_advisory_xact_lock(%s, %s)", [_IMPORT_LOCK, batch.controller_id]
        )


def _move_on(batch: Import, outcome: Outcome, count: int) -> None:
    """Commit the place with the rows; LostJob when another worker is ahead."""
    counts = dict(Counter(batch.counts) + outcome.counts)
    moved = Import.objects.filter(
        pk=batch.pk, state=State.RUNNING, rows_done=batch.rows_done
    ).update(rows_done=batch.rows_done + count, counts=counts)
    if not moved:
        raise jobs.LostJob
    _list_problems(batch, outcome, is_check=False)


def _list_problems(batch: Import, outcome: Outcome, *, is_check: bool) -> None:
    ImportProblem.objects.bulk_create(
        [
            ImportProblem(
                batch=batch,
                is_check=is_check,
                is_refusal=problem.is_refusal,
                line=problem.line,
                column=problem.column,
                code=problem.code,
                params=problem.params,
            )
            for problem in outcome.problems
        ],
        batch_size=1000,
    )


def _finish(batch: Import, state: str, *, error: str = "") -> None:
    with transaction.atomic():
        moved = Import.objects.filter(
            pk=batch.pk, state__in=[State.CHECKING, State.RUNNING]
        ).update(state=state, error=error, finished_at=timezone.now())
        if moved:
            audit.record(
                f"crm.import.{state}",
                batch,
                actor=batch.created_by,
                after={"kind": batch.kind, "rows": batch.rows_done, **batch.counts},
                label=batch.file_name,
            )


# -- rows


def _chunks(
    batch: Import, skipped: int, progress: jobs.Progress | None
) -> Iterator[list[Row]]:
    """The rows below the headers, those done already left out, some thousand each."""
    layout = Layout.of(batch.layout)
    if not batch.stored_as:
        raise BadFile(_("The file is not there any more: upload it again."))
    try:
        with open_rows(batch.path, layout) as rows:
            _skip(rows, skipped, layout, progress)
            before: list[Row] = []
            for row in rows:
                if len(before) >= CHUNK_ROWS and not _belongs(batch, before[-1], row):
                    yield before
                    before = []
                before.append(row)
            if before:
                yield before
    except FileNotFoundError as error:
        raise BadFile(_("The file is not there any more: upload it again.")) from error


def _skip(
    rows: Iterator[Row], count: int, layout: Layout, progress: jobs.Progress | None
) -> None:
    headers = next(rows, None)
    found = tuple(cell.strip()[:80] for cell in headers.cells) if headers else ()
    if digest(found[: len(layout.headers)]) != digest(layout.headers):
        raise BadFile(_("The file was changed since it was checked."))
    while count > 0:
        passed = len(list(islice(rows, min(count, CHUNK_ROWS))))
        if not passed:
            return
        count -= passed
        if progress is not None:
            progress.step(0)


def _belongs(batch: Import, before: Row, row: Row) -> bool:
    """Rows of one order stay in one chunk."""
    at = batch.mapping.get("code")
    if batch.kind != Import.Kind.ORDERS or at is None:
        return False
    if at >= min(len(before.cells), len(row.cells)):
        return False
    return bool(before.cells[at].strip() == row.cells[at].strip())
