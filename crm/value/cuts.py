"""The cut-offs of each main category inside one data controller (crm.models.ValueCut).

Made from the figures as of the first day of the month, so they stand still in between
unless orders of the past change. Ties: a percentile is a value somebody has, and whoever
has it is above it; the cut-off of a fifth by spend is the smallest value above it, and by
recency the earliest day after it, so that equals always have the equal, lower score. One
order a year never scores above 1 by percentile.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import connection, transaction
from django.db.models import Q

from crm.models import Category, ValueCut
from crm.value.cycles import cycle_of, measured
from crm.value.moments import AsOf
from crm.value.weights import Weights

# Percentiles of F for scores 5 and 4 where the brand sets no numbers.
F_PERCENTILES = (Decimal(90), Decimal(75))
_FIFTHS = (0.8, 0.6, 0.4, 0.2)
_NONE: list[Any] = [None] * 4

_SHARES = """
WITH buyers AS MATERIALIZED (
    SELECT value.category_id, value.rfm_orders, value.rfm_spend, value.rfm_last_on
    FROM crm_membervalue value JOIN crm_member member ON member.id = value.member_id
    WHERE member.controller_id = %(controller)s AND member.merged_into_id IS NULL
        AND member.purged_at IS NULL AND value.rfm_orders > 0
), shares AS (
    SELECT category_id, count(*) AS buyers,
        percentile_disc(0.9) WITHIN GROUP (ORDER BY rfm_orders) AS f5,
        percentile_disc(0.75) WITHIN GROUP (ORDER BY rfm_orders) AS f4,
        percentile_disc(%(fifths)s::float8[]) WITHIN GROUP (ORDER BY rfm_last_on) AS r,
        percentile_disc(%(fifths)s::float8[]) WITHIN GROUP (ORDER BY rfm_spend) AS m
    FROM buyers GROUP BY category_id
)
SELECT shares.category_id, shares.buyers, shares.f5, shares.f4,
    ARRAY[%(month)s - min(rfm_last_on) FILTER (WHERE rfm_last_on > shares.r[1]),
        %(month)s - min(rfm_last_on) FILTER (WHERE rfm_last_on > shares.r[2]),
        %(month)s - min(rfm_last_on) FILTER (WHERE rfm_last_on > shares.r[3]),
        %(month)s - min(rfm_last_on) FILTER (WHERE rfm_last_on > shares.r[4])],
    ARRAY[min(rfm_spend) FILTER (WHERE rfm_spend > shares.m[1]),
        min(rfm_spend) FILTER (WHERE rfm_spend > shares.m[2]),
        min(rfm_spend) FILTER (WHERE rfm_spend > shares.m[3]),
        min(rfm_spend) FILTER (WHERE rfm_spend > shares.m[4])]
FROM shares
JOIN buyers ON buyers.category_id IS NOT DISTINCT FROM shares.category_id
GROUP BY shares.category_id, shares.buyers, shares.f5, shares.f4, shares.r, shares.m
"""
_LOYAL = """
SELECT percentile_disc(%(share)s) WITHIN GROUP (ORDER BY value.rfm_orders)
FROM crm_membervalue value JOIN crm_member member ON member.id = value.member_id
WHERE member.controller_id = %(controller)s AND member.merged_into_id IS NULL
    AND member.purged_at IS NULL AND value.rfm_orders > 0
    AND value.category_id IS NOT DISTINCT FROM %(category)s
"""


def remake(controller_id: int, as_of: AsOf, *, now: datetime) -> None:
    """Write the controller's cut-offs anew; rows that stay the same are left alone."""
    weights = Weights(as_of.day, controller_id)
    wanted = {
        cut.category_id: cut for cut in _cuts(controller_id, as_of, weights, now=now)
    }
    with transaction.atomic():
        rows = ValueCut.objects.select_for_update().filter(controller=controller_id)
        for known in rows:
            cut = wanted.pop(known.category_id, None)
            if cut is None:
                known.delete()
            elif _figures(known) != _figures(cut):
                cut.pk = known.pk
                cut.save(force_update=True)
        ValueCut.objects.bulk_create(wanted.values(), ignore_conflicts=True)


