"""One tag on 100,000 members, as the bulk job puts it on, against the bare INSERT.

`ours` is crm.tagging.tag in the batches of the job, with the trail, the exclusive group
and the tag sets kept by triggers; `limit` a plain INSERT … SELECT of the same rows into
the same table with its triggers. Both are judged by their median.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from typing import Any

from bench import harness, member_base

MEMBERS = 1_000_000
TAGGED = 100_000
BATCH = 5_000
ROUNDS = 3


def main() -> None:
    given = harness.arguments("tagging")
    members = max(2_000, int(MEMBERS * given.scale))
    tagged = min(max(1_000, int(TAGGED * given.scale)), members // 2)
    with harness.copy("tagging") as stack:
        member_base.prepare(stack, members)
        ours: list[float] = []
        bare: list[float] = []
        for turn in range(ROUNDS):
            ids = _ids(tagged)
            ours.append(_ours(ids, f"bench {turn}"))
            bare.append(_bare(ids, f"bare {turn}"))
            print(f"round {turn + 1}: {ours[-1]:.1f} s of {bare[-1]:.1f} s", flush=True)
    case = harness.Case(
        name=f"one tag on {tagged:,} of {members:,} members",
        unit="s",
        ours=statistics.median(ours),
        limit=statistics.median(bare),
        bigger_is_better=False,
    )
    harness.report("tagging", given.scale, [case])


def _ids(count: int) -> list[int]:
    """Members of one data controller, spread over the whole table."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT controller_id FROM crm_member GROUP BY 1 ORDER BY count(*) DESC LIMIT 1"
        )
        controller = cursor.fetchone()[0]
        cursor.execute(
            "SELECT id FROM crm_member WHERE controller_id = %s AND merged_into_id IS NULL"
            " AND purged_at IS NULL ORDER BY hashint8(id) LIMIT %s",
            [controller, count],
        )
        return sorted(row[0] for row in cursor)


def _batches(ids: list[int]) -> Iterator[list[int]]:
    for start in range(0, len(ids), BATCH):
        yield ids[start : start + BATCH]


def _tag(name: str) -> Any:
    from crm.models import Tag, TagGroup

    group = TagGroup.objects.get(controller=None, code="need")
    tag, _is_new = Tag.objects.get_or_create(group=group, controller=None, name=name)
    return tag


def _ours(ids: list[int], name: str) -> float:
    from crm import tagging
    from staff.accounts import system_staff

    tag, actor = _tag(name), system_staff("bench")
    _forget(tag)
    begun = time.perf_counter()
    for batch in _batches(ids):
        tagging.tag(batch, tag, actor=actor)
    seconds = time.perf_counter() - begun
    _forget(tag)
    return seconds


def _bare(ids: list[int], name: str) -> float:
    from django.db import connection, transaction

    from staff.accounts import system_staff

    tag, actor = _tag(name), system_staff("bench")
    _forget(tag)
    begun = time.perf_counter()
    for batch in _batches(ids):
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO crm_membertag"
                " (member_id, tag_id, source, set_by_id, set_at, expires_at)"
                " SELECT unnest(%s::bigint[]), %s, 'manual', %s, now(), NULL",
                [batch, tag.pk, actor.pk],
            )
    seconds = time.perf_counter() - begun
    _forget(tag)
    return seconds


def _forget(tag: Any) -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM crm_membertag WHERE tag_id = %s", [tag.pk])
        cursor.execute("VACUUM ANALYZE crm_membertag")
        cursor.execute("VACUUM ANALYZE crm_tagset")


if __name__ == "__main__":
    main()
