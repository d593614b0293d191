"""The weights of formulas: dated rows, the newest that has begun is in force."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from decimal import Decimal

from django.utils import timezone

from reports.metrics import weight_names
from reports.models import MetricWeight, Recount


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


def recount_since(days: Iterable[date]) -> None:
    """Have sums made again from the first of `days`: a weight inside them changed."""
    from reports.models import DayFigure

    known = DayFigure.objects.filter(
        code=DayFigure.Code.INTERACTIONS,
        day__gte=min(days),
        day__lte=timezone.localdate(),
    )
    Recount.objects.bulk_create(
        Recount(day=day) for day in known.values_list("day", flat=True).distinct()
    )
