"""Every person a touch means is written down once, and who is left out has one reason."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from campaigns import counts, reasons, snapshots
from campaigns.errors import NotInThisState
from campaigns.models import Recipient, Touch
from content.models import MarketingDay
from core.models import SystemSetting
from crm import complaints, consent, merging
from crm.models import Identity, Topic
from staff.accounts import system_staff
from tests.campaigns.audiences import (
    build_audience,
    contacted,
    draft,
    make_member,
    morning,
    open_window,
    put,
    verdicts,
)
from tests.campaigns.returning import build_side


@pytest.fixture
def world(db):
    return build_audience()


def judge(world, member, **fields):
    """The reason of `member` in a touch that two others get."""
    others = [make_member(world.side) for _number in range(2)]
    if fields.get("channel") == "custom":
        for other in others:
            open_window(world.app, other, morning() + timedelta(hours=1))
    touch = draft(world.side, **fields)
    planned = snapshots.take(touch)
    found = verdicts(touch)
    assert planned == len(found) == touch.planned_count
    assert all(found[other.pk] == "" for other in others)
    return found[member.pk]


def test_whoever_may_be_written_to_waits_with_the_address(world):
    member = make_member(world.side)
    assert judge(world, member) == ""
    row = Recipient.objects.get(member=member)
    assert row.address == f"o{member.pk}"


def test_opted_out(world):
    assert (
        judge(world, make_member(world.side, opted_out_at=timezone.now()))
        == "opted_out"
    )


def test_a_no_to_this_account_holds_although_another_account_got_a_yes(world):
    member, actor = make_member(world.side), system_staff("test")
    other = build_side("sub", world.side.unit).account
    long_ago = timezone.now() - timedelta(days=3)

    def say(what, key, account, at):
        what(member, actor=actor, at=at, key=key, source="message", account=account)

    say(consent.withdraw, "1", world.account, long_ago)
    say(consent.grant, "2", other, long_ago + timedelta(days=1))
    member.refresh_from_db()
    assert member.opted_out_at is None
    assert judge(world, member) == "opted_out"
    say(consent.grant, "3", world.account, long_ago + timedelta(days=2))
    assert judge(world, member) == ""


def test_a_no_said_through_one_record_holds_for_the_others_of_the_person(world):
    make_member(world.side, phone="13800000001", opted_out_at=timezone.now())
    member = make_member(world.side, phone="13800000001")
    assert judge(world, member) == "opted_out"


def test_unreachable(world):
    member = make_member(world.side, is_following=False)
    assert judge(world, member) == "unreachable"
    assert Recipient.objects.get(member=member).address == ""


@pytest.mark.parametrize(
    ("closes", "left", "reason"),
    [(2, 1, ""), (2, 0, "window_closed"), (-1, 5, "window_closed")],
)
def test_window_closed_is_judged_at_the_time_of_sending(world, closes, left, reason):
    member = make_member(world.side)
    open_window(world.app, member, morning() + timedelta(hours=closes), left)
    assert judge(world, member, channel="custom") == reason


def test_nobody_without_a_window_gets_a_customer_service_message(world):
    assert judge(world, make_member(world.side), channel="custom") == "window_closed"


def test_the_fifth_mass_message_of_the_month_is_not_sent(world):
    SystemSetting.objects.create(key="campaigns.cap_week", value=100)
    SystemSetting.objects.create(key="campaigns.cap_day", value=100)
    member, fresh = make_member(world.side), make_member(world.side)
    contacted(world.side, member, 4)
    contacted(world.side, fresh, 3)
    assert judge(world, member) == "month_quota"
    assert verdicts(Touch.objects.latest("pk"))[fresh.pk] == ""
    open_window(world.app, member, morning() + timedelta(hours=1))
    assert judge(world, member, channel="custom") == ""


def test_what_is_about_to_go_out_counts_for_the_month(world):
    SystemSetting.objects.create(key="campaigns.cap_week", value=100)
    SystemSetting.objects.create(key="campaigns.cap_day", value=100)
    member = make_member(world.side)
    contacted(world.side, member, 3)
    coming = world.side.touch(
        state="approved", channel="mass", started_at=None, scheduled_at=morning()
    )
    Recipient.objects.create(touch=coming, member=member, address="x")
    assert judge(world, member) == "month_quota"
    Touch.objects.filter(pk=coming.pk).update(state="cancelled")
    assert judge(world, member) == ""


def test_what_another_account_sent_leaves_the_quota_but_not_the_caps(world):
    other = build_side("sub", None)
    other.account.org_unit = world.side.unit
    other.account.save()
    SystemSetting.objects.create(key="campaigns.cap_week", value=100)
    SystemSetting.objects.create(key="campaigns.cap_day", value=100)
    member = make_member(world.side)
    contacted(other, member, 4)
    assert judge(world, member) == ""
    contacted(other, member, 6)
    assert judge(world, member) == "frequency_cap"


@pytest.mark.parametrize(("key", "times"), [("day", 2), ("week", 4), ("month", 10)])
def test_frequency_cap(world, key, times):
    for other in {"day", "week", "month"} - {key}:
        SystemSetting.objects.create(key=f"campaigns.cap_{other}", value=100)
    member, nearly = make_member(world.side), make_member(world.side)
    at = morning() - timedelta(minutes=5)
    contacted(world.side, member, times, at=at, channel="custom")
    contacted(world.side, nearly, times - 1, at=at, channel="custom")
    assert judge(world, member) == "frequency_cap"
    assert verdicts(Touch.objects.latest("pk"))[nearly.pk] == ""


def test_what_members_chose_leaves_them_out_of_that_only(world):
    actor, now = system_staff("test"), timezone.now()
    offers, care = (Topic.objects.create(name=name) for name in ("优惠", "保养"))
    people = [make_member(world.side) for _number in range(4)]
    told = {"actor": actor, "at": now, "source": "preferences"}
    one, two, three, angry = people
    consent.withdraw(one, key="1", purpose="topic", topic=offers, **told)
    consent.withdraw(two, key="2", channel="mass", **told)
    consent.withdraw(three, key="3", purpose="personalisation", **told)
    complaints.begin(angry, reason="太多消息", actor=actor)
    open_window(world.app, two, morning() + timedelta(hours=1))

    def reasons_of(**fields):
        others = [make_member(world.side, stage="new") for _number in range(2)]
        touch = draft(world.side, **fields)
        snapshots.take(touch)
        found = verdicts(touch)
        is_chat = fields.get("channel") == "custom"
        assert is_chat or all(found[other.pk] == "" for other in others)
        return [found.get(person.pk) for person in people]

    assert reasons_of(topic=offers) == ["topic_off", "channel_off", "", "complaint"]
    assert reasons_of(topic=care)[0] == ""
    assert reasons_of()[0] == ""
    assert reasons_of(channel="custom")[1] == ""
    everybody = {"stages": ["prospect", "new"]}
    assert reasons_of(audience=everybody)[2] == "no_personalisation"
    later = {"scheduled_at": morning(40)}
    complaints.close(angry.complaints.get(), outcome="解决", actor=actor)
    assert reasons_of()[3] == "complaint"
    assert reasons_of(**later)[3] == ""


def test_whoever_wants_one_a_week_gets_one_a_week(world):
    member, free = make_member(world.side), make_member(world.side)
    told = {"actor": system_staff("test"), "at": timezone.now()}
    consent.limit(member, max_per_week=1, key="1", source="preferences", **told)
    at = morning() - timedelta(minutes=5)
    for person in (member, free):
        contacted(world.side, person, 1, at=at, channel="custom")
    assert judge(world, member) == "frequency_cap"
    assert verdicts(Touch.objects.latest("pk"))[free.pk] == ""


def test_quiet_hours_leave_everybody_out_when_the_time_ends_within_them(world):
    make_member(world.side)
    late = morning().replace(hour=23)
    touch = draft(world.side, scheduled_at=late, valid_until=late + timedelta(hours=2))
    snapshots.take(touch)
    assert set(verdicts(touch).values()) == {"quiet_hours"}
    MarketingDay.objects.create(
        name_zh="高考",
        kind="quiet_day",
        date=morning().date(),
        end_date=morning().date(),
    )
    silent = draft(world.side, valid_until=morning() + timedelta(hours=9))
    snapshots.take(silent)
    assert set(verdicts(silent).values()) == {"quiet_hours"}


def test_of_several_records_with_one_phone_the_earliest_that_can_gets_it(world):
    gone = make_member(world.side, phone="13800000002", is_following=False)
    first = make_member(world.side, phone="13800000002")
    second = make_member(world.side, phone="13800000002")
    elsewhere = make_member(build_side("dealer", world.side.unit), phone="13800000002")
    assert judge(world, second) == "duplicate_person"
    found = verdicts(Touch.objects.latest("pk"))
    assert (found[gone.pk], found[first.pk]) == ("unreachable", "")
    assert elsewhere.pk not in found


def test_test_account(world):
    member = make_member(world.side)
    put(member, world.tags[3])
    assert judge(world, member) == "test_account"


def test_one_person_alone_gets_no_mass_message(world):
    member = make_member(world.side)
    touch = draft(world.side)
    snapshots.take(touch)
    assert verdicts(touch) == {member.pk: "batch_too_small"}
    open_window(world.app, member, morning() + timedelta(hours=1))
    single = draft(world.side, channel="custom")
    snapshots.take(single)
    assert verdicts(single) == {member.pk: ""}


def test_of_several_reasons_the_first_in_the_documented_order_stands(world):
    member = make_member(
        world.side,
        phone="13800000003",
        is_following=False,
        opted_out_at=timezone.now(),
    )
    put(member, world.tags[3])
    contacted(world.side, member, 10)
    order = ["test_account", "opted_out", "unreachable", "month_quota"]
    assert order == sorted(order, key=reasons.ORDER.index)
    assert judge(world, member) == "test_account"
    member.member_tags.all().delete()
    assert judge(world, member) == "opted_out"
    member.opted_out_at = None
    member.save()
    assert judge(world, member) == "unreachable"
    member.identities.update(is_following=True)
    assert judge(world, member) == "month_quota"


def test_two_addresses_of_one_member_are_one_recipient(world):
    member = make_member(world.side)
    Identity.objects.create(
        member=member,
        controller=world.side.unit,
        kind="openid",
        account=world.account,
        value="another",
    )
    assert judge(world, member) == ""
    assert Recipient.objects.filter(member=member).count() == 1


def test_taking_it_again_replaces_it_and_the_counts_follow(world):
    for _number in range(3):
        make_member(world.side)
    touch = draft(world.side)
    assert snapshots.take(touch) == 3
    first = touch.snapshot_digest
    assert snapshots.take(touch) == 3
    assert touch.snapshot_digest == first
    make_member(world.side, is_following=False)
    assert snapshots.take(touch) == 4
    assert touch.snapshot_digest != first
    found = counts.of([touch.pk])[touch.pk]
    assert (found.planned, found.waiting, found.reasons) == (4, 3, {"unreachable": 1})


def test_nothing_is_taken_again_once_it_began(world):
    make_member(world.side)
    touch = draft(world.side)
    snapshots.take(touch)
    Touch.objects.filter(pk=touch.pk).update(started_at=timezone.now())
    with pytest.raises(NotInThisState):
        snapshots.take(touch)


# -- right before sending


def begun(world, people=3, **fields):
    members = [make_member(world.side) for _number in range(people)]
    if fields.get("channel") == "custom":
        for member in members:
            open_window(world.app, member, morning() + timedelta(hours=1))
    fields.setdefault("scheduled_at", None)
    touch = draft(world.side, **fields)
    snapshots.take(touch)
    assert set(verdicts(touch).values()) == {""}
    Touch.objects.filter(pk=touch.pk).update(state="in_review")
    Touch.objects.filter(pk=touch.pk).update(state="approved")
    Touch.objects.filter(pk=touch.pk).update(state="sending", started_at=timezone.now())
    touch.refresh_from_db()
    return touch, members


def test_who_changed_since_the_snapshot_is_left_out_right_before_sending(world):
    SystemSetting.objects.create(key="campaigns.quiet_from", value="00:00")
    SystemSetting.objects.create(key="campaigns.quiet_until", value="00:00")
    touch, members = begun(world, 8)
    gone, no, tester, full, renamed, one, *_rest = members
    gone.identities.update(is_following=False)
    no.opted_out_at = timezone.now()
    no.save()
    put(tester, world.tags[3])
    contacted(world.side, full, 2, at=timezone.now(), channel="custom")
    renamed.identities.update(value="new-address")
    twin = members[6]
    for each in (one, twin):
        each.phone_hash = "same"
        each.save()

    rows = Recipient.objects.filter(touch=touch)
    chunk = list(rows.exclude(member=members[7]).values_list("pk", flat=True))
    assert snapshots.recheck(touch, chunk) == 6
    assert snapshots.recheck(touch, chunk) == 0
    found = verdicts(touch)
    assert [found[each.pk] for each in members] == [
        "unreachable",
        "opted_out",
        "test_account",
        "frequency_cap",
        "unreachable",
        "",
        "duplicate_person",
        "",
    ]


def test_of_two_touches_that_run_at_once_the_earlier_one_writes(world):
    SystemSetting.objects.create(key="campaigns.cap_day", value=1)
    SystemSetting.objects.create(key="campaigns.quiet_from", value="00:00")
    SystemSetting.objects.create(key="campaigns.quiet_until", value="00:00")
    first, members = begun(world, 2)
    second = draft(world.side, scheduled_at=None)
    for member in members:
        Recipient.objects.create(touch=second, member=member, address=f"o{member.pk}")
    for state in ("in_review", "approved"):
        Touch.objects.filter(pk=second.pk).update(state=state)
    Touch.objects.filter(pk=second.pk).update(
        state="sending", started_at=timezone.now()
    )
    second.refresh_from_db()
    assert snapshots.recheck(first) == 0
    assert snapshots.recheck(second) == 2
    assert set(verdicts(second).values()) == {"frequency_cap"}


def test_who_is_left_alone_before_a_mass_send_is_left_out_too(world):
    SystemSetting.objects.create(key="campaigns.quiet_from", value="00:00")
    SystemSetting.objects.create(key="campaigns.quiet_until", value="00:00")
    touch, members = begun(world, 2)
    members[0].identities.update(is_following=False)
    assert snapshots.recheck(touch) == 2
    assert set(verdicts(touch).values()) == {"unreachable", "batch_too_small"}


def test_a_merged_away_record_gets_nothing(world):
    SystemSetting.objects.create(key="campaigns.quiet_from", value="00:00")
    SystemSetting.objects.create(key="campaigns.quiet_until", value="00:00")
    touch, members = begun(world, 4)
    merging.merge(members[0], members[1], actor=system_staff("test"))
    snapshots.recheck(touch)
    found = verdicts(touch)
    assert (found[members[0].pk], found[members[1].pk]) == ("", "duplicate_person")
