"""How many recipients of a touch stand where: summed from its tallies, never counted."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from django.db import connection, transaction
from django.db.models import Count, Sum

from campaigns.models import Recipient, Touch, TouchTally

State = Recipient.State
# A touch with more tallies than this is folded together.
FOLD_FROM = 100
FOLD = """
WITH gone AS (
    DELETE FROM campaigns_touchtally WHERE touch_id = %s
    RETURNING state, reason, delta
)
INSERT INTO campaigns_touchtally (touch_id, state, reason, delta)
SELECT %s, state, reason, sum(delta) FROM gone
GROUP BY state, reason HAVING sum(delta) <> 0
"""


@dataclass
class Counts:
    """Recipients by state; `reasons`: {(state, reason): people} of those with one.

    planned = waiting + sent + accepted + failed + unknown + excluded, always.
    """

    waiting: int = 0
    sent: int = 0
    accepted: int = 0
    failed: int = 0
    unknown: int = 0
    excluded: int = 0
    by_state: dict[tuple[str, str], int] = field(default_factory=dict)

    @property
    def planned(self) -> int:
        return sum((self.waiting, self.done))

    @property
    def done(self) -> int:
        """Whom nothing is to be done for any more."""
        ends = (self.sent, self.accepted, self.failed, self.unknown, self.excluded)
        return sum(ends)

    @property
    def reached(self) -> int:
        """Whom the platform took it for."""
        return self.sent + self.accepted

    @property
    def reasons(self) -> dict[str, int]:
        """Excluded people by reason, most first."""
        return self.reasons_of(State.EXCLUDED)

    def reasons_of(self, state: str) -> dict[str, int]:
        found = {
            reason: count
            for (of, reason), count in self.by_state.items()
            if of == state and reason and count
        }
        return dict(sorted(found.items(), key=lambda each: (-each[1], each[0])))

    @property
    def percent(self) -> int:
        """Whole percent of the planned that is done with; 0 for nobody."""
        return self.done * 100 // self.planned if self.planned else 0


def of(touch_ids: Iterable[int]) -> dict[int, Counts]:
    """Counts of these touches in one query; a touch without a snapshot has zeros."""
    found = {pk: Counts() for pk in touch_ids}
    rows = (
        TouchTally.objects.standing()
        .filter(touch__in=list(found))
        .values_list("touch_id", "state", "reason")
        .annotate(people=Sum("delta"))
        .order_by()
    )
    for touch_id, state, reason, people in rows:
        counts = found[touch_id]
        setattr(counts, state, getattr(counts, state) + people)
        counts.by_state[state, reason] = people
    return found


def fold(touch_id: int) -> None:
    """Put the tallies of one touch together; readers see the same sums throughout.

    Nothing where somebody holds the touch: who deletes its tallies would miss the new.
    """
    rows = Touch.objects.select_for_update(no_key=True, skip_locked=True)
    with transaction.atomic():
        if rows.filter(pk=touch_id).values("pk").first() is None:
            return
        with connection.cursor() as cursor:
            cursor.execute(FOLD, [touch_id, touch_id])


def fold_long() -> int:
    """Fold every touch with many tallies; how many were."""
    rows = (
        TouchTally.objects.values("touch_id")
        .annotate(rows=Count("pk"))
        .filter(rows__gt=FOLD_FROM)
        .values_list("touch_id", flat=True)
    )
    touches = list(rows)
    for touch_id in touches:
        fold(touch_id)
    return len(touches)
