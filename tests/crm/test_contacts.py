"""WeCom friendships: added, halved, welcomed, deleted, in any order."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from content.models import AnswerRule
from crm.models import Event, Member, Relation
from wechat.models import OutboundMessage

CONTACT = "wecom.event.change_external_contact"
WHO = "wmJ8QxCwAAb3mVtK5uYh0RnPzLsE7dGA"


@pytest.fixture
def act(world, deliver):
    def act(change, at=None, who=WHO, **fields):
        fields = {"UserID": "zhangsan", **fields}
        return deliver(world.wecom, f"{CONTACT}.{change}", who, at=at, **fields)

    return act


@pytest.fixture
def rule(world):
    return AnswerRule.objects.create(
        account=world.wecom,
        name="欢迎语",
        occasion="welcome",
        reply_text="您好，我是您的专属顾问",
    )


def test_a_new_friend_is_a_member_with_a_relation_and_a_welcome(act, rule):
    at = timezone.now().replace(microsecond=0)
    act("add_external_contact", at, State="qr_门店A_导购03", WelcomeCode="W1")

    relation = Relation.objects.get()
    assert relation.channel_state == "qr_门店A_导购03"
    assert relation.added_at == at
    assert relation.member.identities.get().is_following
    message = OutboundMessage.objects.get()
    assert message.channel == "wecom_welcome"
    assert message.purpose == "content.welcome"
    assert message.payload == {"welcome_code": "W1", "text": rule.reply_text}
    assert message.expires_at == at + timedelta(seconds=20)
    assert Event.objects.get().data["welcome"] == "欢迎语"


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_a_half_and_a_whole_adding_send_one_welcome(act, rule, order):
    now = timezone.now()
    steps = [
        ("add_half_external_contact", now - timedelta(seconds=5), "WHALF"),
        ("add_external_contact", now - timedelta(seconds=2), "WFULL"),
    ]
    for index in order:
        change, at, code = steps[index]
        act(change, at, WelcomeCode=code)
    assert OutboundMessage.objects.count() == 1
    assert Relation.objects.get().state == "active"


def test_a_half_added_friend_is_pending(act):
    act("add_half_external_contact")
    assert Relation.objects.get().state == "pending"


def test_too_late_for_a_welcome_is_said_and_not_sent(act, rule):
    act("add_external_contact", timezone.now() - timedelta(minutes=1), WelcomeCode="W")
    assert not OutboundMessage.objects.exists()
    assert Event.objects.get().data["welcome"] == "late"


@pytest.mark.parametrize(
    ("change", "state"),
    [("del_external_contact", "by_colleague"), ("del_follow_user", "by_member")],
)
def test_a_deletion_is_recorded_with_its_direction(act, change, state):
    now = timezone.now()
    act("add_external_contact", now - timedelta(hours=1))
    act(change, now)
    assert Relation.objects.get().state == state
    member = Member.objects.get()
    assert not member.is_reachable
    assert member.purge_due_at is not None


def test_a_friend_of_another_colleague_stays_reachable(act):
    now = timezone.now()
    act("add_external_contact", now - timedelta(hours=2), UserID="zhangsan")
    act("del_follow_user", now, UserID="zhangsan")
    # Its callback comes late.
    act("add_external_contact", now - timedelta(hours=1), UserID="lisi")
    member = Member.objects.get()
    assert member.is_reachable
    assert member.identities.get().is_following


def test_adding_again_after_a_deletion_welcomes_again(act, rule):
    now = timezone.now()
    act("add_external_contact", now - timedelta(seconds=9), WelcomeCode="W1")
    act("del_follow_user", now - timedelta(seconds=6))
    act("add_external_contact", now - timedelta(seconds=3), WelcomeCode="W2")
    assert OutboundMessage.objects.count() == 2
    assert Relation.objects.get().state == "active"


def test_other_contact_events_stand_in_the_history(act):
    now = timezone.now()
    act("add_external_contact", now - timedelta(hours=1))
    act("edit_external_contact", now)
    act("transfer_fail", now, FailReason="customer_refused")
    act("msg_audit_approved", now)
    kinds = set(Event.objects.values_list("kind", flat=True))
    assert kinds == {
        "friend.added",
        "friend.edited",
        "friend.transfer_failed",
        "friend.archive_agreed",
    }


def test_the_follower_of_an_official_account_is_greeted_once(world, deliver):
    rule = AnswerRule.objects.create(
        account=world.service, name="问候语", occasion="follow", reply_text="欢迎"
    )
    deliver(world.service, "mp.event.subscribe", "o1")
    message = OutboundMessage.objects.get()
    assert (message.channel, message.recipient) == ("mp_custom", "o1")
    assert (message.purpose, message.reference) == ("content.greeting", str(rule.pk))
    late = timezone.now() - timedelta(minutes=2)
    deliver(world.service, "mp.event.subscribe", "o2", at=late)
    assert OutboundMessage.objects.count() == 1
    assert Event.objects.filter(data__greeting="late").count() == 1
