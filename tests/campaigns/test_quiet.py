"""Quiet hours, days of silence, and the periods the caps are counted in."""

from __future__ import annotations

from datetime import date, datetime

import pytest

from campaigns import caps, quiet
from content.models import MarketingDay
from core.models import SystemSetting
from wechat.limits import PLATFORM_ZONE


def at(text):
    return datetime.fromisoformat(text).replace(tzinfo=PLATFORM_ZONE)


@pytest.mark.parametrize(
    ("moment", "allowed"),
    [
        ("2026-11-23 10:00", "2026-11-23 10:00"),
        ("2026-11-23 22:29", "2026-11-23 22:29"),
        ("2026-11-23 22:30", "2026-11-24 08:30"),
        ("2026-11-24 03:00", "2026-11-24 08:30"),
        ("2026-11-24 08:30", "2026-11-24 08:30"),
        # Two days of silence; the night after them is quiet too.
        ("2026-06-06 23:00", "2026-06-09 08:30"),
        ("2026-06-07 12:00", "2026-06-09 08:30"),
    ],
)
def test_marketing_waits_for_the_end_of_quiet_hours_and_silent_days(
    db, moment, allowed
):
    MarketingDay.objects.create(
        name_zh="高考",
        kind="quiet_day",
        date=date(2026, 6, 7),
        end_date=date(2026, 6, 8),
    )
    assert quiet.next_allowed(at(moment)) == at(allowed)
    assert quiet.is_quiet(at(moment)) == (moment != allowed)


def test_quiet_hours_are_settings_and_nonsense_falls_back(db):
    SystemSetting.objects.create(key=quiet.FROM, value="12:00")
    SystemSetting.objects.create(key=quiet.UNTIL, value="13:30")
    assert quiet.next_allowed(at("2026-11-23 12:15")) == at("2026-11-23 13:30")
    assert not quiet.is_quiet(at("2026-11-23 23:00"))
    SystemSetting.objects.update(value="morgens")
    assert quiet.is_quiet(at("2026-11-23 23:00"))


def test_caps_count_in_days_weeks_and_months_of_the_platform(db):
    found = caps.caps_at(at("2026-11-29 00:30"))
    assert (found.day, found.week, found.month, found.month_quota) == (2, 4, 10, 4)
    assert found.day_start == at("2026-11-29 00:00")
    assert found.week_start == at("2026-11-23 00:00")
    assert found.month_start == at("2026-11-01 00:00")
    assert found.month_end == at("2026-12-01 00:00")
    assert caps.caps_at(at("2026-12-01 09:00")).since == at("2026-11-30 00:00")
