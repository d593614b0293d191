"""The snapshot of a big touch is void at once; its rows leave the ledger behind it."""

from __future__ import annotations

import pytest
from django.db import IntegrityError, transaction
from django.test import Client

from campaigns import approving, asking, clearing, counts, snapshots
from campaigns.models import Recipient, Touch, TouchTally
from core import jobs
from core.models import Job
from crm import merging
from reports import figures
from staff.accounts import system_staff
from tests.campaigns.audiences import make_member
from tests.campaigns.speaking import check_sum
from tests.campaigns.test_approving import approved, build
from tests.campaigns.test_touch_pages import act, typed, url
from tests.crm.test_races import at_once


@pytest.fixture
def small(monkeypatch):
    """As if a dozen were a million."""
    monkeypatch.setattr(snapshots, "AT_ONCE", 2)
    monkeypatch.setattr(clearing, "PIECE", 3)


@pytest.fixture
def world(db, small):
    return build_twelve()


def build_twelve():
    world = build()
    world.members += [make_member(world.side) for _number in range(9)]
    world.client = Client()
    world.client.force_login(world.planner)
    return world


def changed(world, touch):
    """Other people are chosen on the page of an approved touch."""
    data = typed(touch, version=touch.version_id, stages=["prospect"], batch_size=50)
    assert world.client.post(url("change", touch), data).status_code == 302
    touch.refresh_from_db()
    return touch


def rows_of(touch):
    return Recipient.objects.filter(touch=touch).count()


def test_another_audience_makes_the_snapshot_void_at_once_and_it_counts_nowhere(world):
    touch = approved(world)
    assert touch.planned_count == rows_of(touch) == 12

    changed(world, touch)

    assert (touch.state, touch.snapshot_at, touch.planned_count) == ("draft", None, 0)
    assert rows_of(touch) == 10, "nobody waited for them"
    check_void(world, touch)
    with pytest.raises(IntegrityError), transaction.atomic():
        Touch.objects.filter(pk=touch.pk).update(state="in_review")

    # Whoever was at it is killed: the others go on where it stood.
    assert clearing.clear(touch.pk) == 3
    check_void(world, touch)
    assert clearing.drain() == 7
    touch.refresh_from_db()
    assert (touch.clearing_since, rows_of(touch)) == (None, 0)
    assert not TouchTally.objects.filter(touch=touch).exists()

    assert act(world.client, touch, "ask").status_code == 302
    assert (touch.state, touch.planned_count) == ("in_review", 12)
    check_sum(touch)


def check_void(world, touch):
    assert counts.of([touch.pk])[touch.pk] == counts.Counts()
    assert not Recipient.objects.visible_to(world.planner).exists()
    assert figures.of(world.side.campaign)["total"]["planned"] == 0
    shown = world.client.get(url("recipients", touch)).content.decode()
    assert world.members[-1].display_name not in shown


def test_asking_again_meanwhile_clears_the_rest_first_and_fixes_the_new_people(world):
    touch = changed(world, approved(world))
    assert touch.clearing_since is not None
    gone = world.members[0]
    gone.identities.update(is_following=False)

    act(world.client, touch, "ask")
    job = Job.objects.get(kind=approving.ASKING)
    assert touch.state == "draft"
    jobs.drain()

    touch.refresh_from_db()
    job.refresh_from_db()
    assert (job.state, touch.state, touch.clearing_since) == ("done", "in_review", None)
    assert touch.planned_count == rows_of(touch) == 12
    assert counts.of([touch.pk])[touch.pk].reasons == {"unreachable": 1}
    check_sum(touch)


@pytest.mark.parametrize("how", ["cancel", "withdraw", "refuse"])
def test_giving_up_a_big_touch_leaves_its_rows_to_the_background(world, how):
    touch = approved(world) if how != "refuse" else asked(world)
    client = Client()
    client.force_login(world.approver if how == "refuse" else world.planner)

    assert act(client, touch, how, reason="写错了").status_code == 302

    assert touch.state == ("cancelled" if how == "cancel" else "draft")
    assert (touch.snapshot_at, rows_of(touch)) == (None, 10)
    check_void(world, touch)
    assert clearing.drain() == 10


def asked(world):
    touch = approved(world)
    return approving_again(world, touch)


def approving_again(world, touch):
    approving.withdraw(touch, actor=world.planner)
    clearing.drain()
    touch.refresh_from_db()
    approving.ask(touch, actor=world.planner)
    return touch


def test_clearing_merging_and_asking_at_once_leave_one_snapshot_and_right_sums(
    transactional_db, small
):
    world = build_twelve()
    touch = changed(world, approved(world))
    first, second = world.members[:2]
    seen = []

    def ask():
        asking.ask(Touch.objects.get(pk=touch.pk), actor=world.planner)
        jobs.drain(5)

    def look():
        for _time in range(40):
            seen.append(counts.of([touch.pk])[touch.pk].planned)

    def merge():
        merging.merge(first, second, actor=system_staff("test"))

    at_once(ask, clearing.drain, clearing.drain, look, merge)

    touch.refresh_from_db()
    assert (touch.state, touch.clearing_since) == ("in_review", None)
    assert touch.planned_count == rows_of(touch)
    assert touch.planned_count in (11, 12)
    assert set(seen) <= {0, touch.planned_count}
    check_sum(touch)
    assert clearing.drain() == 0
