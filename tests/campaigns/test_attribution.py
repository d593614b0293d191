"""What people do after a touch is credited to the last one, once, and follows them."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from campaigns import attribution, reading
from campaigns.models import Recipient, Response, TimelineReader, TouchTally
from core.models import SystemSetting
from crm import consent, merging, timeline
from crm.models import Event, Member
from staff.accounts import system_staff
from tests.campaigns.returning import Side, build_side

pytestmark = pytest.mark.django_db
HOURS = timedelta(hours=1)


@pytest.fixture
def side() -> Side:
    return build_side("linjian")


def now() -> datetime:
    return timezone.now().replace(microsecond=0)


def line(member: Member, kind: str, at: datetime, side: Side, **data: object) -> None:
    timeline.write(
        member=member,
        kind=kind,
        at=at,
        key=f"test:{Event.objects.count()}",
        account=side.account,
        data=data,
    )


def credited() -> list[tuple[str, int]]:
    attribution.catch_up()
    return list(Response.objects.order_by("at", "id").values_list("kind", "touch"))


def test_what_comes_within_48_hours_is_credited_and_nothing_after_or_before(
    side: Side,
) -> None:
    member, touch = side.member(), side.touch()
    sent = now() - 60 * HOURS
    side.contact(touch, member, contacted_at=sent)
    line(member, "message.text", sent - timedelta(seconds=1), side, text="早")
    line(member, "message.text", sent, side, text="刚好")
    line(member, "conversation.opened", sent + HOURS, side)
    line(member, "unfollow", sent + 48 * HOURS, side)
    line(member, "message.text", sent + 48 * HOURS + timedelta(seconds=1), side)
    line(member, "scan", sent + HOURS, side)
    assert credited() == [
        ("reply", touch.pk),
        ("conversation", touch.pk),
        ("unfollow", touch.pk),
    ]


def test_an_answer_in_the_second_of_the_contact_counts(side: Side) -> None:
    member, touch = side.member(), side.touch()
    sent = now() - HOURS
    side.contact(touch, member, contacted_at=sent + timedelta(milliseconds=700))
    line(member, "message.text", sent, side)
    assert credited() == [("reply", touch.pk)]


def test_the_last_touch_that_reached_the_person_is_credited(side: Side) -> None:
    member, other = side.member(), side.member("小周")
    first, second, failed = side.touch(), side.touch(), side.touch()
    sent = now() - 30 * HOURS
    side.contact(first, member, contacted_at=sent)
    side.contact(second, member, "accepted", contacted_at=sent + 2 * HOURS)
    side.contact(failed, member, "failed", contacted_at=sent + 3 * HOURS)
    side.contact(failed, other, contacted_at=sent + 3 * HOURS)
    line(member, "message.text", sent + HOURS, side)
    line(member, "message.text", sent + 4 * HOURS, side)
    assert credited() == [("reply", first.pk), ("reply", second.pk)]


def test_an_answer_on_another_account_is_none_and_an_opt_out_is_of_the_person(
    side: Side,
) -> None:
    other = build_side("another")
    member, touch = side.member(), side.touch()
    sent = now() - 5 * HOURS
    side.contact(touch, member, contacted_at=sent)
    line(member, "message.text", sent + HOURS, other)
    line(member, "consent.withdrawn", sent + HOURS, other, purpose="marketing")
    line(member, "consent.withdrawn", sent + 2 * HOURS, side, purpose="profile")
    assert credited() == [("opt_out", touch.pk)]


def test_the_message_that_opts_out_is_no_reply(side: Side) -> None:
    member, touch = side.member(), side.touch()
    sent = now() - HOURS
    side.contact(touch, member, contacted_at=sent)
    at = sent + timedelta(minutes=5)
    timeline.write(
        member=member, kind="message.text", at=at, key="inbound:1", account=side.account
    )
    consent.withdraw(
        member,
        actor=system_staff("service.intake"),
        at=at,
        key="inbound:1",
        source="message",
        account=side.account,
    )
    assert credited() == [("opt_out", touch.pk)]


def test_the_hours_are_a_setting(side: Side) -> None:
    SystemSetting.objects.create(key=attribution.SETTING, value=2)
    member, touch = side.member(), side.touch()
    sent = now() - 10 * HOURS
    side.contact(touch, member, contacted_at=sent)
    line(member, "message.text", sent + 2 * HOURS, side)
    line(member, "message.text", sent + 3 * HOURS, side)
    assert len(credited()) == 1


def test_lines_are_counted_once_and_late_ones_are_found(side: Side) -> None:
    member, touch = side.member(), side.touch()
    side.contact(touch, member, contacted_at=now() - HOURS)
    line(member, "message.text", now(), side)
    assert len(credited()) == 1
    assert len(credited()) == 1
    reader = TimelineReader.objects.get(name=attribution.READER)
    newest = Event.objects.order_by("-id").first()
    assert reader.position < newest.id  # recorded just now: read again
    # A transaction that began earlier commits later: its id is lower.
    Event.objects.create(
        id=newest.id - 1,
        member=member,
        kind="unfollow",
        at=now(),
        key="late",
        account=side.account,
    )
    assert [kind for kind, _touch in credited()] == ["reply", "unfollow"]


def test_old_lines_are_not_read_again(side: Side) -> None:
    member = side.member()
    Event.objects.create(
        member=member,
        kind="message.text",
        at=now() - HOURS,
        key="old",
        recorded_at=now() - HOURS,
    )
    attribution.catch_up()
    spans: list[tuple[int, int]] = []
    reading.catch_up(attribution.READER, lambda a, b: spans.append((a, b)))
    newest = Event.objects.order_by("-id").first().id
    assert spans == [(newest, newest)]


# -- the person may be two records at first


def merge(side: Side, kept: Member, gone: Member) -> None:
    merging.merge(kept, gone, actor=side.owner)


def test_rows_and_responses_follow_the_person(side: Side) -> None:
    kept, gone, touch = side.member(), side.member("小周"), side.touch()
    row = side.contact(touch, gone, contacted_at=now() - HOURS)
    line(gone, "message.text", now(), side)
    attribution.catch_up()
    merge(side, kept, gone)
    row.refresh_from_db()
    assert row.member == kept
    assert Response.objects.get().member == kept
    line(kept, "unfollow", now(), side)
    assert len(credited()) == 2


def tally(touch) -> dict[str, int]:
    found: dict[str, int] = {}
    for row in TouchTally.objects.filter(touch=touch):
        found[row.state] = found.get(row.state, 0) + row.delta
    return {state: count for state, count in found.items() if count}


def test_of_two_waiting_rows_one_is_sent(side: Side) -> None:
    kept, gone, touch = side.member(), side.member("小周"), side.touch()
    mine = side.contact(touch, kept, "waiting")
    other = side.contact(touch, gone, "waiting")
    merge(side, kept, gone)
    mine.refresh_from_db()
    other.refresh_from_db()
    assert (mine.state, mine.member) == ("waiting", kept)
    assert (other.state, other.reason) == ("excluded", "duplicate_person")
    assert tally(touch) == {"waiting": 1, "excluded": 1}


def test_what_was_sent_stays_with_the_person_and_what_waited_is_left_out(
    side: Side,
) -> None:
    kept, gone, touch = side.member(), side.member("小周"), side.touch()
    waiting = side.contact(touch, kept, "waiting")
    sent = side.contact(touch, gone, contacted_at=now() - HOURS)
    merge(side, kept, gone)
    rows = {row.pk: row for row in Recipient.objects.filter(touch=touch)}
    assert (rows[sent.pk].member, rows[sent.pk].state) == (kept, "sent")
    assert (rows[waiting.pk].member, rows[waiting.pk].state) == (gone, "excluded")
    assert rows[waiting.pk].reason == "duplicate_person"
    assert tally(touch) == {"sent": 1, "excluded": 1}
    line(kept, "message.text", now(), side)
    assert len(credited()) == 1


def test_two_that_were_sent_both_happened(side: Side) -> None:
    kept, gone, touch = side.member(), side.member("小周"), side.touch()
    for member in (kept, gone):
        side.contact(touch, member, contacted_at=now() - HOURS)
    merge(side, kept, gone)
    assert tally(touch) == {"sent": 2}
