"""The snapshot of a whole base with every exclusion, against the bare insert of its rows.

A million members with tags, addresses, consents, phones and a month of contacts; the
touch is a mass message to everybody. `ours` is campaigns.snapshots.take, `limit` a plain
INSERT … SELECT of the very rows it wrote, from a table that holds them, into the same
table with the same indexes, constraints and triggers. Both are judged by their median.
"""

from __future__ import annotations

import statistics
import time
from typing import Any

from bench import audience_data, harness

MEMBERS = 1_000_000
ROUNDS = 3


def main() -> None:
    given = harness.arguments("audience")
    count = max(1000, int(MEMBERS * given.scale))
    with harness.copy("audience") as _stack:
        touch = audience_data.prepare(count)
        ours: list[float] = []
        bare: list[float] = []
        for turn in range(ROUNDS):
            seconds = _take(touch)
            limit = _bare(touch)
            print(f"round {turn + 1}: {seconds:.1f} s of {limit:.1f} s", flush=True)
            ours.append(seconds)
            bare.append(limit)
        _tell(touch)
        cases = [
            harness.Case(
                name="snapshot",
                unit="s",
                ours=statistics.median(ours),
                limit=statistics.median(bare),
                bigger_is_better=False,
            )
        ]
    harness.report("audience", given.scale, cases)


def _take(touch: Any) -> float:
    from campaigns import snapshots

    _clear(touch)
    _vacuum()
    begun = time.perf_counter()
    snapshots.take(touch)
    return time.perf_counter() - begun


def _bare(touch: Any) -> float:
    from django.db import connection, transaction

    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS bench_rows")
        cursor.execute(
            "CREATE TABLE bench_rows AS SELECT touch_id, member_id, address, state,"
            " reason FROM campaigns_recipient WHERE touch_id = %s ORDER BY id",
            [touch.pk],
        )
    _clear(touch)
    _vacuum()
    begun = time.perf_counter()
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO campaigns_recipient (touch_id, member_id, address, state,"
            " reason) SELECT touch_id, member_id, address, state, reason FROM bench_rows"
        )
    return time.perf_counter() - begun


def _clear(touch: Any) -> None:
    """As after a change of the touch: void at once, and the rows piece by piece."""
    from campaigns import clearing, snapshots

    begun = time.perf_counter()
    snapshots.drop(touch)
    void = time.perf_counter()
    while clearing.clear(touch.pk, is_waiting=True):
        pass
    cleared = time.perf_counter() - void
    print(f"void in {void - begun:.2f} s, cleared in {cleared:.1f} s", flush=True)


def _vacuum() -> None:
    """Each begins without what the one before left behind."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE campaigns_recipient")


def _tell(touch: Any) -> None:
    """Who was left out, and how long a look ahead takes."""
    from campaigns import audience, counts, snapshots
    from staff.models import Staff

    snapshots.take(touch)
    found = counts.of([touch.pk])[touch.pk]
    print(f"planned {found.planned:,}, waiting {found.waiting:,}", flush=True)
    for reason, people in found.reasons.items():
        print(f"  {reason}: {people:,}", flush=True)
    staff = Staff.objects.get(username="bench")
    begun = time.perf_counter()
    seen = audience.preview(touch, staff)
    print(
        f"look ahead: {time.perf_counter() - begun:.2f} s, "
        f"{'exact' if seen.is_exact else 'about'} {seen.sendable:,} of {seen.total:,}",
        flush=True,
    )


if __name__ == "__main__":
    main()
