"""How many are in lists and frozen segments, kept right when records go or become one.

Dynamic segments are counted whenever they are computed. The others are as large as their
rows say, so whoever moves rows of members takes a tally before and settles it after:

    before = list_counts.tally(people)
    …
    list_counts.settle(before, people)
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from django.db import connection

from crm.models import Segment, SegmentMember

_SETTLE = """
UPDATE crm_segment SET member_count = greatest(member_count + change, 0)
FROM unnest(%s::bigint[], %s::int[]) changes (id, change)
WHERE crm_segment.id = changes.id AND member_count IS NOT NULL
"""


def tally(people: Sequence[int]) -> Counter[int]:
    """How many of these members each list and frozen segment holds, by its id.

    These segments stay locked until the transaction ends, in the order in which people
    who add to them lock them: the segment before its rows.
    """
    inside = SegmentMember.objects.filter(member__in=people).values("segment")
    rows = Segment.objects.exclude(kind=Segment.Kind.DYNAMIC).filter(pk__in=inside)
    list(rows.order_by("pk").select_for_update(no_key=True).values_list("pk"))
    return _held(people)


def settle(before: Counter[int], people: Sequence[int]) -> None:
    """Write what became of the counts since `tally`, in one statement."""
    after = _held(people)
    changes = {
        pk: after[pk] - before[pk]
        for pk in sorted({*before, *after})
        if after[pk] != before[pk]
    }
    if changes:
        with connection.cursor() as cursor:
            cursor.execute(_SETTLE, [list(changes), list(changes.values())])


def _held(people: Sequence[int]) -> Counter[int]:
    rows = SegmentMember.objects.filter(member__in=people)
    fixed = rows.exclude(segment__kind=Segment.Kind.DYNAMIC)
    return Counter(fixed.values_list("segment_id", flat=True))
