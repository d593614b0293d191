"""Daily sums against a small world counted by hand."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import count
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from campaigns.models import TimelineReader
from crm import merging, timeline
from crm.models import Member
from reports import health, rollups, series, weights
from reports.models import DayFigure, MemberDay, MetricWeight
from staff.models import OrgUnit
from tests.campaigns.returning import Side, build_side
from tests.conftest import build_staff

pytestmark = pytest.mark.django_db
SHANGHAI = ZoneInfo("Asia/Shanghai")
_keys = count(1)


@pytest.fixture
def side() -> Side:
    return build_side("linjian")


def noon(day: date, hour: int = 12) -> datetime:
    return datetime(day.year, day.month, day.day, hour, tzinfo=SHANGHAI)


def line(side: Side, member: Member, kind: str, at: datetime, **data: object) -> None:
    timeline.write(
        member=member,
        kind=kind,
        at=at,
        key=f"k{next(_keys)}",
        account=side.account,
        data=data,
    )


def figure(side: Side, code: str, day: date) -> Decimal:
    return series.by_day(side.owner, code, day, day).get(day, Decimal(0))


def test_what_customers_do_counts_and_what_happens_to_them_does_not(
    side: Side,
) -> None:
    member, today = side.member(), timezone.localdate()
    for kind in ("message.text", "message.image", "click", "view", "link.opened"):
        line(side, member, kind, noon(today))
    for kind in ("follow", "scan", "unfollow", "answered", "consent.withdrawn"):
        line(side, member, kind, noon(today))
    rollups.catch_up()
    assert figure(side, "C08", today) == 5


def test_days_begin_at_midnight_in_shanghai_and_late_lines_are_added_to_theirs(
    side: Side,
) -> None:
    member, today = side.member(), timezone.localdate()
    yesterday = today - timedelta(days=1)
    line(side, member, "message.text", noon(today, 0))
    rollups.catch_up()
    line(side, member, "message.text", noon(today, 0) - timedelta(seconds=1))
    rollups.catch_up()
    rollups.catch_up()
    assert figure(side, "C08", today) == 1
    assert figure(side, "C08", yesterday) == 1


def test_one_person_counts_up_to_the_cap_of_the_day(side: Side) -> None:
    today = timezone.localdate()
    MetricWeight.objects.create(metric="C08", name="cap", value=3, effective_from=today)
    busy, calm = side.member(), side.member("小周")
    for day in (today - timedelta(days=1), today):
        for _n in range(5):
            line(side, busy, "click", noon(day))
        line(side, calm, "click", noon(day))
    rollups.catch_up()
    assert figure(side, "C08", today - timedelta(days=1)) == 6
    assert figure(side, "C08", today) == 4
    row = MetricWeight.objects.get(name="cap", effective_from=today)
    row.value = 2
    row.save()
    weights.recount_since(today)
    rollups.catch_up()
    assert figure(side, "C08", today) == 3


def test_service_value_adds_resolved_conversations_and_self_service(side: Side) -> None:
    today = timezone.localdate()
    helped, served, asked = side.member("甲"), side.member("乙"), side.member("丙")
    line(side, helped, "conversation.closed", noon(today), reason="resolved")
    line(side, helped, "conversation.closed", noon(today), reason="no_answer")
    line(side, served, "answered", noon(today, 9))
    line(side, served, "answered", noon(today, 10))
    line(side, asked, "answered", noon(today, 9))
    line(side, asked, "conversation.opened", noon(today, 10))
    rollups.catch_up()
    assert figure(side, "C10", today) == Decimal("0.8") + Decimal("0.2")
    MetricWeight.objects.create(
        metric="C10", name="unrated", value="0.5", effective_from=today
    )
    assert figure(side, "C10", today) == Decimal("0.7")
    parts = series.by_account(side.owner, "C10", today, today)
    assert [(part.account, part.counts) for part in parts] == [
        (side.account.name, {"resolved": 1, "self_served": 1})
    ]


def test_a_merge_counts_the_person_once_under_the_cap(side: Side) -> None:
    today = timezone.localdate()
    MetricWeight.objects.create(metric="C08", name="cap", value=3, effective_from=today)
    kept, gone = side.member(), side.member("小周")
    for member in (kept, gone):
        for _n in range(2):
            line(side, member, "click", noon(today))
    rollups.catch_up()
    assert figure(side, "C08", today) == 4
    merging.merge(kept, gone, actor=side.owner)
    rollups.catch_up()
    assert figure(side, "C08", today) == 3
    assert MemberDay.objects.get().interactions == 4


def test_followers_are_counted_for_reference(side: Side) -> None:
    side.member()
    leaving = side.member("小周").identities.get()
    leaving.is_following = False
    leaving.save()
    rollups.catch_up()
    assert series.followers(side.owner) == 1


def test_a_store_sees_its_own_a_dealer_theirs_and_nobody_others(side: Side) -> None:
    today = timezone.localdate()
    store = OrgUnit.objects.create(name="店", kind="store", parent=side.unit)
    other = OrgUnit.objects.create(name="另一店", kind="store", parent=side.unit)
    dealer = build_side("dealer", parent=side.unit)
    line(side, side.member("店里", store), "click", noon(today))
    line(side, side.member("无店"), "click", noon(today))
    for _n in range(3):
        line(dealer, dealer.member(), "click", noon(today))
    rollups.catch_up()

    def seen(unit: OrgUnit | None, role: str = "store_manager") -> int:
        staff = build_staff(role, org_unit=unit)
        return int(sum(series.by_day(staff, "C08", today, today).values()))

    assert (seen(store), seen(other), seen(None)) == (1, 0, 0)
    assert (seen(side.unit, "ops_manager"), seen(dealer.unit, "dealer")) == (2, 3)
    assert seen(None, "administrator") == 5


def test_this_week_is_compared_with_the_same_days_of_the_last(side: Side) -> None:
    member, wednesday = side.member(), date(2026, 11, 18)
    for day, times in ((16, 1), (18, 2), (9, 1), (11, 1), (13, 5), (2, 4)):
        for _n in range(times):
            line(side, member, "click", noon(date(2026, 11, day)))
    rollups.catch_up()
    with CaptureQueriesContext(connection) as queries:
        reading = series.read(side.owner, "C08", today=wednesday)
    assert len(queries) == 2
    assert [int(week.value) for week in reading.weeks[-3:]] == [4, 7, 3]
    assert (reading.this_week, reading.same_days_before) == (3, 2)
    assert reading.change_percent == 50


def test_figures_that_fall_behind_are_a_fault(side: Side) -> None:
    assert health.figures_keep_up().ok is None
    rollups.catch_up()
    assert health.figures_keep_up().ok is True
    TimelineReader.objects.update(read_at=timezone.now() - timedelta(minutes=11))
    behind = health.figures_keep_up()
    assert (behind.ok, behind.figures["age_seconds"]) == (False, 660)


def test_counting_reads_new_lines_only(side: Side) -> None:
    member, today = side.member(), timezone.localdate()
    line(side, member, "click", noon(today))
    rollups.catch_up()
    DayFigure.objects.filter(code="followers").update(
        counted_at=timezone.now() - timedelta(minutes=11)
    )
    with CaptureQueriesContext(connection) as queries:
        rollups.catch_up()
    assert len(queries) <= 24, len(queries)
