"""A look at the member list becomes the rule of a segment, and means the same people."""

from __future__ import annotations

import json
import re
from html import unescape

import pytest
from django.db.models import F
from django.http import QueryDict
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from crm import filters, members, narrowing, segment_looks, segments
from crm.models import Identity, Member, Segment
from staff.models import OrgUnit, Staff
from tests.conftest import build_staff
from tests.crm import segment_worlds
from tests.crm.test_member_pages import LIST, make_member
from wechat.models import Account

ADD = reverse("admin:crm_segment_add")
CHOICES = reverse("admin:crm_member_choices")
FILTERS = reverse("admin:crm_member_filters")
BUTTON = "把当前筛选存为人群"


def client_of(person):
    client = Client()
    client.force_login(person)
    return client


@pytest.fixture
def maker(world):
    return build_staff("ops_specialist", org_unit=world.brand)


@pytest.fixture
def client(maker):
    return client_of(maker)


def lively_world(monkeypatch):
    """The random world, as if it were built this minute, with WeCom friends."""
    monkeypatch.setattr(segment_worlds, "MEMBERS", 40)
    world = segment_worlds.build_world()
    since = timezone.now() - segment_worlds.NOW
    moved = {"last_seen_at": F("last_seen_at") + since}
    Member.objects.update(**moved, frozen_until=F("frozen_until") + since)
    Identity.objects.bulk_create(
        Identity(
            member=member,
            controller_id=member.controller_id,
            kind="external_userid",
            account_id=world.rows["account"][2],
            value=f"wm{member.pk}",
            is_following=bool(place % 2),
        )
        for place, member in enumerate(Member.objects.order_by("pk")[::3])
    )
    return world


def every_look(rows):
    tag, other = rows["tag"][:2]
    one, _two, corp = rows["account"]
    return [
        *("stage=new&stage=loyal&stage=dormant", "rfm=rfm&rfm=m&rfm=none", "trust=T0"),
        *(f"tags_any={tag}&tags_any={other}", f"tags_all={tag}&tags_all={other}"),
        *(f"tags_none={tag}", f"tags_any={tag}&tags_none={other}&tags_all={tag}"),
        *(f"store={rows['unit'][1]}", f"store={rows['unit'][2]}", "store=nobody"),
        *(f"owner={rows['staff'][0]}", "owner=nobody"),
        *(f"account={one}", f"account={corp}", "following=yes", "following=no"),
        *("reach=may", "reach=lost", "reach=out", "reach=frozen"),
        *(f"reach=through-{one}", f"reach=through-{corp}"),
        *("seen=within-30", "seen=not-90", f"segment={rows['segment'][0]}"),
        "reach=may&owner=nobody&seen=within-365&p=2",
    ]


def test_every_filter_of_the_list_means_the_same_people_in_a_segment(db, monkeypatch):
    world = lively_world(monkeypatch)
    person = build_staff("ops_specialist", org_unit=world.brand)
    everybody = members.selection(person, "").count()
    walked = set()
    for look in every_look(world.rows):
        asked = QueryDict(look)
        told = segment_looks.rule_of(asked, world.brand, staff=person)
        assert told.left_out == [], look
        node = segments.parse(told.rule, controller=world.brand)
        found = segments.members_of(node, world.brand).values_list("pk", flat=True)
        listed = members.selection(person, look).values_list("pk", flat=True)
        assert set(found) == set(listed), look
        assert 0 < len(listed) < everybody, look
        walked |= set(narrowing.asked_values(asked))
    assert walked == set(narrowing.asked_keys()) - {"q"}


def test_a_store_takes_its_own_people_only(world):
    make_member(world.brand, "总部的", stage="new")
    own = make_member(world.brand, "本店的", org_unit=world.store, stage="new")
    client = client_of(build_staff("ops_specialist", org_unit=world.store))
    page = client.get(ADD, {"look": "stage=new"})
    unit = page.context["draft"].org_unit
    node = segments.parse(page.context["look"].rule, controller=world.brand)
    assert list(segments.members_of(node, world.brand, unit=unit)) == [own]


def test_the_list_opens_the_builder_with_its_look_and_says_what_is_missing(
    client, world
):
    assert BUTTON not in client.get(LIST).content.decode()
    listed = client.get(LIST, {"stage": "new", "q": "lxm"}).content.decode()
    address = unescape(re.search(rf'href="([^"]+)">{BUTTON}', listed)[1])
    page = client.get(address)
    rule = {"all": [{"on": "stage", "in": ["new"]}]}
    assert page.context["settings"]["rule"] == rule
    text = page.content.decode()
    assert "没有带过来的部分" in text
    assert "搜索“lxm”" in text
    assert not Segment.objects.exists()
    form = {"name": "", "description": "", "rule": json.dumps(rule)}
    refused = client.post(address, form)
    assert refused.status_code == 422
    assert "搜索“lxm”" in refused.content.decode()
    assert client.post(address, form | {"name": "新客"}).status_code == 302
    assert Segment.objects.get().rule == rule
    nothing = client.get(ADD, {"look": "q=lxm"}).content.decode()
    assert "添加条件之前，这里是全部会员" in nothing


def test_what_a_rule_can_not_say_is_told_with_its_reason(client, world, maker):
    old = Segment.objects.create(
        controller=world.brand,
        name="旧名单",
        kind="list",
        owner=maker,
        archived_at=timezone.now(),
    )
    look = f"segment={old.pk}&seen=not-9999&trust=T1"
    page = client.get(ADD, {"look": look})
    assert [part["on"] for part in page.context["settings"]["rule"]["all"]] == ["trust"]
    told = {str(each.title): each.why for each in page.context["look"].left_out}
    assert set(told) == {"人群", "最近互动"}
    assert "3650" in told["最近互动"]


