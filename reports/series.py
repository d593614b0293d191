"""Reading the daily sums: a figure over days, weeks and accounts, in a person's scope."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from django.db.models import Sum
from django.utils import timezone

from reports.models import DayFigure
from reports.weights import Weights
from service.models import Rating
from staff.models import Staff

WEEKS = 12
CODES = {
    "C08": [DayFigure.Code.INTERACTIONS],
    "C10": [
        DayFigure.Code.RESOLVED,
        DayFigure.Code.RATED,
        DayFigure.Code.STARS,
        DayFigure.Code.SELF_SERVED,
    ],
}


@dataclass(frozen=True)
class Week:
    """One week from Monday on; `value` is what the formula gives for its days so far."""

    first: date
    value: Decimal

    @property
    def last(self) -> date:
        return self.first + timedelta(days=6)


@dataclass(frozen=True)
class Reading:
    """A metric this week, and for comparison the same days of last week."""

    code: str
    weeks: list[Week]
    this_week: Decimal
    same_days_before: Decimal

    @property
    def last_week(self) -> Decimal:
        return self.weeks[-2].value

    @property
    def change_percent(self) -> int | None:
        """Against the same days of last week; None when there was nothing."""
        if not self.same_days_before:
            return None
        change = self.this_week / self.same_days_before - 1
        return round(change * 100)

    @property
    def fall_percent(self) -> int:
        """The change without its sign, for beside an arrow down."""
        return abs(self.change_percent or 0)


def monday(day: date) -> date:
    return day - timedelta(days=day.weekday())


def read(staff: Staff, code: str, *, today: date | None = None) -> Reading:
    """`code` of C08, C10 over the last WEEKS weeks (one query and the weights)."""
    today = today or timezone.localdate()
    this = monday(today)
    first = this - timedelta(weeks=WEEKS - 1)
    values = by_day(staff, code, first, today)

    def total(start: date, end: date) -> Decimal:
        span = (v for day, v in values.items() if start <= day <= end)
        return sum(span, Decimal(0))

    starts = [first + timedelta(weeks=n) for n in range(WEEKS)]
    weeks = [Week(start, total(start, start + timedelta(days=6))) for start in starts]
    week_ago = today - timedelta(weeks=1)
    return Reading(code, weeks, weeks[-1].value, total(monday(week_ago), week_ago))


def by_day(staff: Staff, code: str, first: date, last: date) -> dict[date, Decimal]:
    """Day → the formula's value, for days that have one."""
    rows = (
        DayFigure.objects.visible_to(staff)
        .filter(code__in=CODES[code], day__gte=first, day__lte=last)
        .values_list("day", "code")
        .annotate(total=Sum("value"))
    )
    weights = Weights()
    values: dict[date, Decimal] = {}
    for day, part, total in rows:
        worth = total * factor(weights, part, day)
        values[day] = values.get(day, Decimal(0)) + worth
    return values


@dataclass(frozen=True)
class Part:
    """What one account gave to a metric, by the parts of its formula."""

    account: str
    counts: dict[str, int]
    value: Decimal

    @property
    def mean_rating(self) -> Decimal | None:
        """Of the rated conversations; None while there are none."""
        rated = self.counts.get(DayFigure.Code.RATED, 0)
        stars = self.counts.get(DayFigure.Code.STARS, 0)
        return Decimal(stars) / rated if rated else None


def by_account(staff: Staff, code: str, first: date, last: date) -> list[Part]:
    """The biggest first; "" is what belongs to no account (C08 is of the person)."""
    rows = (
        DayFigure.objects.visible_to(staff)
        .filter(code__in=CODES[code], day__gte=first, day__lte=last)
        .values_list("account__name", "code", "day")
        .annotate(total=Sum("value"))
    )
    weights = Weights()
    found: dict[str, Part] = {}
    for account, part, day, total in rows:
        before = found.get(account or "", Part(account or "", {}, Decimal(0)))
        counts = {**before.counts, part: before.counts.get(part, 0) + total}
        worth = total * factor(weights, part, day)
        found[before.account] = Part(before.account, counts, before.value + worth)
    return sorted(found.values(), key=lambda part: -part.value)


def factor(weights: Weights, part: str, day: date) -> Decimal:
    """What one of `part` is worth in its metric on `day` (metrics.csv, C08 and C10).

    Every resolved conversation counts as unrated first; a rated one gives that back and
    counts with its rating ÷ 5 instead.
    """
    if part == DayFigure.Code.RESOLVED:
        return weights.on(day, "C10", "unrated")
    if part == DayFigure.Code.RATED:
        return -weights.on(day, "C10", "unrated")
    if part == DayFigure.Code.STARS:
        return Decimal(1) / Rating.BEST
    if part == DayFigure.Code.SELF_SERVED:
        return weights.on(day, "C10", "self_service")
    return Decimal(1)


def followers(staff: Staff) -> int | None:
    """Of the last day that was counted; None before the first."""
    rows = DayFigure.objects.visible_to(staff).filter(code=DayFigure.Code.FOLLOWERS)
    last = rows.order_by("-day").values_list("day", flat=True)[:1]
    total: int | None = rows.filter(day=last).aggregate(total=Sum("value"))["total"]
    return total
