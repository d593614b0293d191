"""The member list: what it finds, narrows to and remembers, and that a selection is it."""

from __future__ import annotations

import random
from datetime import timedelta
from urllib.parse import urlencode

import pytest
from django.db import connection
from django.http import QueryDict
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from crm import members, recent
from crm.models import (
    Identity,
    Order,
    Segment,
    SegmentMember,
    Tag,
    TagCount,
    TagGroup,
)
from crm.narrowing import conditions
from crm.tagging import tag as add_tag
from staff.models import OrgUnit, SavedView, Staff
from tests.crm.test_member_pages import LIST, make_member, names

NOW = timezone.now()


@pytest.fixture
def supervisor(client, world, make_staff):
    person = make_staff("supervisor", org_unit=world.brand)
    client.force_login(person)
    return person


@pytest.fixture
def tags(world):
    group = TagGroup.objects.create(controller=world.brand, code="t", name="话题")
    return [
        Tag.objects.create(group=group, controller=world.brand, name=name)
        for name in ("护肤", "咖啡", "香薰")
    ]


def found(client, **asked):
    return sorted(names(client.get(LIST, asked)))


def test_initials_orders_and_buyers_find_people(client, world, supervisor):
    lin, shan = (make_member(world.brand, name) for name in ("林小满", "单雪"))
    facts = {"controller": world.brand, "kind": "buyer", "value": "taobao-77"}
    Identity.objects.create(member=shan, **facts)
    order = {"shop": "天猫", "amount": 10}
    own, other = "DD2026001", "DD9999001"
    Order.objects.create(controller=world.brand, member=lin, code=own, **order)
    theirs = make_member(world.dealer, "经销商的")
    Order.objects.create(controller=world.dealer, member=theirs, code=other, **order)
    for typed, who in (
        *(("lxm", ["林小满"]), ("LX", ["林小满"]), ("xm", [])),
        *(("sx", ["单雪"]), ("dx", ["单雪"])),
        *((own, ["林小满"]), (other, []), ("taobao-77", ["单雪"])),
        ("9" * 25, []),
    ):
        assert found(client, q=typed) == who, typed


def test_each_filter_narrows(client, world, supervisor, tags):
    owner = Staff.objects.create_user("guide", org_unit=world.store)
    away = NOW - timedelta(days=100)
    fields = {
        "甲": {"stage": "loyal", "rfm": "rfm", "trust": "T3", "owner": owner},
        "乙": {"org_unit": world.store, "opted_out_at": NOW, "last_seen_at": away},
        "丙": {"is_reachable": False, "frozen_until": NOW + timedelta(days=3)},
    }
    one, two, three = (make_member(world.brand, n, **f) for n, f in fields.items())
    add_tag([one.pk, two.pk], tags[0], actor=supervisor)
    add_tag([two.pk], tags[1], actor=supervisor)
    follows = {"controller": world.brand, "kind": "openid", "account": world.service}
    Identity.objects.create(member=one, value="o1", **follows)
    Identity.objects.create(member=three, value="o3", is_following=False, **follows)
    group = {"controller": world.brand, "owner": supervisor, "kind": "list"}
    segment = Segment.objects.create(name="名单", **group)
    SegmentMember.objects.create(segment=segment, member=three)
    key, other = tags[0].pk, tags[1].pk
    through = f"through-{world.service.pk}"
    for asked, who in (
        ({"stage": ["loyal", "new"]}, "甲"),
        ({"rfm": "rfm"}, "甲"),
        ({"trust": "T3"}, "甲"),
        ({"tags_any": [key, other]}, "乙甲"),
        ({"tags_all": [key, other]}, "乙"),
        ({"tags_none": other}, "丙甲"),
        ({"tags_any": tags[2].pk}, ""),
        ({"store": world.store.pk}, "乙"),
        ({"store": world.brand.pk}, "乙"),
        ({"store": "nobody"}, "丙甲"),
        ({"owner": owner.pk}, "甲"),
        ({"owner": "nobody"}, "乙丙"),
        ({"account": world.service.pk}, "丙甲"),
        ({"reach": through}, "甲"),
        ({"reach": "may"}, "甲"),
        ({"reach": "out"}, "乙"),
        ({"reach": "lost"}, "丙"),
        ({"reach": "frozen"}, "丙"),
        ({"seen": "within-7"}, "丙甲"),
        ({"seen": "not-90"}, "乙"),
        ({"segment": segment.pk}, "丙"),
        ({"tags_any": key, "stage": "loyal", "q": "甲"}, "甲"),
        ({"stage": "loyal", "reach": "out"}, ""),
    ):
        assert found(client, **asked) == sorted(who), asked