def test_a_look_that_can_not_be_read_leads_back_to_the_list_with_words(
    client, world, maker
):
    theirs = Segment.objects.create(
        controller=world.dealer, name="他们的名单", kind="list", owner=maker
    )
    guide = Staff.objects.create_user(
        "their-guide", org_unit=world.dealer, display_name="他们的导购"
    )
    bad = (
        *("stage=no-such", "tags_any=x", "seen=within-", "evil=1", "q=%00", "id__gt=0"),
        *(f"store={world.dealer.pk}", f"segment={theirs.pk}", f"owner={guide.pk}"),
        *(f"reach=through-{world.dealer_service.pk}", f"tags_none={2**70}"),
    )
    for look in bad:
        back = client.get(ADD, {"look": look})
        assert back.status_code == 302, look
        assert back.url.startswith(LIST)
    text = client.get(back.url, follow=True).content.decode()
    assert "无法识别这组筛选条件" in text
    for name in ("门店", "人群", "归属人", "可触达性"):
        assert f"筛选“{name}”中的内容不存在，或您无权查看" in text
    for name in ("经销商甲", "他们的名单", "他们的导购"):
        assert name not in text
    assert not Segment.objects.exclude(pk=theirs.pk).exists()


def test_who_may_not_make_segments_has_no_button_and_no_builder(world):
    make_member(world.brand, "某人", stage="new")
    reader = client_of(build_staff("analyst", org_unit=world.brand))
    assert BUTTON not in reader.get(LIST, {"stage": "new"}).content.decode()
    assert reader.get(ADD, {"look": "stage=new"}).status_code == 403


def test_who_sees_every_controller_is_told_whose_segment_it_is(world):
    root = build_staff("administrator")
    client = client_of(root)
    page = client.get(ADD, {"look": f"store={world.dealer.pk}"})
    assert page.context["segment"].controller == world.dealer
    assert page.context["look"].left_out == []
    page = client.get(ADD, {"look": "stage=new"})
    assert len(page.context["look"].left_out) == 1
    other = {"look": f"store={world.dealer.pk}", "controller": world.brand.pk}
    assert client.get(ADD, other).context["settings"]["rule"] == {"all": []}


# -- choices beyond those drawn


def test_choices_beyond_those_drawn_are_found_by_name(client, world, monkeypatch):
    monkeypatch.setattr(filters, "FEW", 2)
    shops = [
        OrgUnit.objects.create(name=f"苏州{n}店", kind="store", parent=world.brand)
        for n in range(3)
    ]
    guides = [
        Staff.objects.create_user(
            f"guide{n}", org_unit=shops[n], display_name=f"陆导购{n}"
        )
        for n in range(3)
    ]
    accounts = [
        Account.objects.create(
            name=f"服务号{n}", slug=f"s{n}", kind="service", org_unit=world.brand
        )
        for n in range(3)
    ]
    member = make_member(world.brand, "苏州的", org_unit=shops[2], owner=guides[2])
    Identity.objects.create(
        member=member,
        controller=world.brand,
        account=accounts[2],
        kind="openid",
        value="o-suzhou",
        is_following=True,
    )
    look = {
        "store": shops[2].pk,
        "owner": guides[2].pk,
        "account": accounts[2].pk,
        "reach": f"through-{accounts[2].pk}",
    }
    page = client.get(LIST, look)
    text = client.get(FILTERS, look).content.decode()
    assert text.count("data-find-choices") == 4
    assert f'<option value="{shops[2].pk}" selected>' in text
    assert f'<option value="{accounts[2].pk}" selected>服务号2<' in text
    assert f'<option value="through-{accounts[2].pk}" selected>服务号2<' in text
    assert f'value="through-{accounts[1].pk}"' not in text
    assert "陆导购2 · 苏州2店" in text
    assert list(page.context["cl"].result_list) == [member]

    def found(of, q):
        answer = client.get(CHOICES, {"of": of, "q": q})
        return [row[1] for row in answer.json()["results"]]

    assert found("store", "州1") == ["苏州1店"]
    assert found("owner", "GUIDE1") == ["陆导购1 · 苏州1店"]
    assert found("account", "号1") == found("reach", "号1") == ["服务号1"]
    assert (found("reach", "退订"), found("account", "没有")) == (["已退订"], [])
    assert found("segment", "没有") == []
    assert found("tags_any", "州") == []


def test_looked_up_choices_are_those_in_scope(world, maker):
    build_staff("dealer", org_unit=world.dealer, display_name="他们的导购")
    Segment.objects.create(
        controller=world.dealer, name="他们的名单", kind="list", owner=maker
    )
    for person, sees in (
        (maker, False),
        (build_staff("store_manager", org_unit=world.store), False),
        (build_staff("administrator"), True),
    ):
        client = client_of(person)
        for of, name in (
            *(("store", "经销商甲"), ("owner", "他们的导购")),
            ("segment", "他们的名单"),
        ):
            text = client.get(CHOICES, {"of": of, "q": name[:2]}).content.decode()
            assert (name in json.dumps(json.loads(text), ensure_ascii=False)) == sees
    nobody = client_of(Staff.objects.create_user("x", org_unit=world.brand))
    assert nobody.get(CHOICES, {"of": "store"}).status_code in (302, 403)
