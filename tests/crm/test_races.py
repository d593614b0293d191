"""Writes that several workers or people make at the same moment."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from core.models import AuditEntry, SystemSetting
from crm import consent, profiles, purging, revealing
from crm.errors import TooManyReveals
from crm.models import ConsentEntry, Identity, Member
from staff.accounts import system_staff
from tests.conftest import build_staff
from tests.crm.conftest import build_world, deliver_now

pytestmark = pytest.mark.usefixtures("transactional_db")
HANDS = 4


def at_once(*works):
    """Run the works in as many threads, each on a connection of its own."""
    gate = threading.Barrier(len(works))

    def run(work):
        gate.wait()
        try:
            return work()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(works)) as pool:
        return [job.result(60) for job in [pool.submit(run, w) for w in works]]


def test_following_again_while_the_purge_runs_leaves_a_living_member():
    world = build_world()
    people = [f"openid-{number}" for number in range(8)]
    for openid in people:
        long_ago = timezone.now() - timedelta(days=40)
        deliver_now(world.service, "mp.event.unsubscribe", openid, at=long_ago)

    def come_back():
        for openid in people:
            deliver_now(world.service, "mp.event.subscribe", openid)

    at_once(purging.drain, come_back, purging.drain)

    # Kept, or forgotten and known anew: never both, never neither.
    assert Identity.objects.filter(is_following=True).count() == len(people)
    alive = Member.objects.filter(identities__isnull=False)
    assert alive.count() == len(people)
    assert not alive.filter(purged_at__isnull=False).exists()
    purged = Member.objects.filter(purged_at__isnull=False).count()
    assert AuditEntry.objects.filter(action="crm.member.purged").count() == purged


def test_one_message_handled_twice_at_once_is_one_consent_entry():
    world = build_world()
    deliver_now(world.service, "mp.event.subscribe", "o1")
    member, actor = Member.objects.get(), system_staff("test")

    def opt_out():
        return consent.withdraw(
            Member.objects.get(pk=member.pk),
            actor=actor,
            at=timezone.now(),
            key="inbound:1",
            source="message",
        )

    assert sum(at_once(*[opt_out] * HANDS)) == 1
    assert ConsentEntry.objects.count() == 1


def test_the_limit_of_reveals_holds_for_many_tabs():
    world = build_world()
    SystemSetting.objects.create(key="reveals_per_hour", value=3)
    actor = build_staff("supervisor", org_unit=world.brand)
    member = Member.objects.create(
        controller=world.brand, display_name="林小满", phone="13812345678"
    )

    def look():
        seen = 0
        for _ in range(3):
            try:
                revealing.reveal(member, actor=actor, reason="回电")
            except TooManyReveals:
                continue
            seen += 1
        return seen

    assert sum(at_once(*[look] * HANDS)) == 3
    assert AuditEntry.objects.filter(action=revealing.ACTION).count() == 3


def test_a_profile_is_asked_for_by_one_worker_only():
    world = build_world()
    for number in range(30):
        deliver_now(world.service, "mp.event.subscribe", f"o{number}")

    claimed = at_once(*[profiles.claim] * HANDS)

    taken = [identity.pk for batch in claimed for identity in batch]
    assert len(taken) == len(set(taken)) == 30
