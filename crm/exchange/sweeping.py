"""Files whose time is over, and imports and exports whose job ended without a word."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.conf import settings
from django.http import QueryDict
from django.utils import timezone

from core import audit
from crm.exchange import exports, imports
from crm.exchange.files import remove
from crm.models import Export, Import
from staff.accounts import system_staff

WRITER = "crm.exchange"
_SEARCHED = r"(^|[?&])q="
# An upload arrives, and a file is written, in less.
STRAY_SECONDS = 86_400
_BATCH = 200
# Folders of DATA_DIR/exchange, and whose rows know the files in them.
_FOLDERS: dict[str, Any] = {"arriving": None, "in": Import, "out": Export}


def sweep() -> None:
    for batch in Import.objects.filter(state__in=["checking", "running"])[:_BATCH]:
        imports.settle(batch)
    for export in Export.objects.filter(state__in=["queued", "running"])[:_BATCH]:
        exports.settle(export)
    refuse_undecided()
    forget_searches()
    remove_uploads()
    expire_exports()
    remove_strays()


def refuse_undecided() -> None:
    """Let go of requests whose time to be approved is over."""
    late = Export.objects.filter(
        state=Export.State.ASKED, approval__expires_at__lte=timezone.now()
    )
    for export in late.order_by("pk")[:_BATCH]:
        exports.let_lapse(export, actor=system_staff(WRITER))


def forget_searches() -> None:
    """Of exports that are over, drop the words searched for: a phone, or a name."""
    open_states = ("asked", "queued", "running")
    over = Export.objects.exclude(state__in=open_states)
    for export in over.filter(asked__query__regex=_SEARCHED).order_by("pk")[:_BATCH]:
        query = QueryDict(export.asked["query"].removeprefix("?"), mutable=True)
        query.pop("q", None)
        asked = {**export.asked, "query": query.urlencode()}
        Export.objects.filter(pk=export.pk).update(asked=asked)


def remove_uploads() -> int:
    """Delete uploads whose time is over; the lists of refused rows stay."""
    resting = Import.objects.filter(
        created_at__lt=timezone.now() - imports.kept_for()
    ).exclude(state__in=["checking", "running"])
    count = 0
    for batch in resting.exclude(stored_as="")[:_BATCH]:
        # First the row: nobody may begin with a file that is being deleted.
        if resting.filter(pk=batch.pk).update(stored_as=""):
            remove(batch.path)
            count += 1
    return count


def remove_strays() -> int:
    """Delete files no row knows: a process died over them, or a backup was restored."""
    before = time.time() - STRAY_SECONDS
    count = 0
    for name, rows in _FOLDERS.items():
        old = {path.name: path for path in _files(name) if _written_at(path) < before}
        if not old:
            continue
        if rows is not None:
            known = rows._default_manager.filter(stored_as__in=old)
            for stored_as in known.values_list("stored_as", flat=True):
                del old[stored_as]
        for path in old.values():
            remove(path)
        count += len(old)
    return count


def _files(name: str) -> Iterator[Path]:
    folder = Path(settings.DATA_DIR) / "exchange" / name
    return folder.iterdir() if folder.is_dir() else iter(())


def _written_at(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return time.time()  # somebody else deleted it


def expire_exports() -> int:
    """Delete files that may not be had any more."""
    count = 0
    for export in Export.objects.outdated()[:_BATCH]:
        # First the row: nobody may be sent a file that is being deleted.
        moved = Export.objects.outdated().filter(pk=export.pk)
        if not moved.update(state=Export.State.EXPIRED):
            continue
        remove(export.path)
        count += 1
        audit.record("crm.export.expired", export, actor=system_staff(WRITER))
    return count
