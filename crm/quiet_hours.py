"""The hours in which a member wants no marketing: their own, beside everybody's.

Local time of the console, from one minute to another, over midnight where the end is
the smaller one. Preference.quiet_from and quiet_until hold what stands; whoever sends
asks one of the forms below.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Any

from django.db.models import Exists, F, OuterRef, Q
from django.utils import timezone

from crm.models import Preference

_MINUTE = re.compile(r"([01]\d|2[0-3]):[0-5]\d")
# For a statement of audiences: who rests at a moment, and for how long from then on.
# {only}: a further condition on choice.member_id.
RESTING = """
resting AS MATERIALIZED (
    SELECT choice.member_id FROM crm_preference choice
    WHERE (
        choice.quiet_from < choice.quiet_until
            AND %(rest_clock)s::time >= choice.quiet_from
            AND %(rest_clock)s::time < choice.quiet_until
        OR choice.quiet_from > choice.quiet_until
            AND (%(rest_clock)s::time >= choice.quiet_from
                OR %(rest_clock)s::time < choice.quiet_until)
    ) AND CASE WHEN choice.quiet_until > %(rest_clock)s::time
        THEN choice.quiet_until - %(rest_clock)s::time
        ELSE choice.quiet_until - %(rest_clock)s::time + interval '24 hours'
    END >= %(rest_left)s {only}
),
"""
# Looked up, not joined: a join more would change in which order people are found.
RESTS = "WHEN people.id IN (SELECT member_id FROM resting) THEN 'own_hours'"


@dataclass(frozen=True)
class Hours:
    begin: time
    end: time

    def __str__(self) -> str:
        return f"{self.begin:%H:%M}–{self.end:%H:%M}"


PRESETS = (
    Hours(time(22), time(8)),
    Hours(time(21), time(9)),
    Hours(time(12), time(14)),
)


def of(begin: time | None, end: time | None) -> Hours | None:
    return Hours(begin, end) if begin is not None and end is not None else None


def read(begin: str, end: str) -> Hours | None:
    """What "HH:MM" and "HH:MM" say; None for anything else, and for no time at all."""
    if not (_MINUTE.fullmatch(begin) and _MINUTE.fullmatch(end)) or begin == end:
        return None
    return Hours(time.fromisoformat(begin), time.fromisoformat(end))


def params(at: datetime, until: datetime) -> dict[str, Any]:
    """Values of RESTING: resting at `at`, and not awake again before `until`."""
    return {
        "rest_clock": timezone.localtime(at).time(),
        "rest_left": max(until - at, timedelta(0)),
    }


def resting(at: datetime, *, member: str) -> Exists:
    """As a condition of querysets; `member` leads to the member's id ("member")."""
    clock = timezone.localtime(at).time()
    by_day = Q(quiet_from__lt=F("quiet_until"))
    by_day &= Q(quiet_from__lte=clock, quiet_until__gt=clock)
    over_night = Q(quiet_from__gt=F("quiet_until"))
    over_night &= Q(quiet_from__lte=clock) | Q(quiet_until__gt=clock)
    rows = Preference.objects.filter(by_day | over_night)
    return Exists(rows.filter(member=OuterRef(member)))
