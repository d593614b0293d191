"""A touch starts at its time, and rests while it or its people must not be disturbed."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from campaigns import sending
from campaigns.models import Recipient, Touch
from crm.models import Member, Preference
from staff.models import Approval
from tests.campaigns.speaking import (
    World,
    counts_of,
    never_quiet,
    quiet_now,
    states,
    turn,
    until_done,
)
from wechat.models import OutboundBatch


def test_the_clock_starts_a_touch_at_its_time_and_not_before(world: World) -> None:
    world.people(2)
    now = timezone.now()
    touch = world.touch(scheduled_at=now + timedelta(hours=1))
    turn()
    touch.refresh_from_db()
    assert touch.state == "approved"
    with pytest.raises(sending.NotDueYet):
        sending.start(touch, actor=world.boss)
    world.at(touch, now)
    assert until_done(touch).state == "done"
    assert world.received(touch) == [1, 1]


def test_what_is_overdue_waits_for_a_person(world: World) -> None:
    world.people(2)
    touch = world.touch()
    world.at(touch, timezone.now() - timedelta(minutes=20))
    until_done(touch)
    assert (touch.state, touch.reason_code) == ("held", "overdue")
    assert world.received(touch) == []
    sending.release(touch, actor=world.boss)
    assert until_done(touch).state == "done"
    assert world.received(touch) == [1, 1]


def test_after_a_stand_still_in_the_middle_a_person_decides(world: World) -> None:
    world.people(4)
    touch = world.touch(batch_size=2)
    sending.start(touch, actor=world.boss)
    Touch.objects.filter(pk=touch.pk).update(
        fed_at=timezone.now() - timedelta(minutes=16)
    )
    turn()
    touch.refresh_from_db()
    assert (touch.state, touch.reason_code) == ("held", "overdue")


def test_quiet_hours_hold_it_and_it_goes_on_by_itself(world: World) -> None:
    world.people(2)
    touch = world.touch()
    quiet_now()
    sending.start(touch, actor=world.boss)
    turn()
    touch.refresh_from_db()
    assert (touch.state, touch.reason_code) == ("held", "quiet_window")
    assert touch.resumes_at
    assert world.received(touch) == []
    never_quiet()
    Touch.objects.filter(pk=touch.pk).update(resumes_at=timezone.now())
    assert until_done(touch).state == "done"
    assert world.received(touch) == [1, 1]


def test_who_rests_now_gets_it_when_their_hours_are_over(world: World) -> None:
    members = world.people(4)
    for member in members[:2]:
        rest_around_now(member)
    touch = world.touch(batch_size=2)
    sending.start(touch, actor=world.boss)
    turn(3)
    assert states(touch) == {("accepted", ""), ("waiting", "")}
    assert world.received(touch) == [1, 1]
    Preference.objects.all().delete()
    assert until_done(touch).state == "done"
    assert world.received(touch) == [1] * 4


def test_who_rests_until_it_is_over_is_left_out(world: World) -> None:
    members = world.people(3)
    rest_around_now(members[0])
    soon = timezone.now() + timedelta(minutes=30)
    touch = world.touch(valid_until=soon)
    assert Recipient.objects.get(member=members[0]).reason == "own_hours"
    sending.start(touch, actor=world.boss)
    until_done(touch)
    assert counts_of(touch).reasons == {"own_hours": 1}


def rest_around_now(member: Member) -> None:
    now, hour = timezone.localtime(), timedelta(hours=1)
    Preference.objects.create(
        member=member, quiet_from=(now - hour).time(), quiet_until=(now + hour).time()
    )


def test_quiet_hours_hold_what_is_being_sent_too(world: World) -> None:
    world.people(4)
    touch = world.touch(batch_size=2)
    sending.start(touch, actor=world.boss)
    quiet_now()
    turn()
    touch.refresh_from_db()
    assert touch.state == "held"
    assert OutboundBatch.objects.count() == 0


def test_quiet_hours_missed_by_long_wait_for_a_person(world: World) -> None:
    world.people(2)
    touch = world.touch()
    quiet_now()
    sending.start(touch, actor=world.boss)
    never_quiet()
    late = timezone.now() - timedelta(minutes=16)
    Touch.objects.filter(pk=touch.pk).update(resumes_at=late)
    turn()
    touch.refresh_from_db()
    assert (touch.state, touch.reason_code) == ("held", "overdue")


def test_an_approval_that_ran_out_while_it_was_quiet_starts_nothing(
    world: World,
) -> None:
    world.people(2)
    touch = world.touch()
    quiet_now()
    sending.start(touch, actor=world.boss)
    never_quiet()
    Approval.objects.update(expires_at=timezone.now())
    Touch.objects.filter(pk=touch.pk).update(resumes_at=timezone.now())
    turn()
    touch.refresh_from_db()
    assert (touch.state, touch.reason_code) == ("draft", "approval_outdated")
    assert world.received(touch) == []
