"""Learning from the platforms who somebody is."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from crm import profiles
from crm.models import Event, Identity, Member
from tests.crm.conftest import deliver_now
from tests.wechat.outbound.conftest import build_app


@pytest.fixture
def accounts(db, sandbox):
    return build_app(sandbox).account, build_app(sandbox, "wecom").account


def follow_and_befriend(sandbox, accounts):
    service, wecom = accounts
    person = sandbox.person()
    sandbox.follows(person, service.slug)
    sandbox.ask(f"people/{person['id']}/add", {"colleague": "zhangsan"})
    person = sandbox.ask(f"people/{person['id']}")
    deliver_now(service, "mp.event.subscribe", person["openid"][service.slug])
    deliver_now(
        wecom,
        "wecom.event.change_external_contact.add_external_contact",
        person["external_userid"],
        UserID="zhangsan",
    )
    return person


def test_the_unionid_proves_that_two_members_are_one(sandbox, accounts):
    person = follow_and_befriend(sandbox, accounts)
    assert Member.objects.count() == 2

    assert profiles.drain() == 2

    member = Member.objects.known().get()
    assert member.display_name == person["name"]
    assert set(member.identities.values_list("kind", flat=True)) == {
        "openid",
        "unionid",
        "external_userid",
    }
    assert member.relations.get().colleague.userid == "zhangsan"
    assert {"follow", "friend.added", "merged", "profile.named"} <= set(
        Event.objects.filter(member=member).values_list("kind", flat=True)
    )
    assert not Identity.objects.filter(profile_due_at__isnull=False).exists()
    assert profiles.drain() == 0


def test_asking_again_after_a_profile_is_known_changes_nothing(sandbox, accounts):
    follow_and_befriend(sandbox, accounts)
    profiles.drain()
    lines = Event.objects.count()
    Identity.objects.exclude(kind="unionid").update(profile_due_at=timezone.now())
    profiles.drain()
    assert Member.objects.known().count() == 1
    assert Event.objects.count() == lines


def test_a_platform_that_fails_is_asked_again_later(sandbox, accounts):
    person = sandbox.person()
    sandbox.follows(person, accounts[0].slug)
    deliver_now(accounts[0], "mp.event.subscribe", person["openid"][accounts[0].slug])
    sandbox.fault("user/info/batchget", "http_502", 5)

    assert profiles.drain() == 0

    identity = Identity.objects.get()
    assert identity.profile_due_at > timezone.now()
    assert identity.profile_tries == 1
    sandbox.clear_faults()
    Identity.objects.update(profile_due_at=timezone.now() - timedelta(seconds=1))
    assert profiles.drain() == 1


def test_a_stranger_to_the_platform_does_not_stop_the_others(sandbox, accounts):
    person = sandbox.person()
    sandbox.follows(person, accounts[0].slug)
    deliver_now(accounts[0], "mp.event.subscribe", person["openid"][accounts[0].slug])
    deliver_now(
        accounts[1], "kf.message.text", "wmUnknownToTheCorp", text={"content": "?"}
    )
    profiles.drain()
    assert not Identity.objects.filter(profile_due_at__isnull=False).exists()
    assert Identity.objects.filter(kind="unionid").count() == 1


def test_customer_service_knows_the_name_of_who_is_nobodys_contact(sandbox, accounts):
    person = sandbox.person()
    kf = sandbox.account("wecom")["kf_accounts"][0]["open_kfid"]
    sandbox.ask(f"people/{person['id']}/kf", {"open_kfid": kf, "text": "在吗"})
    who = sandbox.ask(f"people/{person['id']}")["external_userid"]
    deliver_now(accounts[1], "kf.message.text", who, text={"content": "在吗"})
    profiles.drain()
    assert Member.objects.get().display_name == person["name"]


def test_an_openid_the_platform_does_not_know_holds_nobody_up(sandbox, accounts):
    service = accounts[0]
    people = [sandbox.person() for _ in range(3)]
    for person in people:
        sandbox.follows(person, service.slug)
        deliver_now(service, "mp.event.subscribe", person["openid"][service.slug])
    deliver_now(service, "mp.message.text", "oUnknownToTheAccount", Content="hi")

    profiles.drain()

    assert not Identity.objects.filter(profile_due_at__isnull=False).exists()
    assert Identity.objects.filter(kind="unionid").count() == len(people)


def test_an_app_that_may_not_call_makes_nobody_a_stranger(sandbox, accounts):
    follow_and_befriend(sandbox, accounts)
    sandbox.fault("externalcontact/get", "ip", 50)
    profiles.drain()
    waiting = Identity.objects.filter(kind="external_userid")
    assert waiting.get().profile_due_at is not None
    sandbox.clear_faults()
    waiting.update(profile_due_at=timezone.now())
    profiles.drain()
    assert Member.objects.known().count() == 1


def test_an_event_of_a_clock_ahead_of_ours_is_asked_about_at_once(sandbox, accounts):
    person = sandbox.person()
    sandbox.follows(person, accounts[0].slug)
    openid = person["openid"][accounts[0].slug]
    ahead = timezone.now() + timedelta(days=2)
    deliver_now(accounts[0], "mp.event.subscribe", openid, at=ahead)
    assert profiles.drain() == 1