def test_what_is_no_value_of_a_filter_finds_nobody(client, world, supervisor):
    make_member(world.brand, "某人")
    for asked in (
        *({"stage": "no-such"}, {"tags_any": "x"}, {"tags_none": str(2**70)}),
        *({"store": "0"}, {"owner": "-1"}, {"account": "²"}, {"reach": "through-"}),
        *({"seen": "within-"}, {"segment": "999999"}, {"following": "perhaps"}),
    ):
        assert found(client, **asked) == [], asked


def test_no_filter_reaches_into_another_controller(client, world, supervisor):
    make_member(world.brand, "我们的")
    theirs = make_member(world.dealer, "经销商的", org_unit=world.dealer)
    own = {"controller": world.dealer, "name": "他们", "owner": supervisor}
    segment = Segment.objects.create(kind="list", **own)
    SegmentMember.objects.create(segment=segment, member=theirs)
    for asked in (
        {"segment": segment.pk},
        {"store": world.dealer.pk},
        {"account": world.dealer_service.pk},
    ):
        assert found(client, **asked) == []
        assert not members.selection(supervisor, urlencode(asked))


def test_filters_not_opened_yet_keep_what_was_chosen(client, world, supervisor, tags):
    asked = {"tags_any": [tags[0].pk, tags[1].pk], "stage": "new", "q": "林"}
    text = client.get(LIST, asked).content.decode()
    for key, value in (
        *(("tags_any", tags[0].pk), ("tags_any", tags[1].pk)),
        *(("stage", "new"), ("q", "林")),
    ):
        assert f'name="{key}" value="{value}"' in text
    assert "香薰" not in text
    filters = client.get(reverse("admin:crm_member_filters"), asked).content.decode()
    assert f'name="tags_any" value="{tags[1].pk}" checked> 咖啡' in filters
    assert f'name="tags_any" value="{tags[2].pk}"> 香薰' in filters


def test_what_narrows_the_list_is_said_and_taken_off_one_by_one(
    client, world, supervisor, tags
):
    asked = {
        "tags_any": [tags[0].pk, tags[1].pk],
        "stage": "new",
        "store": world.store.pk,
        "owner": "nobody",
        "seen": "not-30",
        "account": 10**12,
        "p": 2,
    }
    changes = client.get(LIST, asked).context["cl"]
    told = [(str(title), str(text)) for title, text, _rest in changes.picked]
    assert told == [
        *(("生命周期", "新客"), ("标签：任一", "护肤"), ("标签：任一", "咖啡")),
        *(("门店", world.store.name), ("归属人", "无人"), ("账号", str(10**12))),
        ("最近互动", "超过 30 天没有"),
    ]
    rest = QueryDict(changes.picked[1][2])
    assert (rest.getlist("tags_any"), rest["stage"]) == ([str(tags[1].pk)], "new")
    assert "p" not in rest
    assert "当前筛选" in client.get(LIST, {"stage": "new"}).content.decode()
    assert "当前筛选" not in client.get(LIST, {"q": "林"}).content.decode()
    theirs = OrgUnit.objects.create(name="他们的店", kind="store", parent=world.dealer)
    other = client.get(LIST, {"store": theirs.pk}).context["cl"].picked
    assert [str(text) for _title, text, _rest in other] == [str(theirs.pk)]


def test_a_store_sees_and_filters_its_own(client, world, make_staff):
    make_member(world.brand, "总部的")
    make_member(world.brand, "本店的", org_unit=world.store, stage="new")
    client.force_login(make_staff("store_manager", org_unit=world.store))
    assert found(client) == ["本店的"]
    assert found(client, stage="new") == ["本店的"]
    assert found(client, stage="loyal") == []


def test_a_selection_is_what_the_list_shows(world, supervisor):
    loyal = make_member(world.brand, "忠诚的", stage="loyal")
    make_member(world.brand, "合并的", stage="loyal", merged_into=loyal)
    make_member(world.brand, "新来的", stage="new")
    make_member(world.dealer, "经销商的", stage="loyal")
    assert list(members.selection(supervisor, "stage=loyal&p=2")) == [loyal]
    assert members.selection(supervisor, "").count() == 2
    # A key nobody knows must not mean everybody.
    assert not members.selection(supervisor, "stagee=loyal")
    assert not members.selection(supervisor, "stage=loyal&id__gt=0")


