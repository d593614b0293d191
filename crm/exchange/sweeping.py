"""Files whose time is over, and imports and exports whose job ended without a word."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone

from core import audit
from core.system_settings import get as setting
from crm.exchange import exports, imports
from crm.exchange.files import remove
from crm.models import Export, Import
from staff.accounts import system_staff

WRITER = "crm.exchange"
_BATCH = 200


def sweep() -> None:
    for batch in Import.objects.filter(state__in=["checking", "running"])[:_BATCH]:
        imports.settle(batch)
    for export in Export.objects.filter(state__in=["queued", "running"])[:_BATCH]:
        exports.settle(export)
    remove_uploads()
    expire_exports()


def remove_uploads() -> int:
    """Delete uploads nobody needs any more; the lists of refused rows stay."""
    before = timezone.now() - timedelta(days=int(setting("import_file_days")))
    rows = Import.objects.filter(created_at__lt=before).exclude(stored_as="")
    count = 0
    for batch in rows.exclude(state__in=["checking", "running"])[:_BATCH]:
        remove(batch.path)
        count += Import.objects.filter(pk=batch.pk).update(stored_as="")
    return count


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
