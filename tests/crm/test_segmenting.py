"""Segments as rows: changed over what was read, said in words, put together by hand."""

from __future__ import annotations

import functools

import pytest

from crm import members, merging, segment_lists, segment_uses, segmenting
from crm.models import Identity, Member, Segment, Tag, TagGroup
from crm.segments import computing, sentences, wording
from crm.segments.errors import (
    SegmentArchived,
    SegmentChanged,
    SegmentInUse,
    SegmentInvalid,
)
from tests.conftest import build_staff
from tests.crm.conftest import build_world
from tests.crm.test_races import at_once


@pytest.fixture
def maker(world):
    return build_staff("ops_specialist", org_unit=world.brand)


def make_tag(world, name="精华"):
    group, _made = TagGroup.objects.get_or_create(
        controller=world.brand, code="likes", name="兴趣"
    )
    return Tag.objects.create(controller=world.brand, group=group, name=name)


def make(world, maker, name="老客", **more):
    rule = {"all": [{"on": "seen", "is": "within", "days": 30}]}
    return segmenting.create(
        world.brand, actor=maker, name=name, **{"rule": rule} | more
    )


def update(segment, revision, maker, **values):
    given = {"name": segment.name, "description": "", "rule": segment.rule} | values
    return segmenting.update(segment, revision, actor=maker, **given)


def test_every_change_of_the_rule_is_a_version_and_the_old_one_comes_back(world, maker):
    segment = make(world, maker)
    first = segment.rule
    changed = update(
        segment,
        segmenting.revision_of(segment),
        maker,
        rule={"all": [{"on": "stage", "in": ["new"]}]},
    )
    assert changed.version == 2
    renamed = update(changed, segmenting.revision_of(changed), maker, name="新客")
    assert renamed.version == 2
    back = segmenting.restore(renamed, 1, segmenting.revision_of(renamed), actor=maker)
    assert (back.version, back.rule) == (3, first)
    assert [each.number for each in back.versions.all()] == [3, 2, 1]


def test_who_saves_over_an_older_look_is_told_who_was_first(world, maker):
    segment = make(world, maker)
    seen = segmenting.revision_of(segment)
    other = build_staff("ops_manager", org_unit=world.brand, display_name="周宁")
    update(segment, seen, other, name="别名")
    with pytest.raises(SegmentChanged) as refused:
        update(segment, seen, maker, name="我的")
    assert refused.value.extra["by"] == "周宁"
    assert Segment.objects.get().name == "别名"


def test_a_segment_that_another_needs_is_not_archived(world, maker):
    segment = make(world, maker)
    rule = {"any": [{"on": "segment", "segment": segment.pk, "in": True}]}
    other = make(world, maker, name="组合", rule=rule)
    assert [use.name for use in segment_uses.of(segment, maker)] == ["人群“组合”"]
    assert segment_uses.counts_among([segment, other]) == {segment.pk: 1, other.pk: 0}
    with pytest.raises(SegmentInUse):
        segmenting.archive(segment, actor=maker)
    assert segmenting.archive(other, actor=maker)
    assert segmenting.archive(segment, actor=maker)


def test_a_fixed_segment_does_not_follow_its_rule_again_into_a_circle(world, maker):
    first, second = make(world, maker, name="甲"), make(world, maker, name="乙")

    def refer(segment, other):
        rule = {"all": [{"on": "segment", "segment": other.pk, "in": True}]}
        return update(segment, segmenting.revision_of(segment), maker, rule=rule)

    first = refer(first, second)
    computing.compute_all([second, first])
    first.refresh_from_db()
    first = segmenting.freeze(first, segmenting.revision_of(first), actor=maker)
    refer(second, first)
    with pytest.raises(SegmentInvalid, match="成环"):
        segmenting.thaw(first, segmenting.revision_of(first), actor=maker)
    assert Segment.objects.get(pk=first.pk).kind == "frozen"


def test_a_fixed_segment_counts_who_is_in_when_it_is_fixed(world, maker):
    kept, gone = (
        Member.objects.create(controller=world.brand, display_name=f"会员{n}")
        for n in range(2)
    )
    segment = make(world, maker)
    assert computing.compute(segment).members == 2
    merging.merge(kept, gone, actor=maker, why="manual")
    segment.refresh_from_db()
    fixed = segmenting.freeze(segment, segmenting.revision_of(segment), actor=maker)
    assert (fixed.member_count, fixed.segment_members.count()) == (1, 1)


