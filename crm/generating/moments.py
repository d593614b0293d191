"""Times of made-up history, in days before the start of the run, as COPY reads them."""

from __future__ import annotations

import random
from datetime import date

_EPOCH = date(1970, 1, 1).toordinal()
# 9 to 22 o'clock in Shanghai, in seconds of the UTC day.
_OPENS, _CLOSES = 3_600, 50_400


class Moments:
    """Renders every day once."""

    def __init__(self, now: float) -> None:
        """`now`: seconds since 1970, the start of a UTC day."""
        self.today = int(now) // 86_400
        self.days: dict[int, str] = {}

    def text(self, days_ago: int, seconds: int) -> str:
        """`seconds` into the day that many whole days ago."""
        shown = self.days.get(days_ago)
        if shown is None:
            shown = date.fromordinal(_EPOCH + self.today - days_ago).isoformat()
            self.days[days_ago] = shown
        return (
            f"{shown} {seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}+00"
        )

    def by_day(self, days_ago: int, draw: random.Random) -> str:
        """Some time of that day when people are awake."""
        return self.text(days_ago, _OPENS + int(draw.random() * (_CLOSES - _OPENS)))
