"""Quiet hours and days of silence: when marketing must not go out.

Quiet hours are the settings below, by default 22:30–08:30 (what operators hold to);
days of silence are content.MarketingDay rows of the kind "quiet_day". Both in the
platforms' zone.
"""

from __future__ import annotations

from datetime import datetime, time, timedelta

from django.utils.translation import gettext_lazy as _

from content.models import MarketingDay
from core import system_settings
from core.system_settings import Declaration, declare
from wechat.limits import PLATFORM_ZONE

FROM, UNTIL = "campaigns.quiet_from", "campaigns.quiet_until"
DEFAULT_FROM, DEFAULT_UNTIL = "22:30", "08:30"
# Longer than any run of days of silence.
LOOK_AHEAD_DAYS = 40


def declare_settings() -> None:
    for key, label, default in (
        (FROM, _("Quiet hours begin"), DEFAULT_FROM),
        (UNTIL, _("Quiet hours end"), DEFAULT_UNTIL),
    ):
        declare(
            Declaration(
                key,
                label,
                default,
                unit=_("hour:minute"),
                help_text=_("No marketing goes out in between; both the same: never."),
            )
        )


def hours() -> tuple[time, time]:
    """(begin, end) in force; the built-in one where a setting can't be read."""
    return (
        _read(system_settings.get(FROM), DEFAULT_FROM),
        _read(system_settings.get(UNTIL), DEFAULT_UNTIL),
    )


def _read(text: str, default: str) -> time:
    try:
        return time.fromisoformat(str(text).strip())
    except ValueError:
        return time.fromisoformat(default)


def next_allowed(at: datetime) -> datetime:
    """The first moment from `at` on at which marketing may go out; `at` when it may now."""
    begin, end = hours()
    local = at.astimezone(PLATFORM_ZONE)
    silent = _silent_days(local)
    # Two rounds: the end of quiet hours may fall on a day of silence, and the other way.
    for _round in range(LOOK_AHEAD_DAYS):
        moved = _after_silence(_after_hours(local, begin, end), silent)
        if moved == local:
            break
        local = moved
    return at if local == at else local


def is_quiet(at: datetime) -> bool:
    return next_allowed(at) != at


def _after_hours(local: datetime, begin: time, end: time) -> datetime:
    clock = local.time()
    if begin == end:
        return local
    if begin < end:
        is_inside, days = begin <= clock < end, 0
    else:
        is_inside, days = clock >= begin or clock < end, int(clock >= begin)
    if not is_inside:
        return local
    day = local.date() + timedelta(days=days)
    return datetime.combine(day, end, tzinfo=PLATFORM_ZONE)


def _after_silence(local: datetime, silent: set[str]) -> datetime:
    while local.date().isoformat() in silent:
        midnight = datetime.combine(local.date(), time(), tzinfo=PLATFORM_ZONE)
        local = midnight + timedelta(days=1)
    return local


def _silent_days(local: datetime) -> set[str]:
    first = local.date()
    last = first + timedelta(days=LOOK_AHEAD_DAYS)
    spans = MarketingDay.objects.filter(
        kind=MarketingDay.Kind.QUIET, date__lte=last, end_date__gte=first
    ).values_list("date", "end_date")
    return {
        (start + timedelta(days=number)).isoformat()
        for start, end in spans
        for number in range((end - start).days + 1)
    }