def test_an_archived_segment_stays_as_it_was_sent_to(world, maker):
    rule_made, listed = make(world, maker), make(world, maker, name="名单", kind="list")
    for each in (rule_made, listed):
        segmenting.archive(each, actor=maker)
        each.refresh_from_db()
    with pytest.raises(SegmentArchived):
        update(rule_made, segmenting.revision_of(rule_made), maker, name="改名")
    somebody = Member.objects.create(controller=world.brand, display_name="会员")
    with pytest.raises(SegmentArchived):
        segment_lists.add(listed, f"#{somebody.pk}", actor=maker)
    with pytest.raises(SegmentArchived):
        segment_lists.remove(listed, [somebody.pk], actor=maker)


def test_a_list_takes_numbers_phones_and_platform_ids_and_says_what_it_does_not_know(
    world, maker
):
    people = [
        Member.objects.create(controller=world.brand, display_name=f"会员{n}")
        for n in range(3)
    ]
    members.set_phone(people[1], "13812345678", actor=maker, source="staff")
    Identity.objects.create(
        member=people[2],
        controller=world.brand,
        kind="openid",
        account=world.service,
        value="oABCDEFGHIJK",
    )
    strange = Member.objects.create(controller=world.dealer, display_name="别家")
    made = make(world, maker, kind="list", rule=None)
    told = segment_lists.add(
        made,
        f"#{people[0].pk}，13812345678\n oABCDEFGHIJK 13800000000 {strange.pk}",
        actor=maker,
    )
    assert (told.added, told.already) == (3, 0)
    assert told.unknown == ["13800000000", str(strange.pk)]
    again = segment_lists.add(made, str(people[0].pk), actor=maker)
    assert (again.added, again.already) == (0, 1)
    assert segment_lists.remove(made, [people[0].pk], actor=maker) == 1
    made.refresh_from_db()
    assert made.member_count == 2
    copied = segmenting.copy(made, actor=maker)
    assert (copied.name, copied.member_count) == ("老客（副本）", 2)


def test_whoever_is_merged_stays_on_the_list_as_the_one_who_stands(world, maker):
    kept, gone = (
        Member.objects.create(controller=world.brand, display_name=f"会员{n}")
        for n in range(2)
    )
    made = make(world, maker, kind="list", rule=None)
    segment_lists.add(made, f"#{gone.pk}", actor=maker)
    merging.merge(kept, gone, actor=maker, why="manual")
    inside = made.segment_members.values_list("member", flat=True)
    assert list(inside) == [kept.pk]


def test_a_rule_names_only_what_its_controller_has(world, maker):
    group = TagGroup.objects.create(controller=world.dealer, code="x", name="别家")
    tag = Tag.objects.create(controller=world.dealer, group=group, name="别家的")
    with pytest.raises(SegmentInvalid):
        make(world, maker, rule={"all": [{"on": "tags", "any": [tag.pk]}]})


def test_a_rule_reads_as_one_sentence_and_its_change_line_by_line(world, maker):
    tag = make_tag(world)
    bought = {
        "on": "orders",
        "measure": "count",
        "is": "gte",
        "value": 2,
        "within_days": 30,
    }
    rule = {
        "all": [
            {"on": "tags", "any": [tag.pk]},
            {"not": bought},
            {"any": [{"on": "stage", "in": ["new"]}, {"on": "phone", "known": True}]},
        ]
    }
    names = sentences.names_in([rule], [world.brand.pk])
    assert sentences.summary(rule, names) == (
        "标签 任一 精华；且不满足订单 最近 30 天内 订单数 至少 2；"
        "且（生命周期阶段 是 新客；或手机号 已知）"
    )
    other = {"all": [rule["all"][0], bought, rule["all"][2]]}
    marks = [sign for sign, _line in sentences.difference(rule, other, names)]
    assert marks == ["", "", "-", "+", "", "", ""]
    assert sentences.summary({}, {}) == "全部会员"
    assert wording.say_condition({"on": "??"}, {})


def test_of_two_who_save_at_the_same_moment_one_wins_and_one_is_told(
    transactional_db,
):
    world = build_world()
    maker = build_staff("ops_specialist", org_unit=world.brand)
    segment = make(world, maker)
    seen = segmenting.revision_of(segment)

    def save(days):
        rule = {"all": [{"on": "seen", "is": "within", "days": days}]}
        try:
            return update(segment, seen, maker, rule=rule).version
        except SegmentChanged:
            return "told"

    told = at_once(*(functools.partial(save, days) for days in (5, 6, 7)))
    assert sorted(map(str, told)) == ["2", "told", "told"]
    assert segment.versions.count() == 2
