"""Tags: put on and taken off by people, kept through merges, gone with the purge."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from core.models import AuditEntry
from crm import merging, purging, registry, tagging
from crm.errors import TagArchived, TagInUse
from crm.models import Member, MemberTag, Tag, TagGroup, TagSet
from crm.models.tags import Source
from staff.accounts import system_staff
from tests.conftest import build_staff
from tests.crm.conftest import build_world
from tests.crm.test_member_pages import make_member
from tests.crm.test_races import at_once

LIST = reverse("admin:crm_member_changelist")
TAGS = reverse("admin:crm_tag_changelist")


def make_tag(name="送礼", unit=None, group=None, **fields):
    unit_id = None if unit is None else unit.controller_id
    if group is None:
        group, _made = TagGroup.objects.get_or_create(
            code="need", controller_id=unit_id, defaults={"name": "需求", **fields}
        )
    return Tag.objects.create(group=group, name=name, controller_id=unit_id)


def arrays():
    """{member: tag ids} as the array says, checked against the rows it is made of."""
    wanted: dict[int, list[int]] = {}
    for row in MemberTag.objects.order_by("tag_id"):
        wanted.setdefault(row.member_id, []).append(row.tag_id)
    held = {row.member_id: row.tag_ids for row in TagSet.objects.all() if row.tag_ids}
    assert held == wanted
    return held


@pytest.fixture
def specialist(client, world):
    person = build_staff("ops_specialist", org_unit=world.brand)
    client.force_login(person)
    return person


def test_a_tag_is_added_and_removed_on_the_member_page(client, world, specialist):
    member, tag = make_member(world.brand, "林小满"), make_tag()
    address = reverse("admin:crm_member_tags", args=[member.pk])

    page = client.post(address, {"add": tag.pk}, follow=True)

    assert arrays() == {member.pk: [tag.pk]}
    assert "标签已添加" in page.content.decode()
    assert f'value="{tag.pk}"' in page.content.decode()
    assert member.member_tags.get().set_by == specialist
    client.post(address, {"remove": tag.pk})
    assert arrays() == {}
    actions = AuditEntry.objects.values_list("action", flat=True)
    assert {"crm.member.tagged", "crm.member.untagged"} <= set(actions)


def test_who_may_not_tag_gets_403_and_no_form(client, world):
    client.force_login(build_staff("analyst", org_unit=world.brand))
    member, tag = make_member(world.brand, "林小满"), make_tag()
    address = reverse("admin:crm_member_tags", args=[member.pk])
    assert client.post(address, {"add": tag.pk}).status_code == 403
    page = client.get(reverse("admin:crm_member_change", args=[member.pk]))
    assert address not in page.content.decode()
    assert arrays() == {}


def test_members_and_tags_of_a_dealer_are_out_of_reach(client, world, specialist):
    theirs = make_member(world.dealer, "别人的")
    mine = make_member(world.brand, "我们的")
    foreign, own = make_tag("甲的标签", world.dealer), make_tag()

    def add(member, tag):
        address = reverse("admin:crm_member_tags", args=[member.pk])
        return client.post(address, {"add": tag.pk}).status_code

    assert add(theirs, own) == 404
    add(mine, foreign)
    assert arrays() == {}
    assert tagging.tag([mine.pk], foreign, actor=specialist) == 0
    page = client.get(LIST, {"tags_any": foreign.pk}).content.decode()
    assert "甲的标签" not in page


def test_tags_cost_the_list_no_query_per_member(client, world, specialist):
    tag = make_tag()

    def count():
        with CaptureQueriesContext(connection) as queries:
            client.get(LIST)
        return len(queries)

    tagging.tag([make_member(world.brand, "甲").pk], tag, actor=specialist)
    client.get(LIST)
    one = count()
    rows = [make_member(world.brand, f"成员{n}").pk for n in range(9)]
    tagging.tag(rows, tag, actor=specialist)
    assert count() == one


def test_of_an_exclusive_group_the_newest_tag_holds(world, specialist):
    group = TagGroup.objects.create(code="level", name="等级", is_exclusive=True)
    silver, gold = make_tag("银卡", group=group), make_tag("金卡", group=group)
    gift = make_tag()
    rows = [make_member(world.brand, f"成员{n}").pk for n in range(3)]
    tagging.tag(rows, gift, actor=specialist)
    tagging.tag(rows, silver, actor=specialist)
    assert tagging.tag(rows[:2], gold, actor=specialist) == 2
    assert arrays() == {
        rows[0]: sorted([gift.pk, gold.pk]),
        rows[1]: sorted([gift.pk, gold.pk]),
        rows[2]: sorted([gift.pk, silver.pk]),
    }


def test_a_tag_of_a_rule_said_by_a_person_is_theirs(client, world, specialist):
    member, tag = make_member(world.brand, "林小满"), make_tag()
    address = reverse("admin:crm_member_tags", args=[member.pk])

    def follow():
        rule = {"actor": system_staff("rules"), "source": Source.AUTO}
        tagging.tag([member.pk], tag, **rule)

    follow()
    page = client.post(address, {"add": tag.pk}, follow=True).content.decode()
    assert "标签已改为手工标记" in page
    held = member.member_tags.get()
    assert (held.source, held.set_by) == (Source.MANUAL, specialist)
    page = client.post(address, {"add": tag.pk}, follow=True).content.decode()
    assert "没有任何改动" in page
    client.post(address, {"remove": tag.pk})
    follow()
    page = client.post(address, {"remove": tag.pk}, follow=True).content.decode()
    assert "标签已移除。它由规则打上" in page


def test_a_tag_that_runs_out_comes_off_unless_it_was_given_anew(world, specialist):
    tag = make_tag(expires_after_days=60)
    old, fresh = (make_member(world.brand, name).pk for name in ("甲", "乙"))
    tagging.tag([old, fresh], tag, actor=specialist)
    MemberTag.objects.update(expires_at=timezone.now() - timedelta(minutes=1))
    assert tagging.tag([fresh], tag, actor=specialist) == 0
    assert tagging.expire() == 1
    assert arrays() == {fresh: [tag.pk]}
    assert MemberTag.objects.get().expires_at > timezone.now() + timedelta(days=59)


def test_a_merge_moves_tags_and_the_kept_record_wins_its_groups(world, specialist):
    group = TagGroup.objects.create(code="level", name="等级", is_exclusive=True)
    silver, gold = make_tag("银卡", group=group), make_tag("金卡", group=group)
    gift, house = make_tag(), make_tag("待装修")
    kept, gone = (make_member(world.brand, name) for name in ("甲", "乙"))
    for tag in (gift, silver):
        tagging.tag([kept.pk], tag, actor=specialist)
    for tag in (gift, gold, house):
        tagging.tag([gone.pk], tag, actor=specialist)

    merging.merge(kept, gone, actor=specialist)

    assert arrays() == {kept.pk: sorted([gift.pk, silver.pk, house.pk])}
    assert tagging.tag([gone.pk], gift, actor=specialist) == 0


def test_the_purge_takes_the_tags(world, specialist):
    member = make_member(world.brand, "甲", purge_due_at=timezone.now())
    tagging.tag([member.pk], make_tag(), actor=specialist)
    assert purging.purge(member.pk, actor=system_staff("test"))
    assert arrays() == {}


def test_a_tag_in_use_is_not_deleted_and_says_who_uses_it(
    client, world, specialist, monkeypatch
):
    tag = make_tag("送礼", world.brand)
    free = make_tag("无人", world.brand)
    tagging.tag([make_member(world.brand, "甲").pk], tag, actor=specialist)
    uses = {free.pk: ["活动 A 的人群在用。"]}
    monkeypatch.setattr(registry, "tag_uses", [lambda each: uses.get(each.pk, [])])

    for each, words in ((tag, "1 位会员"), (free, "活动 A")):
        address = reverse("admin:crm_tag_delete", args=[each.pk])
        assert words in client.get(address).content.decode()
        client.post(address, {"post": "yes"})
    assert Tag.objects.filter(pk__in=[tag.pk, free.pk]).count() == 2
    with pytest.raises(TagInUse):
        tagging.delete(tag)

    uses.clear()
    client.post(reverse("admin:crm_tag_delete", args=[free.pk]), {"post": "yes"})
    assert not Tag.objects.filter(pk=free.pk).exists()


def test_below_the_brand_nobody_reads_who_else_uses_a_tag(client, world, monkeypatch):
    tag = make_tag("送礼", world.brand)
    tagging.tag(
        [make_member(world.brand, "甲").pk], tag, actor=system_staff("tests.tags")
    )
    monkeypatch.setattr(registry, "tag_uses", [lambda _each: ["活动 A 的人群在用。"]])
    client.force_login(build_staff("ops_specialist", org_unit=world.store))

    page = client.get(reverse("admin:crm_tag_delete", args=[tag.pk])).content.decode()

    assert "仍在使用中" in page
    assert "活动 A" not in page
    assert "1 位会员" not in page


def test_people_add_tags_of_their_own_but_leave_shared_ones_alone(
    client, world, specialist
):
    call_command("sync_builtin_data", verbosity=0)
    shared = Tag.objects.get(name="测试账号")
    assert shared.is_suppressing
    assert Tag.objects.count() == 81
    form = {"group": shared.group_id, "name": "合作达人", "rule": "商务登记"}

    client.post(reverse("admin:crm_tag_add"), form)
    page = client.post(reverse("admin:crm_tag_add"), form)

    assert Tag.objects.get(name="合作达人").controller == world.brand
    assert "已有同名标签" in page.content.decode()
    address = reverse("admin:crm_tag_change", args=[shared.pk])
    assert client.post(address, form).status_code == 403
    assert "已归档" in client.get(address).content.decode()
    dealer = build_staff("dealer", org_unit=world.dealer)
    client.force_login(dealer)
    assert "合作达人" not in client.get(TAGS).content.decode()


def test_a_group_without_a_code_gets_one_made_of_its_name(client, world, specialist):
    form = {"name": "试吃 A1偏好", "source": "manual", "code": ""}
    for _time in range(2):
        client.post(reverse("admin:crm_taggroup_add"), form)
    codes = TagGroup.objects.filter(controller=world.brand).values_list("code")
    assert sorted(codes) == [("shi-chi-a1-pian-hao",), ("shi-chi-a1-pian-hao-2",)]


def test_a_renamed_built_in_tag_is_not_added_again(db):
    call_command("sync_builtin_data", verbosity=0)
    Tag.objects.filter(name="送礼").update(name="礼品需求")
    call_command("sync_builtin_data", verbosity=0)
    assert Tag.objects.count() == 81


def test_an_archived_tag_is_on_no_list_but_stays_with_who_carries_it(
    client, world, specialist
):
    tag, member = make_tag("旧活动", world.brand), make_member(world.brand, "甲")
    tagging.tag([member.pk], tag, actor=specialist)
    form = {"name": tag.name, "rule": "", "is_archived": "on"}
    client.post(reverse("admin:crm_tag_change", args=[tag.pk]), form)

    page = client.get(reverse("admin:crm_member_change", args=[member.pk]))
    assert page.context["tag_choices"] == []
    assert "旧活动" in page.content.decode()
    with pytest.raises(TagArchived):
        tagging.tag([member.pk], tag, actor=specialist)
    assert AuditEntry.objects.filter(action="crm.tag.archived").count() == 1


@pytest.mark.usefixtures("transactional_db")
def test_two_people_who_tag_the_same_members_at_once_lose_nothing():
    world = build_world()
    actor = build_staff("ops_specialist", org_unit=world.brand)
    rows = [make_member(world.brand, f"成员{n}").pk for n in range(20)]
    level = TagGroup.objects.create(code="level", name="等级", is_exclusive=True)
    levels = [make_tag(name, group=level) for name in ("银卡", "金卡")]
    needs = [make_tag(name) for name in ("送礼", "比价", "装修")]

    def give(tag, order):
        return lambda: tagging.tag(order, tag, actor=actor)

    at_once(
        *(give(tag, rows) for tag in levels),
        *(give(tag, rows[::-1]) for tag in needs),
    )

    arrays()
    assert MemberTag.objects.filter(tag__in=needs).count() == 60
    assert MemberTag.objects.filter(tag__in=levels).count() == 20
    at_once(
        lambda: tagging.untag(rows, needs[0], actor=actor),
        lambda: tagging.untag(rows[::-1], needs[1], actor=actor),
        give(needs[2], rows),
    )
    arrays()
    assert Member.objects.count() == 20
