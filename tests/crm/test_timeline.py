"""The partitioned history."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from django.db import IntegrityError, InternalError, connection, transaction
from django.utils import timezone

from crm import partitions, timeline
from crm.models import Event, Member


@pytest.fixture
def member(world):
    return Member.objects.create(controller=world.brand, display_name="林小满")


def test_the_same_key_at_the_same_time_is_one_line(member):
    now = timezone.now()
    for _ in range(2):
        timeline.write(member=member, kind="follow", at=now, key="inbound:1")
    assert Event.objects.count() == 1


def test_months_are_made_ahead_and_take_over_from_the_default(member):
    at = datetime(2031, 5, 17, tzinfo=UTC)
    timeline.write(member=member, kind="follow", at=at, key="inbound:1")

    partitions.ensure_month(date(2031, 5, 1), date(2031, 6, 1))
    partitions.ensure_month(date(2031, 5, 1), date(2031, 6, 1))

    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM crm_event_2031_05")
        assert cursor.fetchone() == (1,)
    timeline.write(member=member, kind="follow", at=at, key="inbound:1")
    timeline.write(
        member=member, kind="view", at=at + timedelta(days=1), key="inbound:2"
    )
    assert Event.objects.filter(member=member).count() == 2


def test_every_month_ahead_has_a_partition(db):
    partitions.make_ahead()
    today = timezone.now().date()
    with connection.cursor() as cursor:
        for start, _end in partitions.months_from(today, partitions.MONTHS_AHEAD + 1):
            cursor.execute("SELECT to_regclass(%s)", [f"crm_event_{start:%Y_%m}"])
            assert cursor.fetchone()[0] is not None


def test_a_line_cannot_be_rewritten_but_can_move_to_another_member(world, member):
    timeline.write(member=member, kind="follow", at=timezone.now(), key="inbound:1")
    other = Member.objects.create(controller=world.brand, display_name="另一位")

    Event.objects.update(member=other)
    with pytest.raises((InternalError, IntegrityError)), transaction.atomic():
        Event.objects.update(kind="unfollow")
    assert Event.objects.get().member == other
