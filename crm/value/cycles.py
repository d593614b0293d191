"""How many days pass between two orders, measured category by category.

C is the median of the members' pauses between two days with net paid orders, of those
whose main category it is (domain, "Lifecycle"). As of the first day of the month: the
later of the two days within the 12 months before it, so C stands still within a month.
"""

from __future__ import annotations

from django.conf import settings
from django.db import connection

from crm.models import Category, Order
from crm.value.moments import AsOf
from crm.value.weights import Weights

# A member has figures here only if no tag leaves them out.
_PAUSES = """
WITH days AS (
    SELECT DISTINCT value.category_id, value.member_id,
        (coalesce(orders.paid_at, orders.placed_at) AT TIME ZONE %(zone)s)::date AS day
    FROM crm_membervalue value
    JOIN crm_member member ON member.id = value.member_id
    JOIN crm_order orders ON orders.member_id = value.member_id
    WHERE member.controller_id = %(controller)s AND member.merged_into_id IS NULL
        AND member.purged_at IS NULL AND value.rfm_orders > 0
        AND orders.state = ANY(%(counted)s) AND orders.amount > orders.refunded
), pauses AS (
    SELECT category_id, day,
        day - lag(day) OVER (PARTITION BY member_id ORDER BY day) AS days
    FROM days WHERE day < %(month)s
)
SELECT category_id, count(*), percentile_disc(0.5) WITHIN GROUP (ORDER BY days)
FROM pauses WHERE days IS NOT NULL AND day >= %(month_year)s
GROUP BY category_id
"""

Pauses = dict[int | None, tuple[int, int]]  # category: (how many, their median)


def measured(controller_id: int, as_of: AsOf) -> Pauses:
    """Pauses between orders by main category, of those who bought in the 12 months."""
    with connection.cursor() as cursor:
        cursor.execute(
            _PAUSES,
            {
                "controller": controller_id,
                "counted": [str(state) for state in Order.COUNTED],
                "zone": settings.TIME_ZONE,
                "month": as_of.month,
                "month_year": as_of.month_year_start,
            },
        )
        return {pk: (count, days) for pk, count, days in cursor.fetchall()}


def cycle_of(
    category: Category | None, pauses: Pauses, weights: Weights
) -> tuple[int | None, int]:
    """C in days, and of how many pauses it is the median; 0: it is a number set.

    The brand's own category says its number itself. A built-in one is measured once
    enough is known ("cycle.min_pauses"; 0 never), and knows no C if it has none.
    """
    if category is None:
        return weights.whole("cycle.unknown"), 0
    if category.controller_id is not None or category.cycle_days is None:
        return category.cycle_days, 0
    enough = weights.whole("cycle.min_pauses", category.pk)
    count, days = pauses.get(category.pk, (0, 0))
    if not enough or count < enough:
        return category.cycle_days, 0
    return days, count
