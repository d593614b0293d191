"""Void snapshots leave the ledger piece by piece, in the background.

Whoever changes a touch of a million people must not wait for a million deletions. The
change marks the snapshot void (campaigns.snapshots.drop) and answers; from then on its
rows count nowhere. Each piece is one transaction on the locked row of the touch, so any
number of processes may be at it, and who dies leaves the rest to the next.
"""

from __future__ import annotations

import logging
import time

from django.db import transaction

from campaigns import snapshots
from campaigns.models import Touch
from core import sweep

logger = logging.getLogger(__name__)

# Half a second or so: somebody who wants to write to the touch waits no longer.
PIECE = 20_000
SECONDS = 20.0


def register() -> None:
    """Called once, in AppConfig.ready()."""
    sweep.register("campaigns.clearing", drain)


def drain(seconds: float = SECONDS) -> int:
    """Clear what is void for at most `seconds`; rows deleted."""
    deadline = time.monotonic() + seconds
    void = Touch.objects.exclude(clearing_since=None).order_by("clearing_since")
    deleted = 0
    for pk in list(void.values_list("pk", flat=True)[:50]):
        while time.monotonic() < deadline:
            count = _safely(pk)
            if not count:
                break
            deleted += count
    return deleted


def _safely(pk: int) -> int:
    try:
        return clear(pk)
    except Exception:
        # The other touches are independent; this one is looked at again next time.
        logger.exception("The void snapshot of touch %s could not be cleared", pk)
        return 0


def clear(pk: int, *, is_waiting: bool = False) -> int:
    """One piece of one touch; how many rows were deleted, 0 when there is nothing to do.

    0 also where somebody holds the touch, unless `is_waiting`, or all that is left.
    """
    rows = Touch.objects.exclude(clearing_since=None)
    rows = rows.select_for_update(no_key=True, skip_locked=not is_waiting)
    with transaction.atomic():
        touch = rows.filter(pk=pk).first()
        if touch is None:
            return 0
        deleted = snapshots.delete_some(touch, PIECE)
        if snapshots.forget_tallies(touch):
            touch.clearing_since = None
            touch.save(update_fields=["clearing_since"])
    return deleted
