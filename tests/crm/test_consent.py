"""The ledger of yes and no."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from crm import consent
from crm.models import ConsentEntry, Event, Member
from staff.accounts import system_staff
from wechat.models import OutboundMessage
from wechat.registry import veto_for


@pytest.fixture
def member(world, deliver):
    deliver(world.service, "mp.event.subscribe", "o1")
    return Member.objects.get()


def say(member, verb, key, at):
    return getattr(consent, verb)(
        member, actor=system_staff("test"), at=at, key=key, source="message"
    )


def test_opting_out_twice_by_one_message_is_one_entry(member):
    now = timezone.now()
    assert say(member, "withdraw", "inbound:1", now)
    assert not say(member, "withdraw", "inbound:1", now)
    member.refresh_from_db()
    assert member.opted_out_at == now
    assert ConsentEntry.objects.count() == 1
    assert Event.objects.filter(kind="consent.withdrawn").count() == 1


def test_the_newest_word_holds_whatever_the_order_of_arrival(member):
    now = timezone.now()
    say(member, "grant", "inbound:2", now)
    say(member, "withdraw", "inbound:1", now - timedelta(minutes=1))
    member.refresh_from_db()
    assert member.opted_out_at is None


def test_marketing_to_somebody_who_opted_out_is_vetoed_and_answers_are_not(
    member, world
):
    say(member, "withdraw", "inbound:1", timezone.now())
    message = OutboundMessage(
        app=world.service.apps.get(), recipient="o1", purpose="campaigns.touch"
    )
    veto = veto_for(message)
    assert veto is not None
    assert veto.code == "opted_out"
    message.purpose = "service.reply"
    assert veto_for(message) is None
