"""Monthly partitions of the timeline, made ahead of the events that fall into them."""

from __future__ import annotations

from datetime import date

from django.db import connection, transaction
from django.utils import timezone

from core.registry import builtin_data

MONTHS_AHEAD = 3
# Held while partitions are made, so that two workers don't make the same one.
_LOCK = 7_301_420_001


def months_from(first: date, count: int) -> list[tuple[date, date]]:
    """`count` months as (first day, first day of the next), starting with `first`'s."""
    spans = []
    year, month = first.year, first.month
    for _ in range(count):
        start = date(year, month, 1)
        year, month = (year + 1, 1) if month == 12 else (year, month + 1)
        spans.append((start, date(year, month, 1)))
    return spans


def make_ahead() -> None:
    """Create this month's partition and those of the next three."""
    for start, end in months_from(timezone.now().date(), MONTHS_AHEAD + 1):
        ensure_month(start, end)


def ensure_month(start: date, end: date) -> None:
    """Create the partition [start, end), in UTC, unless it is there.

    Rows of that month which the default partition caught meanwhile
    move over in the same transaction.
    """
    name = f"crm_event_{start:%Y_%m}"
    span = (f"{start.isoformat()} 00:00+00", f"{end.isoformat()} 00:00+00")
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        cursor.execute("SELECT to_regclass(%s)", [name])
        if cursor.fetchone()[0] is not None:
            return
        # `name` is made of the digits of a date only.
        cursor.execute(
            f"CREATE TABLE {name} (LIKE crm_event INCLUDING DEFAULTS INCLUDING INDEXES)"
        )
        cursor.execute("LOCK TABLE crm_event_default IN ACCESS EXCLUSIVE MODE")
        cursor.execute(
            f"INSERT INTO {name} SELECT * FROM crm_event_default"  # noqa: S608
            " WHERE at >= %s AND at < %s",
            span,
        )
        cursor.execute("DELETE FROM crm_event_default WHERE at >= %s AND at < %s", span)
        cursor.execute(
            f"ALTER TABLE crm_event ATTACH PARTITION {name}"
            f" FOR VALUES FROM ('{span[0]}') TO ('{span[1]}')"
        )


def register() -> None:
    """Called once, in AppConfig.ready(); afterwards a periodic task makes them."""
    builtin_data.append(make_ahead)