def test_every_way_to_a_page_gives_the_same_rows(world, supervisor, tags, monkeypatch):
    """Small bounds drive a small base through all steps, also with counts that are wrong."""
    draw = random.Random(4)
    for number in range(60):
        make_member(
            world.brand,
            f"会员{number}",
            stage=draw.choice(("new", "loyal")),
            org_unit=draw.choice((None, world.store)),
            last_seen_at=NOW - timedelta(hours=draw.randint(0, 400)),
        )
    keys = [member.pk for member in members.selection(supervisor, "")]
    add_tag(keys[::2], tags[0], actor=supervisor)
    add_tag(keys[::7], tags[1], actor=supervisor)
    queries = [
        *("", "stage=new", f"tags_any={tags[1].pk}", "q=会员", "seen=not-5"),
        f"stage=loyal&tags_all={tags[0].pk}&tags_none={tags[1].pk}&store=nobody",
    ]
    for near, few, many, far, counted in (
        *((5, 2, 2, 9, None), (5, 100, 100, 9, None), (5, 2, 100, 9, None)),
        *((5, 2, 20, 9, None), (5, 2, 2, 100, None), (1000, 1000, 1000, 1000, None)),
        *((5, 2, 100, 9, 0), (5, 2, 100, 9, 50), (1000, 1000, 1000, 1000, 10**9)),
    ):
        bounds = {"_RARE": few, "_NEAR": near, "_FEW": few, "_MANY": many, "_FAR": far}
        bounds |= {"_FIRST_CANDIDATES": 3, "_SPARSE": 20}
        TagCount.objects.all().delete()
        for tag in tags[:2] if counted is not None else ():
            TagCount.objects.create(
                tag=tag, controller=world.brand, members=counted, last_set_at=NOW
            )
        for name, value in bounds.items():
            monkeypatch.setattr(recent, name, value)
        for query in queries:
            wanted = [row.pk for row in members.selection(supervisor, query)]
            rows = recent.Recent(supervisor, conditions(supervisor, QueryDict(query)))
            got = [*rows.ids(0, 7), *rows.ids(7, 100)]
            assert got == wanted, (query, bounds)


def test_views_are_kept_opened_renamed_and_deleted(client, world, supervisor):
    make_member(world.brand, "忠诚的", stage="loyal")
    make_member(world.brand, "新来的", stage="new")
    save = reverse("admin:crm_member_save_view")
    kept = {"name": "老客", "query": "stage=loyal&p=3&evil=1"}
    page = client.post(save, kept, follow=True)
    view = SavedView.objects.get()
    assert (view.staff, view.query) == (supervisor, "stage=loyal")
    assert names(page) == ["忠诚的"]
    assert "老客" in page.content.decode()

    change = reverse("admin:crm_member_saved_view", args=[view.pk])
    client.post(change, {"do": "default"})
    client.get(LIST, {"stage": "new"})
    assert names(client.get(LIST, follow=True)) == ["新来的"]
    client.session.flush()
    client.force_login(supervisor)
    assert names(client.get(LIST, follow=True)) == ["忠诚的"]

    client.post(change, {"do": "rename", "name": " 忠诚 会员 "})
    view.refresh_from_db()
    assert view.name == "忠诚 会员"
    client.post(change, {"do": "delete"})
    assert not SavedView.objects.exists()


def test_a_view_without_name_or_filters_is_refused_in_words(client, world, supervisor):
    save = reverse("admin:crm_member_save_view")
    for given in ({"name": " ", "query": "stage=new"}, {"name": "甲", "query": "p=1"}):
        page = client.post(save, given, follow=True)
        assert list(page.context["messages"])
    assert not SavedView.objects.exists()


def test_views_are_everybodys_own(client, world, supervisor, make_staff):
    other = make_staff("supervisor", org_unit=world.brand)
    mine = SavedView.objects.create(
        staff=other, page="crm.member", name="别人的", query="stage=new"
    )
    assert "别人的" not in client.get(LIST).content.decode()
    change = reverse("admin:crm_member_saved_view", args=[mine.pk])
    assert client.post(change, {"do": "delete"}).status_code == 404


def test_no_statement_counts_the_members(client, world, supervisor):
    make_member(world.brand, "会员", stage="new")
    with CaptureQueriesContext(connection) as queries:
        assert found(client, stage="new", q="会员", reach="may") == ["会员"]
    about = [sql for q in queries if "crm_member" in (sql := q["sql"])]
    assert about
    assert not any("COUNT(" in sql for sql in about)
