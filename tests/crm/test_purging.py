"""Forgetting people who left."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from core.models import AuditEntry, SystemSetting
from crm import complaints, members, purging, registry
from crm.errors import MemberGone
from crm.models import Event, Identity, Member, Tombstone
from staff.accounts import system_staff
from wechat.models import InboundEvent, OutboundMessage

SECRET = "林小满的秘密"


def leave(world, deliver, days_ago: int):
    now = timezone.now()
    then = now - timedelta(days=days_ago)
    deliver(
        world.service,
        "mp.message.text",
        "openid-of-lin",
        at=then - timedelta(hours=1),
        Content=SECRET,
    )
    deliver(world.service, "mp.event.unsubscribe", "openid-of-lin", at=then)
    return Member.objects.get()


def test_unfollowing_starts_the_clock_and_following_again_stops_it(world, deliver):
    member = leave(world, deliver, days_ago=1)
    assert not member.is_reachable
    assert member.purge_due_at == member.unreachable_at + timedelta(days=30)

    deliver(world.service, "mp.event.subscribe", "openid-of-lin")

    member.refresh_from_db()
    assert member.is_reachable
    assert member.purge_due_at is None


def test_the_clock_is_a_setting(world, deliver):
    SystemSetting.objects.create(key="purge_after_days", value=7)
    member = leave(world, deliver, days_ago=1)
    assert member.purge_due_at == member.unreachable_at + timedelta(days=7)


def test_somebody_reachable_elsewhere_is_not_on_the_clock(world, deliver):
    from crm import merging

    deliver(world.service, "mp.event.subscribe", "o1")
    deliver(world.sub, "mp.event.subscribe", "o2")
    one, other = Member.objects.order_by("pk")
    merging.merge(one, other, actor=system_staff("test"))

    deliver(world.service, "mp.event.unsubscribe", "o1")

    one.refresh_from_db()
    assert one.is_reachable
    assert one.purge_due_at is None


def test_a_purge_leaves_nothing_that_tells_who_it_was(world, deliver):
    member = leave(world, deliver, days_ago=31)
    actor = system_staff("test")
    members.change_remark(member, "静安的林小姐", actor=actor)
    OutboundMessage.objects.create(
        app=world.service.apps.get(),
        channel="mp_custom",
        recipient="openid-of-lin",
        payload={"text": SECRET},
        dedupe_key="x:openid-of-lin",
        purpose="content.answer",
        created_by=actor,
    )

    assert purging.drain() == 1

    member.refresh_from_db()
    assert member.purged_at is not None
    assert (member.remark, member.name_tokens) == ("", [])
    assert not Identity.objects.exists()
    assert Tombstone.objects.count() == 1
    kept = [
        *Event.objects.values_list("data", "key"),
        *InboundEvent.objects.values_list("dedupe_key", "subject"),
        *OutboundMessage.objects.values_list("payload", "recipient", "dedupe_key"),
        *AuditEntry.objects.values_list("before", "after", "target_label"),
        *Member.objects.values_list("display_name", "remark"),
    ]
    assert SECRET not in repr(kept)
    assert "openid-of-lin" not in repr(kept)
    assert "林小姐" not in repr(kept)
    assert all(not event.body for event in InboundEvent.objects.all())
    assert AuditEntry.objects.filter(action="crm.member.purged").count() == 1
    assert purging.drain() == 0


def test_apps_above_erase_theirs_while_the_identities_still_stand(
    world, deliver, monkeypatch
):
    seen = []
    monkeypatch.setattr(
        registry,
        "_on_purge",
        [lambda member: seen.append(list(member.identities.values_list("value")))],
    )
    leave(world, deliver, days_ago=31)
    purging.drain()
    assert seen == [[("openid-of-lin",)]]


def test_one_that_fails_does_not_stop_the_others(world, deliver, monkeypatch):
    leave(world, deliver, days_ago=31)
    deliver(
        world.sub, "mp.event.unsubscribe", "o9", at=timezone.now() - timedelta(days=40)
    )
    bad = Member.objects.order_by("pk").first()

    def refuse(member):
        if member.pk == bad.pk:
            raise RuntimeError

    monkeypatch.setattr(registry, "_on_purge", [refuse])
    assert purging.drain() == 1
    bad.refresh_from_db()
    assert bad.purged_at is None


@pytest.mark.parametrize(
    "kind",
    ["mp.event.user_authorization_revoke", "mp.event.user_authorization_cancellation"],
)
def test_taking_back_the_authorisation_starts_the_clock(world, deliver, kind):
    deliver(world.service, "mp.event.subscribe", "o1")
    deliver(world.service, kind, "o1", OpenID="o1", AppID="wx1", RevokeInfo="1")
    member = Member.objects.get()
    assert member.purge_due_at is not None
    assert member.consent_entries.get().purpose == "profile"
    assert member.opted_out_at is None


def test_nobody_writes_about_a_purged_person_from_a_page_left_open(
    world, deliver, client, make_staff
):
    member = leave(world, deliver, days_ago=31)
    staff = make_staff("ops_manager", org_unit=world.brand)
    purging.drain()
    client.force_login(staff)
    address = reverse("admin:crm_member_change", args=[member.pk])
    for name, words in (
        ("remark", {"remark": "静安的林小姐"}),
        ("notes", {"text": "静安的林小姐"}),
        ("complaint", {"reason": "静安的林小姐", "begin": "1"}),
    ):
        client.post(address.replace("/change/", f"/{name}/"), words)
    member.refresh_from_db()
    assert member.remark == ""
    assert not member.notes.exists()
    assert not member.complaints.exists()
    with pytest.raises(MemberGone):
        complaints.begin(member, reason="静安的林小姐", actor=staff)
