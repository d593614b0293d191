"""Who somebody is, from the first callback on."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.utils import timezone

from crm import identities
from crm.inbound import hear
from crm.models import Event, Identity, Member, Tombstone
from tests.crm.conftest import build_world, deliver_now, work_off
from wechat import inbox


def test_a_follower_becomes_a_member_with_a_readable_name(world, deliver):
    deliver(
        world.service,
        "mp.event.subscribe",
        "oia2TjjewbmiOUlr6X-1crbLOvLw",
        EventKey="qrscene_门店A",
    )

    member = Member.objects.get()
    identity = member.identities.get()
    assert member.display_name == "微信用户 · 尾号 OvLw"
    assert member.controller == world.brand
    assert identity.is_following
    assert identity.scene == "门店A"
    assert identity.profile_due_at is not None
    line = Event.objects.get()
    assert (line.kind, line.data["scene"]) == ("follow", "门店A")


def test_the_same_person_on_two_accounts_is_two_members_until_proven_one(
    world, deliver
):
    deliver(world.service, "mp.message.text", "o1", Content="你好")
    deliver(world.sub, "mp.message.text", "o1", Content="你好")
    assert Member.objects.count() == 2


def test_the_same_openid_at_a_dealer_is_another_member(world, deliver):
    deliver(world.service, "mp.message.text", "o1", Content="你好")
    deliver(world.dealer_service, "mp.message.text", "o1", Content="你好")

    assert set(Member.objects.values_list("controller", flat=True)) == {
        world.brand.pk,
        world.dealer.pk,
    }


def test_a_replayed_event_changes_nothing(world, deliver, make_staff):
    event = deliver(world.service, "mp.message.text", "o1", Content="在吗")

    inbox.replay(event, actor=make_staff("administrator"))
    work_off()

    event.refresh_from_db()
    assert event.state == "done"
    assert Member.objects.count() == 1
    assert Event.objects.count() == 1


def test_events_in_any_order_leave_the_newest_state(world, deliver):
    now = timezone.now()
    deliver(world.service, "mp.event.unsubscribe", "o1", at=now)
    deliver(world.service, "mp.event.subscribe", "o1", at=now - timedelta(seconds=5))

    identity = Identity.objects.get()
    assert not identity.is_following
    assert Event.objects.count() == 2


def test_a_late_event_does_not_revive_a_purged_person(world, deliver):
    account, purged_at = world.service, timezone.now()
    Tombstone.objects.create(
        controller=world.brand,
        digest=identities.digest("openid", account.pk, "o1"),
        left_at=purged_at - timedelta(hours=1),
        purged_at=purged_at,
    )

    late = purged_at - timedelta(days=1)
    deliver(account, "mp.message.text", "o1", at=late, Content="旧消息")
    assert not Member.objects.exists()

    deliver(account, "mp.event.subscribe", "o1", at=purged_at + timedelta(hours=1))
    assert Member.objects.get().identities.get().is_following


def test_text_that_postgresql_cannot_store_is_cleaned(world, deliver):
    deliver(
        world.wecom,
        "kf.message.text",
        "wm1",
        text={"content": "a\x00b\ud800\u202ec<script>"},
    )
    assert (
        Event.objects.get(kind="message.text").data["text"]
        == "a\ufffdb\ufffd c<script>"
    )


def test_a_text_of_a_known_member_needs_few_queries(
    world, deliver, django_assert_num_queries
):
    event = deliver(world.service, "mp.message.text", "o1", Content="一")
    event.pk += 1000
    inbound = inbox.inbound_of(event, event.app)
    assert inbound.account.org_unit  # read once per drain
    with transaction.atomic(), django_assert_num_queries(2):
        hear(inbound)


@pytest.mark.usefixtures("transactional_db")
def test_first_events_at_once_from_several_workers_make_one_member():
    world = build_world()
    people, workers = 10, 6
    gate = threading.Barrier(workers)

    def work(number: int) -> None:
        gate.wait()
        for person in range(people):
            deliver_now(
                world.service, "mp.message.text", f"o{person}", Content=f"第{number}条"
            )
        connection.close()

    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(work, range(workers)))

    assert Member.objects.count() == people
    assert Identity.objects.count() == people
    written = Event.objects.filter(kind="message.text")
    assert written.count() == people * workers
