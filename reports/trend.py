"""A small line of weeks as inline SVG: no script, and it prints."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from django.utils.translation import gettext as _

from core.templatetags.console import grouped
from reports.series import Week

WIDTH, HEIGHT, EDGE = 240, 48, 4


@dataclass(frozen=True)
class Trend:
    """`points` of a polyline in a box of WIDTH × HEIGHT; `words` say the same."""

    points: str
    last_x: float
    last_y: float
    words: str

    @classmethod
    def of(cls, weeks: list[Week]) -> Trend:
        highest = max((week.value for week in weeks), default=Decimal(0)) or Decimal(1)
        step = (WIDTH - 2 * EDGE) / max(len(weeks) - 1, 1)
        places = [
            (
                EDGE + step * n,
                HEIGHT - EDGE - (HEIGHT - 2 * EDGE) * float(week.value / highest),
            )
            for n, week in enumerate(weeks)
        ]
        told = ", ".join(f"{week.first:%m-%d} {shown(week.value)}" for week in weeks)
        return cls(
            points=" ".join(f"{x:.1f},{y:.1f}" for x, y in places),
            last_x=round(places[-1][0], 1),
            last_y=round(places[-1][1], 1),
            words=_("By week: %(weeks)s") % {"weeks": told},
        )


def shown(value: Decimal) -> str:
    """1,204 or 12.6: one decimal where there is one."""
    rounded = round(value, 1)
    if rounded == rounded.to_integral_value():
        return grouped(int(rounded))
    return f"{rounded:,}"
