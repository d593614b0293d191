"""A touch on its way: to everybody once, paused, held, stopped, broken off."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import urlsplit

import pytest
from django.test import Client
from django.utils import timezone

from campaigns import feeding, sending
from campaigns.errors import NotInThisState
from campaigns.models import Recipient, Response, Touch
from core.models import AuditEntry, SystemSetting
from crm import complaints, consent, preference_links
from crm.models import Topic
from tests.campaigns.speaking import (
    World,
    check_sum,
    counts_of,
    never_quiet,
    quiet_now,
    states,
    turn,
    until_done,
)
from tests.conftest import build_staff
from wechat import mass, outcomes
from wechat.models import App, OutboundBatch, OutboundMessage

MASS = "message/mass/send"
CUSTOM = "message/custom/send"


# -- everybody once


def test_a_mass_touch_reaches_everybody_once_in_batches(world: World) -> None:
    world.people(7)
    touch = world.touch(batch_size=3)
    sending.start(touch, actor=world.boss)
    assert until_done(touch).state == "done"
    assert world.received(touch) == [1] * 7
    assert states(touch) == {("accepted", "")}
    # What went out stands in the calendar.
    assert [each.state for each in touch.version.slots.all()] == ["published"]
    # Nobody is left alone: 3, 2, 2 rather than 3, 3, 1.
    sizes = OutboundBatch.objects.order_by("number").values_list("size", flat=True)
    assert list(sizes) == [3, 2, 2]
    assert touch.finished_at
    assert Recipient.objects.filter(contacted_at=None).count() == 0


def test_without_a_size_of_its_own_a_touch_takes_that_of_the_setting(
    world: World,
) -> None:
    SystemSetting.objects.create(key="campaigns.mass_batch_size", value=2)
    world.people(4)
    touch = world.touch()
    sending.start(touch, actor=world.boss)
    until_done(touch)
    assert list(OutboundBatch.objects.values_list("size", flat=True)) == [2, 2]
    assert world.received(touch) == [1] * 4


def test_three_people_at_two_a_call_are_one_call(world: World) -> None:
    world.people(3)
    touch = world.touch(batch_size=2)
    sending.start(touch, actor=world.boss)
    until_done(touch)
    assert world.received(touch) == [1] * 3


def test_single_messages_reach_everybody_once(world: World) -> None:
    for _number in range(3):
        world.writer()
    closed = world.people(1)[0]
    touch = world.touch(channel="custom")
    sending.start(touch, actor=world.boss)
    assert until_done(touch).state == "done"
    assert world.received(touch) == [1] * 3
    assert counts_of(touch).sent == 3
    left = Recipient.objects.get(member=closed)
    assert (left.state, left.reason) == ("excluded", "window_closed")
    message = OutboundMessage.objects.first()
    assert message is not None
    assert message.dedupe_key.startswith(f"touch:{touch.pk}:")


def test_who_opts_out_after_the_start_is_left_out(world: World) -> None:
    members = world.people(4)
    touch = world.touch(batch_size=2)
    sending.start(touch, actor=world.boss)
    members[3].opted_out_at = timezone.now()
    members[3].save(update_fields=["opted_out_at"])
    until_done(touch)
    assert world.received(touch) == [1] * 3
    assert counts_of(touch).reasons == {"opted_out": 1}


def test_who_opts_out_of_a_planned_call_is_taken_out_of_it(world: World) -> None:
    members = world.people(4)
    touch = world.touch()
    sending.start(touch, actor=world.boss)
    feeding.drain(5)  # planned, not called yet
    members[0].opted_out_at = timezone.now()
    members[0].save(update_fields=["opted_out_at"])
    assert until_done(touch).state == "done"
    assert world.received(touch) == [1] * 3
    assert counts_of(touch).reasons == {"opted_out": 1}
    outcomes = OutboundBatch.objects.order_by("number")
    assert [each.reason_code for each in outcomes] == ["outdated", ""]


def test_a_choice_on_the_preference_page_holds_for_the_next_chunk(
    world: World,
) -> None:
    """One stops everything, one the topic, one the channel, while it goes out."""
    topic = Topic.objects.create(name="新品")
    world.people(8)
    touch = world.touch(batch_size=2, topic=topic)
    members = [each.member for each in touch.recipients.order_by("pk")]
    sending.start(touch, actor=world.boss)
    feeding.drain(5)  # two calls are planned, four people wait
    mass.drain(5)
    chosen = {"do": "save", "often": "0", "personal": "1"}
    for member, sent in (
        (members[4], {"do": "stop"}),
        (members[5], chosen | {"channel": ["mass", "custom"]}),
        (members[6], chosen | {"channel": ["custom"], "topic": [str(topic.pk)]}),
    ):
        address = preference_links.address_of(member)
        answer = Client().post(urlsplit(address).path, sent)
        assert answer.status_code == 302
    until_done(touch)
    found = counts_of(touch).reasons
    assert found["opted_out"] == found["topic_off"] == found["channel_off"] == 1
    assert sum(world.received(touch)) == 8 - sum(found.values())


def test_a_message_that_is_planned_asks_the_topic_once_more(world: World) -> None:
    topic = Topic.objects.create(name="新品")
    people = [world.writer() for _number in range(2)]
    touch = world.touch(channel="custom", topic=topic)
    sending.start(touch, actor=world.boss)
    feeding.drain(5)  # planned, not sent yet
    consent.withdraw(
        people[0],
        purpose="topic",
        topic=topic,
        actor=world.boss,
        at=timezone.now(),
        key="1",
        source="staff",
    )
    complaints.begin(people[1], reason="太多消息", actor=world.boss)
    until_done(touch)
    assert counts_of(touch).reasons == {"topic_off": 1, "complaint": 1}
    assert world.received(touch) == []


# -- two at once, and what holds it


def test_the_second_of_two_who_start_is_told_who_did(world: World) -> None:
    world.people(2)
    touch = world.touch()
    other = build_staff("ops_manager", org_unit=world.unit)
    sending.start(touch, actor=world.boss)
    with pytest.raises(sending.StartedAlready) as refused:
        sending.start(touch, actor=other)
    assert world.boss.display_name in str(refused.value)
    assert AuditEntry.objects.filter(action="campaigns.touch.started").count() == 1


def test_an_app_that_is_off_holds_its_touch_and_no_other_work(world: World) -> None:
    world.people(2)
    touch = world.touch()
    quiet_now()
    sending.start(touch, actor=world.boss)
    never_quiet()
    App.objects.update(is_active=False)
    Touch.objects.filter(pk=touch.pk).update(resumes_at=timezone.now())
    turn()
    touch.refresh_from_db()
    assert (touch.state, touch.reason_code) == ("held", "account_closed")
    App.objects.update(is_active=True)
    sending.release(touch, actor=world.boss)
    assert until_done(touch).state == "done"
    assert world.received(touch) == [1, 1]


def test_too_late_is_left_out_and_said(world: World) -> None:
    world.people(4)
    touch = world.touch(batch_size=2)
    sending.start(touch, actor=world.boss)
    Touch.objects.filter(pk=touch.pk).update(
        valid_until=timezone.now() - timedelta(seconds=1)
    )
    assert until_done(touch).state == "done"
    assert counts_of(touch).reasons == {"expired": 4}


# -- pause, resume, stop


def test_a_pause_stands_still_and_goes_on(world: World) -> None:
    world.people(6)
    touch = world.touch(batch_size=2)
    sending.start(touch, actor=world.boss)
    feeding.drain(5)
    sending.pause(touch, actor=world.boss, reason="价格写错了吗")
    before = world.sandbox.last_call()
    turn(2)
    assert world.sandbox.calls(MASS, before) == []
    with pytest.raises(NotInThisState):
        sending.pause(touch, actor=world.boss)
    sending.resume(touch, actor=world.boss)
    assert until_done(touch).state == "done"
    assert world.received(touch) == [1] * 6


@pytest.mark.parametrize("channel", ["mass", "custom"])
def test_a_stop_leaves_out_whoever_waits(channel: str, world: World) -> None:
    world.people(5, may_reply=True)
    touch = world.touch(channel=channel, batch_size=2)
    sending.start(touch, actor=world.boss)
    feeding.drain(5)
    sending.stop(touch, actor=world.boss, reason="出错了")
    before = world.sandbox.last_call()
    turn(2)
    assert world.sandbox.calls(MASS, before) == []
    assert world.sandbox.calls(CUSTOM, before) == []
    assert states(touch) == {("excluded", "stopped")}
    touch.refresh_from_db()
    check_sum(touch)
    assert touch.finished_at
    actions = AuditEntry.objects.filter(target_id=str(touch.pk))
    assert actions.filter(action="campaigns.touch.stopped", actor=world.boss).exists()


def test_an_account_that_goes_off_in_the_middle_holds_the_touch(world: World) -> None:
    world.people(4)
    touch = world.touch(batch_size=2)
    sending.start(touch, actor=world.boss)
    account = world.app.account
    account.state = "paused"
    account.save(update_fields=["state"])
    turn()
    touch.refresh_from_db()
    assert (touch.state, touch.reason_code) == ("held", "account_closed")
    with pytest.raises(sending.AccountNotLive):
        sending.release(touch, actor=world.boss)
    account.state = "live"
    account.save(update_fields=["state"])
    sending.release(touch, actor=world.boss)
    assert until_done(touch).state == "done"
    assert world.received(touch) == [1] * 4


# -- the breaker


def test_too_many_errors_pause_it(world: World) -> None:
    world.people(6)
    touch = world.touch(batch_size=2)
    sending.start(touch, actor=world.boss)
    batch_failed(world, touch)
    turn()
    touch.refresh_from_db()
    assert (touch.state, touch.reason_code) == ("paused", "breaker_errors")
    # A person looked at it: what was before counts no more.
    sending.resume(touch, actor=world.boss)
    assert until_done(touch).state == "done"


def batch_failed(world: World, touch: Touch) -> None:
    from wechat import runs

    run = sending.run_of(touch)
    assert run is not None
    batch = runs.plan_batch(
        run,
        number=99,
        kind="text",
        payload={"text": "x"},
        openids=["a"] * 20,
        reference="0-0",
    )
    OutboundBatch.objects.filter(pk=batch.pk).update(
        state="failed", reason_code="errcode_40007"
    )


def test_too_many_opt_outs_pause_it(world: World) -> None:
    members = world.people(102)
    touch = world.touch(batch_size=100)
    sending.start(touch, actor=world.boss)
    from campaigns import feeding
    from wechat import mass

    feeding.feed(touch.pk)
    mass.drain(5)
    first = Recipient.objects.filter(touch=touch, state="accepted").first()
    assert first is not None
    for number in range(2):
        Response.objects.create(
            touch=touch,
            recipient=first,
            member=members[number],
            kind="opt_out",
            source=f"{number}",
            at=timezone.now(),
        )
    turn()
    touch.refresh_from_db()
    assert (touch.state, touch.reason_code) == ("paused", "breaker_opt_outs")


# -- what nobody knows


def test_an_answer_that_never_came_ends_with_everybody_once(world: World) -> None:
    world.people(4)
    touch = world.touch(batch_size=2)
    world.sandbox.fault(MASS, "accept_then_cut")
    sending.start(touch, actor=world.boss)
    assert until_done(touch).state == "done"
    assert world.received(touch) == [1] * 4
    assert states(touch) == {("accepted", "")}


def test_what_the_platform_dropped_afterwards_has_failed(world: World) -> None:
    from tests.wechat.outbound.test_mass import finish

    world.people(2)
    touch = world.touch()
    sending.start(touch, actor=world.boss)
    until_done(touch)
    batch = OutboundBatch.objects.get()
    batch.total_count = batch.finished_at = None
    batch.save(update_fields=["total_count", "finished_at"])
    from wechat.models import MassOutcome

    MassOutcome.objects.all().delete()
    finish(world.app, batch, "err(40001)")
    assert states(touch) == {("failed", "mass_refused")}
    touch.refresh_from_db()
    check_sum(touch)


def test_an_unknown_single_message_can_be_sent_again_by_two_people(
    world: World,
) -> None:
    from wechat import resolving

    world.writer()
    touch = world.touch(channel="custom")
    world.sandbox.fault(CUSTOM, "cut")
    sending.start(touch, actor=world.boss)
    assert until_done(touch).state == "done"
    assert counts_of(touch).unknown == 1
    message = OutboundMessage.objects.get()
    other = build_staff("ops_manager", org_unit=world.unit)
    asked = resolving.ask(message, "send_again", actor=world.boss, reason="没收到")
    resolving.decide(asked, actor=other, is_yes=True)
    touch.refresh_from_db()
    assert (touch.state, counts_of(touch).waiting) == ("sending", 1)
    assert until_done(touch).state == "done"
    assert counts_of(touch).sent == 1


def test_the_late_word_that_nothing_was_sent_lets_it_be_sent(world: World) -> None:
    world.writer()
    touch = world.touch(channel="custom")
    world.sandbox.fault(CUSTOM, "cut")
    sending.start(touch, actor=world.boss)
    assert until_done(touch).state == "done"
    message = OutboundMessage.objects.get()
    assert (message.state, counts_of(touch).unknown) == ("unknown", 1)
    outcomes.record(message.attempt, outcomes.Verdict("planned", code="rate_used"))
    assert (counts_of(touch).unknown, counts_of(touch).waiting) == (0, 1)
    assert until_done(touch).state == "done"
    assert counts_of(touch).sent == 1
    assert world.received(touch) == [1]
