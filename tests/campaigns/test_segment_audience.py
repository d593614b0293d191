"""Segments as audiences: who is meant, what voids an approval, who is never written to."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone

from campaigns import approving, audience, snapshots, touches
from campaigns.models import Recipient
from crm import consent, segment_lists, segment_uses, segmenting, segments
from crm.models import Member, Segment, SegmentMember
from crm.segments import computing
from staff.accounts import system_staff
from tests.campaigns.audiences import build_audience, draft, make_member, put

NEW = {"on": "stage", "in": ["new"]}


def made(world: Any, name: str, rule: Any = None, **more: Any) -> Segment:
    return segmenting.create(
        world.side.unit, actor=world.side.owner, name=name, rule=rule, **more
    )


def on_list(world: Any, name: str, *members: Member) -> Segment:
    segment = made(world, name, kind="list")
    with transaction.atomic():
        held = Segment.objects.select_for_update().get(pk=segment.pk)
        segment_lists.add_ids(held, [member.pk for member in members])
    return held


def meant(world: Any, rule: dict[str, Any]) -> set[int]:
    found = audience.parse(rule, account=world.account)
    return set(audience.members_of(found, world.account).values_list("pk", flat=True))


def reasons_of(touch: Any) -> dict[int, str]:
    rows = Recipient.objects.filter(touch=touch)
    return dict(rows.values_list("member", "reason"))


@pytest.fixture
def world(db):
    return build_audience()


def test_segments_narrow_an_audience_and_leave_people_out(world):
    new, loyal, vip = (
        make_member(world.side, stage="new"),
        make_member(world.side, stage="loyal"),
        make_member(world.side, stage="loyal"),
    )
    put(vip, world.tags[0])
    fresh = made(world, "fresh", NEW)
    chosen = on_list(world, "chosen", loyal, vip)
    both = {"segments_any": [fresh.pk, chosen.pk]}
    assert meant(world, both) == {new.pk, loyal.pk, vip.pk}
    assert meant(world, both | {"tags_any": [world.tags[0].pk]}) == {vip.pk}
    assert meant(world, {"segments_none": [chosen.pk]}) == {new.pk}
    assert meant(world, both | {"segments_none": [fresh.pk]}) == {loyal.pk, vip.pk}
    # By the rule as it is now: nothing had to be computed before.
    Member.objects.filter(pk=loyal.pk).update(stage="new")
    assert meant(world, {"segments_any": [fresh.pk]}) == {new.pk, loyal.pk}


def test_a_fixed_segment_is_who_was_in(world):
    first = make_member(world.side, stage="new")
    segment = made(world, "fixed", NEW)
    computing.compute(segment)
    segment.refresh_from_db()
    segmenting.freeze(segment, segmenting.revision_of(segment), actor=world.side.owner)
    make_member(world.side, stage="new")
    assert meant(world, {"segments_any": [segment.pk]}) == {first.pk}


@pytest.mark.parametrize(
    "rule",
    [{"segments_any": [987654]}, {"segments_any": "x"}, {"segments_none": [True]}],
)
def test_a_segment_that_is_none_is_refused(world, rule):
    with pytest.raises(audience.AudienceInvalid):
        audience.parse(rule, account=world.account)


def test_a_changed_rule_voids_the_approval_and_the_segment_stays_while_used(world):
    make_member(world.side, stage="new")
    segment = made(world, "fresh", NEW)
    touch = draft(world.side, audience={"segments_any": [segment.pk]})
    before = approving.digest_of(touch)
    assert touch.name in segment_uses.of(segment, world.side.owner)[0].name
    assert touches.segment_use_counts([segment.pk]) == {segment.pk: 1}
    changed = segmenting.update(
        segment,
        segmenting.revision_of(segment),
        actor=world.side.owner,
        name="fresh",
        description="",
        rule={"on": "stage", "in": ["new", "loyal"]},
    )
    assert changed.version == 2
    assert approving.digest_of(touch) != before
    with pytest.raises(segments.errors.SegmentInUse):
        segmenting.archive(segment, actor=world.side.owner)


def test_who_wants_no_personalisation_is_left_out_of_what_behaviour_chose(world):
    member = make_member(world.side, stage="new", no_personalisation=True)
    others = [make_member(world.side, stage="new") for _ in range(3)]
    other = others[0]
    by_stage = made(world, "by stage", NEW)
    by_reach = made(world, "by reach", {"on": "reachable", "account": world.account.pk})
    outer = made(world, "outer", {"on": "segment", "segment": by_stage.pk, "in": True})
    computing.drain()
    by_hand = on_list(world, "by hand", member, *others)
    for segment, reason in (
        (by_stage, "no_personalisation"),
        (outer, "no_personalisation"),
        (by_reach, ""),
        (by_hand, ""),
    ):
        touch = draft(world.side, audience={"segments_any": [segment.pk]})
        snapshots.take(touch)
        assert reasons_of(touch)[member.pk] == reason, segment.name
    # Said after the people were fixed: left out before sending.
    touch = draft(world.side, audience={"segments_any": [by_stage.pk]})
    snapshots.take(touch)
    Member.objects.filter(pk=other.pk).update(no_personalisation=True)
    snapshots.recheck(touch)
    assert reasons_of(touch)[other.pk] == "no_personalisation"


# -- at the same moment, on connections of their own


def run_beside(work: Any) -> Any:
    pool = ThreadPoolExecutor(1)

    def run() -> Any:
        try:
            return work()
        finally:
            connection.close()

    return pool.submit(run)


def waiting_for_a_lock(timeout: float = 20) -> None:
    """Until the other connection stands before the row this one holds."""
    gate = threading.Event()
    for _ in range(int(timeout / 0.02)):
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_stat_clear_snapshot()")
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE datname ="
                " current_database() AND wait_event_type = 'Lock'"
            )
            if cursor.fetchone()[0]:
                return
        gate.wait(0.02)
    raise AssertionError("nobody waits")


@pytest.mark.django_db(transaction=True)
def test_who_opts_out_while_a_segment_is_computed_is_not_written_to():
    world = build_audience()
    members = [make_member(world.side, stage="new") for _ in range(3)]
    segment = made(world, "fresh", NEW)
    with transaction.atomic():
        # The computation has read everybody, and waits to write down that it is done.
        Segment.objects.select_for_update().get(pk=segment.pk)
        computing_now = run_beside(lambda: computing.compute(segment))
        waiting_for_a_lock()
        run_beside(
            lambda: consent.withdraw(
                members[0],
                actor=system_staff("test"),
                at=timezone.now(),
                key="test:1",
                source="message",
            )
        ).result(20)
    assert computing_now.result(20).members == 3
    # The rule asks for no consent, so the member is in; nothing is sent all the same.
    assert SegmentMember.objects.filter(member=members[0]).exists()
    node = segments.parse(
        {"on": "segment", "segment": segment.pk, "in": True}, controller=world.side.unit
    )
    found = segments.estimate(node, world.side.unit, world.side.owner)
    assert (found.total, found.excluded) == (3, {"opted_out": 1})
    touch = draft(world.side, audience={"segments_any": [segment.pk]})
    snapshots.take(touch)
    assert reasons_of(touch)[members[0].pk] == "opted_out"


@pytest.mark.django_db(transaction=True)
def test_a_rule_saved_while_its_segment_is_computed_is_not_overwritten():
    world = build_audience()
    make_member(world.side, stage="new")
    segment = made(world, "fresh", NEW)
    with transaction.atomic():
        held = Segment.objects.select_for_update().get(pk=segment.pk)
        older = run_beside(lambda: computing.compute(segment))
        waiting_for_a_lock()
        # Another worker leaves it to the one that is at it.
        assert run_beside(lambda: computing.compute(segment)).result(20) is None
        segmenting.update(
            held,
            segmenting.revision_of(held),
            actor=world.side.owner,
            name="fresh",
            description="",
            rule={"on": "stage", "in": ["loyal"]},
        )
    assert older.result(20) is None
    held.refresh_from_db()
    assert (held.computed_version, held.member_count) == (None, None)
    assert not SegmentMember.objects.filter(segment=held).exists()
    assert computing.drain() == 1
    held.refresh_from_db()
    assert (held.computed_version, held.member_count) == (2, 0)