def _figures(cut: ValueCut) -> list[Any]:
    skipped = {"id", "computed_at"}
    return [
        getattr(cut, field.attname)
        for field in ValueCut._meta.concrete_fields
        if field.name not in skipped
    ]


def _cuts(
    controller_id: int, as_of: AsOf, weights: Weights, *, now: datetime
) -> Iterator[ValueCut]:
    shares = _shares(controller_id, as_of)
    measured_pauses = measured(controller_id, as_of)
    own_or_shared = Category.objects.filter(
        Q(controller=controller_id) | Q(controller=None)
    )
    categories: list[Category | None] = [None, *own_or_shared]
    for category in categories:
        pk = None if category is None else category.pk
        buyers, f5, f4, lately, fifths = shares.get(pk, (0, 0, 0, _NONE, _NONE))
        cycle, pauses = cycle_of(category, measured_pauses, weights)
        yield ValueCut(
            controller_id=controller_id,
            category_id=pk,
            as_of=as_of.month,
            buyers=buyers,
            cycle_days=cycle,
            cycle_pauses=pauses,
            stage_days=_in_cycles(
                cycle,
                sorted(
                    weights.get(f"stage.{name}", pk)
                    for name in ("at_risk", "dormant", "churned")
                ),
            ),
            hysteresis_days=weights.whole("stage.hysteresis", pk),
            loyal_from=max(
                weights.whole("stage.loyal_orders", pk),
                _loyal_share(controller_id, pk, weights, f4) if buyers else 0,
            ),
            is_scored=bool(cycle) and buyers >= weights.whole("rfm.min_buyers"),
            high_from=weights.whole("rfm.high"),
            r_days=_r_cuts(weights, pk, cycle, lately),
            f_orders=_f_cuts(weights, pk, f5, f4),
            m_spend=[
                weights.get(f"rfm.m{score}", pk).quantize(Decimal("0.01")) or fifth
                for score, fifth in zip((5, 4, 3, 2), fifths, strict=True)
            ],
            computed_at=now,
        )


def _in_cycles(cycle: int | None, times: Iterable[Decimal]) -> list[Decimal]:
    if cycle is None:
        return []
    return [(cycle * each).quantize(Decimal("0.01")) for each in times]


def _r_cuts(
    weights: Weights, category_id: int | None, cycle: int | None, fifths: list[Any]
) -> list[Any]:
    """From score 5 down: the brand's numbers of cycles, else the category's fifths."""
    fixed = _in_cycles(
        cycle, (weights.get(f"rfm.r{score}", category_id) for score in (5, 4, 3, 2))
    )
    return [days or fifth for days, fifth in zip(fixed, fifths, strict=False)]


def _f_cuts(weights: Weights, category_id: int | None, f5: int, f4: int) -> list[int]:
    """From score 5 down: the brand's numbers, else percentiles, never below two."""
    fixed = [weights.whole(f"rfm.f{score}", category_id) for score in (5, 4, 3, 2)]
    return [fixed[0] or max(f5, 2), fixed[1] or max(f4, 2), fixed[2], fixed[3]]


_Shares = tuple[int, int, int, list[Any], list[Any]]


def _shares(controller_id: int, as_of: AsOf) -> dict[int | None, _Shares]:
    with connection.cursor() as cursor:
        cursor.execute(
            _SHARES,
            {
                "controller": controller_id,
                "month": as_of.month,
                "fifths": list(_FIFTHS),
            },
        )
        return {row[0]: row[1:] for row in cursor.fetchall()}


def _loyal_share(
    controller_id: int, category_id: int | None, weights: Weights, f4: int
) -> int:
    percentile = weights.get("stage.loyal_percentile", category_id)
    if percentile == F_PERCENTILES[1]:
        return f4  # counted with the others
    with connection.cursor() as cursor:
        cursor.execute(
            _LOYAL,
            {
                "controller": controller_id,
                "category": category_id,
                "share": float(percentile) / 100,
            },
        )
        return int(cursor.fetchone()[0])
