"""The weights of formulas: dated rows, the newest that has begun is in force."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from reports.metrics import weight_names
from reports.models import DayFigure, MetricWeight, Recount


class Weights:
    """All weights as they stand, for any number of days (one query)."""

    def __init__(self) -> None:
        self._rows: dict[tuple[str, str], list[tuple[date, Decimal]]] = {}
        for row in MetricWeight.objects.order_by("effective_from"):
            found = self._rows.setdefault((row.metric, row.name), [])
            found.append((row.effective_from, row.value))

    def on(self, day: date, metric: str, name: str) -> Decimal:
        """The value in force on `day`; before the first row, the built-in one."""
        value = Decimal(weight_names()[metric, name].value)
        for begins, later in self._rows.get((metric, name), []):
            if begins <= day:
                value = later
        return value


def interaction_cap(day: date) -> int:
    """How many interactions of one person count on `day` (C08)."""
    return int(Weights().on(day, "C08", "cap"))


def load_builtin() -> None:
    """Write the built-in rows that are not there; changed ones stay as they are."""
    MetricWeight.objects.bulk_create(
        (
            MetricWeight(
                metric=each.metric,
                name=each.name,
                value=Decimal(each.value),
                effective_from=date.fromisoformat(each.effective_from),
            )
            for each in weight_names().values()
        ),
        ignore_conflicts=True,
    )


def recount_since(day: date) -> None:
    """Have the sums from `day` on made again: a weight inside them changed."""
    known = DayFigure.objects.filter(code=DayFigure.Code.INTERACTIONS, day__gte=day)
    Recount.objects.bulk_create(
        Recount(day=each) for each in known.values_list("day", flat=True).distinct()
    )
