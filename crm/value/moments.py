"""The days the rules count by: local days (Asia/Shanghai), never moments."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from django.conf import settings
from django.utils import timezone

INTERACTION_DAYS = 30
# Twelve half-lives of the built-in weights: what is older weighs nothing.
TALK_DAYS = 365


def year_before(day: date) -> date:
    """The same day of the year before; of 29 February the 28th."""
    try:
        return day.replace(year=day.year - 1)
    except ValueError:
        return day.replace(year=day.year - 1, day=28)


@dataclass(frozen=True)
class AsOf:
    """A day to compute for.

    The 12 months of lifecycle figures are the days after `year_start` up to `day`, those
    of the scores the days from `month_year_start` up to the one before `month`.
    """

    day: date

    @classmethod
    def today(cls) -> AsOf:
        return cls(timezone.localdate())

    @property
    def year_start(self) -> date:
        return year_before(self.day)

    @property
    def month(self) -> date:
        return self.day.replace(day=1)

    @property
    def month_year_start(self) -> date:
        return year_before(self.month)

    @property
    def interactions_from(self) -> date:
        return self.day - timedelta(days=INTERACTION_DAYS - 1)

    @property
    def talk_from(self) -> datetime:
        first = self.day - timedelta(days=TALK_DAYS - 1)
        zone = ZoneInfo(settings.TIME_ZONE)
        return datetime(first.year, first.month, first.day, tzinfo=zone)

    @property
    def until(self) -> datetime:
        """The end of the day, for indexes on moments."""
        last = self.day + timedelta(days=1)
        zone = ZoneInfo(settings.TIME_ZONE)
        return datetime(last.year, last.month, last.day, tzinfo=zone)
