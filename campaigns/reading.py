"""Reading the whole timeline as it grows, each line at least once, none left out.

Ids are given when a line is written and seen when its transaction commits, so a lower id
may appear after a higher one. Lines recorded within OVERLAP are therefore read again;
whoever reads must not mind.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Max, Min
from django.utils import timezone

from campaigns.models import TimelineReader
from crm.models import Event

# Longer than any transaction that writes lines.
OVERLAP = timedelta(minutes=5)
STEP_IDS = 20_000
DRAIN_SECONDS = 20.0

# Handles the lines with `after < id <= until`, inside a transaction.
Handle = Callable[[int, int], None]


def catch_up(
    name: str,
    handle: Handle,
    *,
    is_waiting: bool = False,
    seconds: float = DRAIN_SECONDS,
) -> datetime | None:
    """Give `handle` everything since the last time, in steps of STEP_IDS.

    Returns until when (our clock) the lines are read; None when another reader of the
    same name is at it and `is_waiting` is not set. Ends after `seconds`, unfinished.
    """
    TimelineReader.objects.get_or_create(name=name)
    deadline = time.monotonic() + seconds
    start: int | None = None
    while True:
        with transaction.atomic():
            rows = TimelineReader.objects.select_for_update(skip_locked=not is_waiting)
            reader = rows.filter(name=name).first()
            if reader is None:
                return None
            now = timezone.now()
            start = reader.position if start is None else max(start, reader.position)
            newest = _newest()
            until = min(newest, start + STEP_IDS)
            handle(start, until)
            _move(reader, start, until, now=now, is_complete=until >= newest)
        if until >= newest or time.monotonic() > deadline:
            return reader.read_at
        start = until


def _newest() -> int:
    return int(Event.objects.aggregate(newest=Max("id"))["newest"] or 0)


def _move(
    reader: TimelineReader, start: int, until: int, *, now: datetime, is_complete: bool
) -> None:
    if reader.position == start:
        reader.position = _last_final(start, until, before=now - OVERLAP)
    if is_complete:
        reader.read_at = now
    reader.save(update_fields=["position", "read_at"])


def _last_final(start: int, until: int, *, before: datetime) -> int:
    """The last id below which no line can appear any more."""
    rows = Event.objects.filter(id__gt=start, id__lte=until)
    first_open = rows.filter(recorded_at__gte=before).aggregate(first=Min("id"))
    if first_open["first"] is None:
        return until
    # Between the last old line and the first new one ids may still be on their way.
    last_old = rows.filter(id__lt=first_open["first"]).aggregate(last=Max("id"))
    return int(last_old["last"] or start)
