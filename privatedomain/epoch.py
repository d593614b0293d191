"""Notices that the database is not the one this copy last worked on.

A restored backup has forgotten what was sent after it was made: sending on from it
would send twice. So a mark is kept in the database and in a file outside it, and moves
on at every start and after every backup. When they differ all sending is held until an
administrator has looked and releases it.
"""

from __future__ import annotations

import uuid
from pathlib import Path

from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext as _

from core.models import Instance


def check_and_advance() -> bool:
    """Compare, hold when they differ, and move both marks on; True when held now.

    The file holds the old and the new mark while both are being changed, so that a
    crash in between is not mistaken for a restore.
    """
    instance, is_new = Instance.objects.get_or_create(pk=1)
    path = _path()
    known = path.read_text().split() if path.exists() else []
    # A new database has no one to send to.
    is_restored = not is_new and str(instance.epoch) not in known
    if is_restored:
        hold(_("The database was restored: it does not know what was sent since."))
    _advance(instance)
    return is_restored


def advance() -> None:
    """Move both marks on: whatever was copied until now is recognised as old."""
    _advance(Instance.objects.get(pk=1))


def hold(reason: str) -> None:
    """Hold all sending until an administrator releases it."""
    Instance.objects.filter(pk=1).update(
        sending_held_at=timezone.now(), held_reason=reason[:200]
    )


def _advance(instance: Instance) -> None:
    new = uuid.uuid4()
    _write(f"{instance.epoch}\n{new}\n")
    Instance.objects.filter(pk=1).update(epoch=new)
    _write(f"{new}\n")


def _path() -> Path:
    return Path(settings.DATA_DIR) / "epoch"


def _write(text: str) -> None:
    path = _path()
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(".epoch.part")
    part.write_text(text)
    part.replace(path)
