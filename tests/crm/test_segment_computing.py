"""Who is in a segment: computed, estimated and explained."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from core import jobs
from crm import segmenting, segments, tagging
from crm.models import Member, Segment, SegmentMember, Tag, TagGroup
from crm.segments import computing, estimating, tree
from staff.models import OrgUnit
from tests.conftest import build_staff

pytestmark = pytest.mark.django_db
NEW = {"on": "stage", "in": ["new"]}


class Brand:
    """A brand with people in two cities and somebody who writes segments."""

    def __init__(self) -> None:
        self.unit = OrgUnit.objects.create(name="Brand", kind="brand")
        self.shop = OrgUnit.objects.create(name="S", kind="store", parent=self.unit)
        self.staff = build_staff("ops_manager", org_unit=self.unit)
        self.people = [
            Member.objects.create(
                controller=self.unit,
                org_unit=self.shop if n % 2 else None,
                display_name=f"m{n}",
                stage="new" if n < 6 else "loyal",
                city="上海" if n % 3 else "杭州",
            )
            for n in range(10)
        ]

    def segment(self, rule: Any, name: str = "Segment", **more: Any) -> Segment:
        return segmenting.create(
            self.unit, actor=self.staff, name=name, rule=rule, **more
        )

    def tag(self) -> Tag:
        group = TagGroup.objects.create(code="g", name="G")
        return Tag.objects.create(group=group, name="VIP")

    def node(self, rule: Any) -> segments.Node:
        return segments.parse(rule, controller=self.unit)


def ids_in(segment: Segment) -> set[int]:
    rows = SegmentMember.objects.filter(segment=segment)
    return set(rows.values_list("member", flat=True))


@pytest.fixture
def brand() -> Brand:
    return Brand()


def test_only_differences_are_written_and_the_night_is_the_next_time(
    brand: Brand,
) -> None:
    segment = brand.segment(NEW)
    first = computing.compute(segment)
    assert first == computing.Result(members=6, came=6, went=0)
    Member.objects.filter(pk=brand.people[0].pk).update(stage="loyal")
    Member.objects.filter(pk=brand.people[9].pk).update(stage="new")
    assert computing.compute(segment) == computing.Result(6, 1, 1)
    segment.refresh_from_db()
    assert segment.member_count == 6
    assert segment.computed_version == segment.version
    assert segment.due_at == computing.next_night(segment.computed_at)
    assert computing.due() == []
    assert ids_in(segment) == {m.pk for m in brand.people[1:6]} | {brand.people[9].pk}


def test_segments_are_computed_after_those_they_refer_to(brand: Brand) -> None:
    outer = brand.segment({}, "outer")
    inner = brand.segment(NEW, "inner")
    rule = {"not": {"on": "segment", "segment": inner.pk, "in": True}}
    segmenting.update(
        outer,
        segmenting.revision_of(outer),
        actor=brand.staff,
        name="outer",
        description="",
        rule=rule,
    )
    assert computing.drain() == 2
    assert ids_in(outer) == {m.pk for m in brand.people[6:]}
    # Whom the inner one loses, the outer one gets, before the night.
    Member.objects.filter(pk=brand.people[0].pk).update(stage="loyal")
    computing.compute(inner)
    assert computing.drain() == 1
    assert brand.people[0].pk in ids_in(outer)


def test_one_that_fails_says_so_and_stops_no_other(brand: Brand) -> None:
    tag = brand.tag()
    broken = brand.segment({"on": "tags", "any": [tag.pk]}, "broken")
    good = brand.segment(NEW, "good")
    assert any("broken" in str(use) for use in tagging.uses_of(tag))
    Tag.objects.all().delete()
    assert computing.drain() == 2
    broken.refresh_from_db()
    good.refresh_from_db()
    assert broken.error
    assert good.member_count == 6
    assert computing.due() == []  # not again before the night


def test_a_job_computes_one_or_all_and_can_be_cancelled(brand: Brand) -> None:
    first, second = brand.segment(NEW, "first"), brand.segment({}, "second")
    jobs.start(computing.JOB, {"segment": first.pk}, actor=brand.staff)
    job = jobs.start(computing.JOB, {}, actor=brand.staff)
    jobs.cancel(job, actor=brand.staff)
    jobs.drain()
    first.refresh_from_db()
    second.refresh_from_db()
    assert (first.member_count, second.member_count) == (6, None)
    jobs.start(computing.JOB, {}, actor=brand.staff)
    jobs.drain()
    second.refresh_from_db()
    assert second.member_count == 10


@pytest.mark.django_db(transaction=True)
def test_a_round_computes_several_at_once_and_each_after_those_it_needs(
    settings: Any,
) -> None:
    settings.SEGMENTS_AT_ONCE = 3
    brand = Brand()
    inner = [brand.segment(NEW, f"inner {n}") for n in range(4)]
    needs = {"any": [{"on": "segment", "segment": s.pk, "in": True} for s in inner]}
    outer = brand.segment({"not": needs}, "outer")
    broken = brand.segment({"on": "tags", "any": [brand.tag().pk]}, "broken")
    Tag.objects.all().delete()
    done = computing.compute_all([outer, broken, *inner])
    assert [len(level) for level in computing.levels([outer, *inner])] == [4, 1]
    assert {key: found and found.members for key, found in done.items()} == {
        **{segment.pk: 6 for segment in inner},
        broken.pk: 0,
        outer.pk: 4,
    }
    assert ids_in(outer) == {m.pk for m in brand.people[6:]}

    Member.objects.filter(pk=brand.people[0].pk).update(stage="loyal")
    steps: list[int] = []

    def cancelled() -> None:
        steps.append(1)
        raise jobs.Cancelled

    with pytest.raises(jobs.Cancelled):
        computing.compute_all([outer, *inner], step=cancelled)
    assert steps == [1]
    assert len(ids_in(outer)) == 4  # its round never came


def test_only_members_below_the_unit_are_in(brand: Brand) -> None:
    segment = brand.segment({}, org_unit=brand.shop)
    computing.compute(segment)
    assert ids_in(segment) == {m.pk for m in brand.people[1::2]}


# -- how many


def test_an_estimate_tells_who_can_not_be_reached_and_why(brand: Brand) -> None:
    now = timezone.now()
    for number, fields in enumerate(
        (
            {"opted_out_at": now, "no_personalisation": True},
            {"frozen_until": now + timedelta(days=1), "opted_out_at": now},
            {"no_personalisation": True},
            {"is_reachable": False},
        )
    ):
        Member.objects.filter(pk=brand.people[number].pk).update(**fields)
    tag = brand.tag()
    Tag.objects.filter(pk=tag.pk).update(is_suppressing=True)
    tagging.tag([brand.people[4].pk], tag, actor=brand.staff)
    found = segments.estimate(brand.node(NEW), brand.unit, brand.staff)
    assert (found.total, found.share, found.is_exact) == (6, 0.6, True)
    assert found.excluded == {
        "complaint": 1,
        "test_account": 1,
        "opted_out": 1,
        "no_personalisation": 1,
        "unreachable": 1,
    }
    assert found.sendable == 1
    assert found.sample == [brand.people[5]]
    # Whom everybody's message reaches is not left out of it.
    everybody = segments.estimate(brand.node({}), brand.unit, brand.staff)
    assert "no_personalisation" not in everybody.excluded
    assert everybody.is_nearly_everybody
    assert not found.is_nearly_everybody


def test_a_store_sees_its_own_in_every_figure(brand: Brand) -> None:
    clerk = build_staff("ops_specialist", org_unit=brand.shop)
    found = segments.estimate(brand.node(NEW), brand.unit, clerk)
    assert (found.total, found.share) == (3, 0.6)


def test_what_takes_too_long_is_told_from_a_sample(
    brand: Brand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(estimating, "_exactly", lambda _asked: None)
    rule = {
        "any": [
            {"all": [NEW, {"on": "city", "is": "in", "values": ["上海"]}]},
            {"not": {"on": "tags", "none": [1]}},
            {
                "on": "orders",
                "measure": "count",
                "is": "lte",
                "value": 0,
                "within_days": 30,
            },
        ]
    }
    node = segments.parse(rule["any"][0], controller=brand.unit)
    found = segments.estimate(node, brand.unit, brand.staff)
    assert not found.is_exact
    assert found.share == 0.4
    node, _reader = tree.read(rule)
    assert segments.estimate(node, brand.unit, brand.staff).share == 1.0


# -- why


def test_every_condition_tells_what_is_so_with_the_member(brand: Brand) -> None:
    member = brand.people[7]
    node = brand.node(
        {
            "all": [
                {"any": [NEW, {"on": "city", "is": "in", "values": ["上海"]}]},
                {"not": {"on": "tags", "any": [brand.tag().pk]}},
                {
                    "on": "orders",
                    "measure": "count",
                    "is": "gte",
                    "value": 1,
                    "within_days": 30,
                },
            ]
        }
    )
    found = segments.matches(node, member)
    told = [(depth, part.word or part.on, part.holds) for depth, part in found.lines()]
    assert told == [
        (0, "all", False),
        (1, "any", True),
        (2, "stage", False),
        (2, "city", True),
        (1, "not", True),
        (2, "tags", False),
        (1, "orders", False),
    ]
    facts = {part.on: part.facts for _depth, part in found.lines() if part.on}
    assert facts["city"] == "上海"
    assert "0" in facts["orders"]
    outside = segments.matches(brand.node({}), brand.people[0], unit=brand.shop)
    assert not outside.holds
    Member.objects.filter(pk=member.pk).update(merged_into=brand.people[0])
    member.refresh_from_db()
    assert not segments.matches(brand.node({}), member).holds
