"""The rules of the built-in tags: who gets which, again and again the same."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.management import call_command
from django.urls import reverse
from django.utils import timezone

from campaigns.models import LinkClick, Recipient, TrackedLink
from core import jobs
from core.models import Job
from core.templatetags.console import FIGURE_NAMES
from crm import segmenting, tag_hygiene, tagging, value
from crm.auto_tags import GROUPS, ONE_PER_CATEGORY, run_all
from crm.models import (
    Category,
    ConsentEntry,
    Event,
    Identity,
    Member,
    MemberTag,
    MemberValue,
    Order,
    Product,
    Tag,
    TagCount,
)
from staff.models import OrgUnit
from tests.api.conftest import make_side
from tests.conftest import build_staff
from wechat.models import Account

NOW = timezone.now().replace(hour=4, minute=0, second=0, microsecond=0)  # noon in China


@pytest.fixture
def brand(db):
    call_command("sync_builtin_data", verbosity=0)
    return OrgUnit.objects.create(name="林间", kind="brand")


@pytest.fixture
def world(brand):
    return World(brand)


class World:
    def __init__(self, brand):
        self.brand = brand
        region = OrgUnit.objects.create(name="上海大区", kind="region", parent=brand)
        self.store = OrgUnit.objects.create(
            name="静安寺店", kind="store", parent=region
        )
        self.account = Account.objects.create(
            slug="lin", name="林间", kind="service", org_unit=brand
        )
        self.category = Category.objects.create(code="own-skin", name="护肤")
        self.product = Product.objects.create(
            controller=brand,
            code="S1",
            name="精华",
            category=self.category,
            launched_on=timezone.localdate(NOW) - timedelta(days=20),
        )
        self.number = 0

    def member(self, name="林小满", *, scene=None, interactions=0, **fields):
        fields.setdefault("first_seen_at", NOW - timedelta(days=400))
        member = Member.objects.create(
            controller=self.brand, display_name=name, **fields
        )
        MemberValue.objects.create(member=member, interactions=interactions)
        if scene is not None:
            self.number += 1
            Identity.objects.create(
                member=member,
                controller=self.brand,
                kind="openid",
                account=self.account,
                value=f"o{self.number}",
                scene=scene,
                followed_at=NOW - timedelta(days=30),
            )
        return member

    def event(self, member, kind, days):
        self.number += 1
        Event.objects.create(
            member=member,
            kind=kind,
            at=NOW - timedelta(days=days),
            key=f"t:{self.number}",
        )

    def order(self, member, days=1, *, quantity=1, hour=12, **fields):
        self.number += 1
        at = timezone.localtime(NOW - timedelta(days=days)).replace(hour=hour)
        order = Order.objects.create(
            controller=self.brand,
            member=member,
            shop="mini",
            code=f"A{self.number}",
            amount=100,
            placed_at=at,
            paid_at=at,
            **fields,
        )
        order.items.create(product=self.product, quantity=quantity, amount=100)
        return order


def tags_of(member, group=None):
    rows = member.member_tags.filter(source="auto")
    if group:
        rows = rows.filter(tag__group__code=group)
    return set(rows.values_list("tag__name", flat=True))


def test_every_built_in_rule_is_run(brand):
    decided = {f"{group.code}.{key}" for group in GROUPS for key in group.keys}
    by_rule = Tag.objects.exclude(builtin_key="").filter(group__source="auto")
    elsewhere = ("lifecycle.", "rfm.", "service.Complaint")  # crm.value, crm.complaints
    known = {
        key
        for key in by_rule.values_list("builtin_key", flat=True)
        if not key.startswith(elsewhere)
    }
    assert decided | {ONE_PER_CATEGORY} == known


@pytest.mark.parametrize(
    ("scene", "tag"),
    [
        ("store.jingan", "门店扫码"),
        ("parcel.2026", "包裹卡"),
        ("ecom.tmall", "电商客服引流"),
        ("channels.live", "视频号"),
        ("mp.home", "小程序"),
        ("ads.moments", "付费广告"),
        ("invite.77", "老客转介绍"),
        ("person.zhangsan", "员工/经销商码"),
        ("event.baking", "线下活动"),
        ("", "公众号"),
    ],
)
def test_the_first_trace_of_somebody_is_the_source(world, scene, tag):
    member = world.member(scene=scene)
    run_all(now=NOW)
    assert tags_of(member, "source") == {tag}


def test_engagement_follows_what_somebody_did(world):
    people = {
        "高互动": world.member(interactions=4),
        "中互动": world.member(interactions=1),
        "低互动": world.member(),
        "静默": world.member(),
        "新加未开口": world.member(first_seen_at=NOW - timedelta(days=2)),
    }
    world.event(people["低互动"], "message.text", 60)
    world.event(people["静默"], "message.text", 120)
    spoken = world.member(first_seen_at=NOW - timedelta(days=2), interactions=1)
    world.event(spoken, "message.text", 1)

    run_all(now=NOW)

    for name, member in people.items():
        assert tags_of(member, "engagement") == {name}
    assert tags_of(spoken, "engagement") == {"中互动"}


def test_buying_habits_need_two_orders_and_a_share(world):
    thrifty, once, nightly = world.member(), world.member(), world.member()
    for _n in range(2):
        world.order(thrifty, has_coupon=True, is_pickup=True)
        world.order(
            nightly, hour=22, region="杭州", org_unit=world.store, days=10, quantity=9
        )
    world.order(once, has_coupon=True)
    world.order(once, has_coupon=True, state="refunded")

    run_all(now=NOW)

    assert tags_of(thrifty, "buying") == {"价格敏感", "自提偏好"}
    assert tags_of(once, "buying") == set()
    assert tags_of(nightly, "buying") == {"夜间购买", "跨区购买", "尝新型", "囤货型"}
    assert tags_of(nightly, "interest") == {"兴趣·护肤"}


def test_place_contact_and_service_say_what_is_known(world):
    shopper = world.member(org_unit=world.store, city="上海市")
    far = world.member(city="绵阳", opted_out_at=NOW)
    child = world.member(
        birthday=timezone.localdate(NOW) - timedelta(days=365 * 13),
        no_personalisation=True,
        purge_due_at=NOW,
    )
    ConsentEntry.objects.create(
        member=shopper,
        purpose="marketing",
        action="granted",
        source="staff",
        key="c1",
        at=NOW,
    )
    world.event(shopper, "conversation.closed", 1)

    run_all(now=NOW)

    assert tags_of(shopper, "place") == {"归属门店", "一线城市"}
    assert tags_of(shopper, "contact") == {"可营销"}
    assert tags_of(shopper, "service") == {"已解决待回访"}
    assert tags_of(far, "place") == {"下沉市场"}
    assert tags_of(far, "contact") == {"已退订"}
    assert tags_of(child, "contact") == {"拒绝个性化", "未成年人监护", "信息待删除"}


def test_a_second_run_writes_nothing_and_a_changed_fact_moves_the_tag(world):
    member = world.member(scene="store.1", interactions=5)
    first = run_all(now=NOW)
    assert first["put"] >= 2
    assert run_all(now=NOW) == {"put": 0, "taken": 0}

    MemberValue.objects.filter(member=member).update(interactions=1)
    assert run_all(now=NOW) == {"put": 1, "taken": 1}
    assert tags_of(member, "engagement") == {"中互动"}
    assert member.tag_set.tag_ids == sorted(
        member.member_tags.values_list("tag_id", flat=True)
    )
    # What still holds is renewed before it runs out, and only then.
    assert run_all(now=NOW + timedelta(days=10))["put"] == 0
    assert run_all(now=NOW + timedelta(days=20))["put"] >= 1


def test_what_people_put_on_stays_and_keeps_the_rule_away(world):
    member = world.member(interactions=5)
    actor = build_staff("ops_specialist", org_unit=world.brand)
    quiet = Tag.objects.get(builtin_key="engagement.Silent")
    tagging.tag([member.pk], quiet, actor=actor)

    run_all(now=NOW)

    held = member.member_tags.get(tag__group__code="engagement")
    assert (held.tag, held.source, held.set_by) == (quiet, "manual", actor)


def test_archived_rules_rest_and_merged_people_get_nothing(world):
    tagging.archive(
        Tag.objects.get(builtin_key="source.Store code"),
        actor=build_staff("administrator"),
    )
    member = world.member(scene="store.1")
    merged = world.member(scene="", merged_into=member)
    run_all(now=NOW)
    assert tags_of(member, "source") == set()
    assert tags_of(merged) == set()


def test_campaigns_decide_who_bought_wanted_and_had_enough(world):
    side = make_side("side", world.brand)
    touch, *others = [side.touch() for _n in range(3)]
    link = TrackedLink.objects.create(touch=touch, number=1, url="https://a.example/")
    bought, wanted, tired = world.member(), world.member(), world.member()

    def contact(member, of, hours):
        return Recipient.objects.create(
            touch=of,
            member=member,
            address=f"a{member.pk}-{of.pk}",
            state="sent",
            contacted_at=NOW - timedelta(hours=hours),
        )

    contact(bought, touch, 24)
    world.order(bought, days=0)
    seen = contact(wanted, touch, 24)
    for _n in range(2):
        LinkClick.objects.create(link=link, recipient=seen, at=NOW)
    for other in others:
        contact(tired, other, 1)

    run_all(now=NOW)

    assert tags_of(bought, "campaign") == {"活动已购"}
    assert tags_of(wanted, "campaign") == {"活动未购高意向"}
    assert tags_of(tired, "campaign") == set()
    assert "频控冷却" in tags_of(tired, "contact")
    assert "频控冷却" not in tags_of(wanted, "contact")


def test_hygiene_names_unused_double_and_broad_tags(world, client):
    for _n in range(10):
        world.member(scene="")
    value.recompute_all()
    person = build_staff("ops_manager", org_unit=world.brand)
    group = Tag.objects.get(builtin_key="need.Gift").group
    twice = Tag.objects.create(group=group, controller=world.brand, name="送 礼")
    client.force_login(person)
    page = reverse("admin:crm_tag_hygiene")
    assert "还没有统计" in client.get(page).content.decode()

    assert client.post(reverse("admin:crm_tag_run")).status_code == 302
    jobs.drain()
    job = Job.objects.get()
    told = client.get(reverse("admin:job", args=[job.pk])).content.decode()
    assert "打上的标签" in told
    assert set(job.result) | set(value.recompute_all()) <= set(FIGURE_NAMES)

    found = tag_hygiene.look(person)
    assert [line.tag.name for line in found.broad if line.tag.name == "公众号"]
    assert ["送礼", "送 礼"] in [
        [line.tag.name for line in lines] for lines in found.double
    ]
    assert twice not in [line.tag for line in found.unused], "it was just made"
    Tag.objects.filter(pk=twice.pk).update(created_at=NOW - timedelta(days=100))
    assert twice in [line.tag for line in tag_hygiene.look(person).unused]
    segmenting.create(
        world.brand,
        actor=person,
        name="储值会员召回",
        rule={"on": "tags", "any": [Tag.objects.get(name="储值会员").pk]},
    )
    # Each unused tag says what speaks against archiving it.
    why = {
        line.tag.name: hold.value
        for hold, lines in tag_hygiene.look(person).unused_by_hold
        for line in lines
    }
    assert why["送 礼"] == "none"
    assert why["储值会员"] == "used"
    assert why["沉睡"] == why["夜间购买"] == "rule"
    assert why["KOC"] == "shared"
    shown = client.get(page).content.decode()
    assert "组重名标签" in shown
    for words in ("人群“储值会员召回”", "目前没有人符合规则", "只有管理员能归档"):
        assert words in shown, words
    client.post(reverse("admin:crm_tag_archive", args=[twice.pk]))
    twice.refresh_from_db()
    assert twice.is_archived
    shared = Tag.objects.get(builtin_key="need.Gift")
    refused = client.post(reverse("admin:crm_tag_archive", args=[shared.pk]))
    assert refused.status_code == 403


def test_counts_are_of_one_s_own_controller(world):
    world.member(scene="")
    dealer = OrgUnit.objects.create(
        name="经销商", kind="dealer", parent=world.brand, is_separate_controller=True
    )
    run_all(now=NOW)
    assert TagCount.objects.exists()
    person = build_staff("dealer", org_unit=dealer)
    assert not TagCount.objects.visible_to(person).exists()
    assert all(line.members == 0 for line in tag_hygiene.look(person).unused)
    assert MemberTag.objects.filter(source="auto").exists()
