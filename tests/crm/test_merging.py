"""Two records that turn out to be one person."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from core.models import AuditEntry
from crm import consent, merging, registry
from crm.errors import DifferentControllers, NotMergeable
from crm.models import ConsentEntry, Event, Identity, Member, Relation
from staff.accounts import system_staff
from tests.crm.conftest import build_world, deliver_now
from wechat.models import Colleague


def two_members(world, deliver):
    deliver(world.service, "mp.event.subscribe", "o1")
    deliver(world.sub, "mp.message.text", "o2", Content="在吗")
    return Member.objects.order_by("pk")


def test_everything_follows_the_person(world, deliver):
    kept, gone = two_members(world, deliver)
    actor = system_staff("test")
    colleague = Colleague.objects.create(account=world.wecom, userid="zhoumin")
    Relation.objects.create(member=gone, colleague=colleague, remark="林小姐")
    gone.display_name, gone.is_placeholder_name = "林小满", False
    gone.save()
    consent.withdraw(gone, actor=actor, at=timezone.now(), key="k", source="staff")

    merging.merge(kept, gone, actor=actor)

    kept.refresh_from_db()
    gone.refresh_from_db()
    assert gone.merged_into == kept
    assert set(kept.identities.values_list("value", flat=True)) == {"o1", "o2"}
    assert Event.objects.filter(member=gone).count() == 0
    assert {"follow", "message.text", "merged"} <= set(
        Event.objects.filter(member=kept).values_list("kind", flat=True)
    )
    assert kept.relations.get().remark == "林小姐"
    assert kept.display_name == "林小满"
    assert kept.opted_out_at is not None
    assert ConsentEntry.objects.get().member == kept
    assert AuditEntry.objects.filter(action="crm.member.merged").count() == 1


def test_later_messages_reach_the_member_who_stands(world, deliver):
    kept, gone = two_members(world, deliver)
    merging.merge(kept, gone, actor=system_staff("test"))

    deliver(world.sub, "mp.message.text", "o2", Content="还在吗")

    assert Member.objects.count() == 2
    assert Event.objects.filter(member=kept, kind="message.text").count() == 2


def test_dealers_are_never_merged_with_the_brand(world, deliver):
    deliver(world.service, "mp.event.subscribe", "o1")
    deliver(world.dealer_service, "mp.event.subscribe", "o1")
    one, other = Member.objects.order_by("pk")
    with pytest.raises(DifferentControllers):
        merging.merge(one, other, actor=system_staff("test"))


def test_a_purged_member_is_not_merged(world, deliver):
    kept, gone = two_members(world, deliver)
    Member.objects.filter(pk=gone.pk).update(purged_at=timezone.now())
    with pytest.raises(NotMergeable):
        merging.merge(kept, gone, actor=system_staff("test"))


def test_merging_again_changes_nothing(world, deliver):
    kept, gone = two_members(world, deliver)
    actor = system_staff("test")
    merging.merge(kept, gone, actor=actor)
    assert merging.merge(kept, gone, actor=actor) == kept
    assert AuditEntry.objects.filter(action="crm.member.merged").count() == 1


def test_the_friendship_that_changed_last_holds(world, deliver):
    kept, gone = two_members(world, deliver)
    colleague = Colleague.objects.create(account=world.wecom, userid="zhoumin")
    now = timezone.now()
    Relation.objects.create(
        member=kept,
        colleague=colleague,
        state="by_member",
        added_at=now - timedelta(days=9),
        ended_at=now - timedelta(days=5),
    )
    Relation.objects.create(member=gone, colleague=colleague, added_at=now)
    merging.merge(kept, gone, actor=system_staff("test"))
    assert kept.relations.get().state == "active"


def test_apps_above_move_their_rows_in_the_same_transaction(
    world, deliver, monkeypatch
):
    told = []
    monkeypatch.setattr(
        registry, "_on_merge", [lambda kept, gone, actor: told.append((kept, gone))]
    )
    kept, gone = two_members(world, deliver)
    merging.merge(kept, gone, actor=system_staff("test"))
    assert told == [(kept, gone)]


@pytest.mark.usefixtures("transactional_db")
def test_merging_while_both_write_loses_no_line_and_does_not_lock_up():
    world = build_world()
    deliver_now(world.service, "mp.message.text", "o1", Content="一")
    deliver_now(world.sub, "mp.message.text", "o2", Content="一")
    kept, gone = Member.objects.order_by("pk")
    actor = system_staff("test")
    gate = threading.Barrier(4)

    def write(account, openid):
        gate.wait()
        for number in range(15):
            deliver_now(account, "mp.message.text", openid, Content=str(number))
        connection.close()

    def merge(one, other):
        gate.wait()
        merging.merge(one, other, actor=actor)
        connection.close()

    with ThreadPoolExecutor(4) as pool:
        jobs = [
            pool.submit(write, world.service, "o1"),
            pool.submit(write, world.sub, "o2"),
            pool.submit(merge, kept, gone),
            pool.submit(merge, gone, kept),
        ]
        for job in jobs:
            job.result(timeout=60)

    standing = Member.objects.get(merged_into=None)
    assert Identity.objects.filter(member=standing).count() == 2
    assert Event.objects.exclude(member=standing).count() == 0
    assert Event.objects.filter(kind="message.text").count() == 32
