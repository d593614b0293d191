"""The pages of segments: list, rule, versions, people, and what the builder asks."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from core import jobs
from core.models import Job
from crm import segmenting
from crm.models import Member, Segment, SegmentMember
from crm.naming import tokens
from tests.conftest import build_staff

RECENT = {"all": [{"on": "seen", "is": "within", "days": 30}]}


def client_of(person):
    client = Client()
    client.force_login(person)
    return client


@pytest.fixture
def maker(world):
    return build_staff("ops_specialist", org_unit=world.brand, display_name="周宁")


@pytest.fixture
def client(maker):
    return client_of(maker)


def page(name, *args):
    return reverse(f"admin:crm_segment_{name}", args=args)


def ask(client, name, **given):
    answer = client.post(page(name), json.dumps(given), "application/json")
    assert answer.status_code == 200, answer.content
    return answer.json()


def fill(rule, **given):
    return {"name": "近期活跃", "description": "", "rule": json.dumps(rule)} | given


def people(world, count=3, **fields):
    return [
        Member.objects.create(
            controller=world.brand,
            display_name=f"林小满{n}",
            name_tokens=tokens(f"林小满{n}", ""),
            **fields,
        )
        for n in range(count)
    ]


def make(world, maker, name="近期活跃", rule=RECENT, **more):
    return segmenting.create(world.brand, actor=maker, name=name, rule=rule, **more)


def test_the_empty_list_teaches_with_a_rule_to_begin_with(client):
    text = client.get(page("changelist")).content.decode()
    assert "用这个示例开始" in text
    assert "最近互动 在最近 30 天内；且订单 最近 90 天内 订单数 至少 2" in text
    assert "近期复购会员" in client.get(page("add") + "?sample=1").content.decode()


def test_a_rule_is_saved_computed_and_listed_with_its_sentence(client, world):
    people(world)
    made = client.post(page("add"), fill(RECENT), follow=True)
    assert "近期活跃" in made.content.decode()
    segment = Segment.objects.get()
    assert "计算中" in client.get(page("changelist")).content.decode()
    job = client.get(reverse("admin:job", args=[Job.objects.get().pk]))
    assert page("change", segment.pk) in job.content.decode()
    jobs.drain()
    segment.refresh_from_db()
    assert (segment.member_count, segment.computed_version) == (3, 1)
    text = client.get(page("changelist")).content.decode()
    assert "最近互动 在最近 30 天内" in text
    assert "最新" in text
    inside = client.get(page("people", segment.pk)).content.decode()
    assert "林小满2" in inside
    member = Member.objects.first()
    shown = client.get(reverse("admin:crm_member_change", args=[member.pk]))
    assert page("change", segment.pk) in shown.content.decode()


def test_what_is_wrong_with_a_rule_is_said_by_its_place_and_nothing_is_lost(client):
    rule = {"all": [{"on": "seen", "is": "within", "days": 0}]}
    answer = client.post(page("add"), fill(rule, name="写到一半"))
    assert answer.status_code == 422
    assert answer.context["settings"]["rule"] == rule
    assert answer.context["settings"]["problems"][0][0] == "/all/0/days"
    assert "写到一半" in answer.content.decode()
    unnamed = client.post(page("add"), fill(RECENT, name=" "))
    assert "请填写名称。" in unnamed.content.decode()
    broken = client.post(page("add"), fill(RECENT) | {"rule": "{"})
    assert broken.status_code == 422
    assert not Segment.objects.exists()


def test_who_was_second_keeps_what_was_typed_and_sees_who_was_first(
    client, world, maker
):
    segment = make(world, maker)
    seen = segmenting.revision_of(segment)
    other = build_staff("ops_manager", org_unit=world.brand, display_name="何其")
    theirs = {"all": [{"on": "stage", "in": ["new"]}]}
    segmenting.update(
        segment, seen, actor=other, name="近期活跃", description="", rule=theirs
    )
    mine = {"all": [{"on": "seen", "is": "within", "days": 7}]}
    answer = client.post(page("change", segment.pk), fill(mine, revision=seen))
    text = answer.content.decode()
    assert answer.status_code == 409
    assert "何其 在此期间保存了这个人群。" in text
    assert answer.context["settings"]["rule"] == mine
    segment.refresh_from_db()
    assert segment.rule == theirs
    again = fill(mine, revision=answer.context["revision"])
    assert client.post(page("change", segment.pk), again).status_code == 302
    segment.refresh_from_db()
    assert (segment.rule, segment.version) == (mine, 3)


def test_versions_are_told_apart_and_brought_back(client, world, maker):
    segment = make(world, maker)
    held = segmenting.update(
        segment,
        segmenting.revision_of(segment),
        actor=maker,
        name=segment.name,
        description="",
        rule={"all": [{"on": "seen", "is": "within", "days": 7}]},
    )
    text = client.get(page("versions", segment.pk)).content.decode()
    assert "第 2 版" in text
    assert "sg-added" in text
    client.post(
        page("restore", segment.pk),
        {"number": 1, "revision": segmenting.revision_of(held)},
    )
    held.refresh_from_db()
    assert (held.rule, held.version) == (RECENT, 3)


def test_a_segment_is_fixed_copied_let_go_and_archived(client, world, maker):
    people(world, 2)
    segment = make(world, maker)

    def act(name, pk=segment.pk):
        held = Segment.objects.get(pk=pk)
        revision = segmenting.revision_of(held)
        client.post(page("do", pk), {"act": name, "revision": revision})
        held.refresh_from_db()
        return held

    assert act("freeze").kind == "dynamic"  # nothing is computed yet
    act("recompute")
    jobs.drain()
    assert act("freeze").kind == "frozen"
    people(world, 1)
    act("copy")
    copied = Segment.objects.exclude(pk=segment.pk).get()
    assert (copied.name, copied.kind) == ("近期活跃（副本）", "frozen")
    assert copied.member_count == 2
    assert act("thaw").kind == "dynamic"
    jobs.drain()
    segment.refresh_from_db()
    assert segment.member_count == 3
    assert act("archive", copied.pk).archived_at is not None
    assert "（副本）" not in client.get(page("changelist")).content.decode()
    assert act("bring_back", copied.pk).archived_at is None


def test_a_list_takes_people_keeps_what_it_does_not_know_and_lets_them_go(
    client, world
):
    found = people(world, 2)
    client.post(page("add"), {"name": "到店名单", "kind": "list", "rule": "null"})
    segment = Segment.objects.get()
    text = f"#{found[0].pk} #{found[1].pk} 13800000000"
    answer = client.post(page("people", segment.pk), {"people": text})
    assert answer.status_code == 422
    shown = answer.content.decode()
    assert "已把 2 人加入名单。" in shown
    assert "13800000000" in shown
    client.post(page("people", segment.pk), {"remove": str(found[0].pk)})
    segment.refresh_from_db()
    assert segment.member_count == 1


def test_everybody_in_a_segment_is_met_page_by_page(client, world, maker, monkeypatch):
    monkeypatch.setattr("crm.segment_pages.people.SHOWN", 2)
    segment = make(world, maker)
    days = (1, 9, 3, 7, 5)  # lately seen in another order than known
    for back in days:
        seen = timezone.now() - timedelta(days=back)
        SegmentMember.objects.create(
            segment=segment, member=people(world, 1, last_seen_at=seen)[0]
        )
    found, after = [], 0
    while after is not None:
        page_of = client.get(page("people", segment.pk), {"after": after})
        found += [member.pk for member in page_of.context["rows"]]
        after = page_of.context["next"]
    inside = Member.objects.filter(controller=world.brand).values_list("pk", flat=True)
    assert found == sorted(inside)


def test_the_builder_counts_what_is_written_and_says_what_saving_changes(
    client, world, maker
):
    people(world, 3)
    people(world, 1, opted_out_at=timezone.now())
    segment = make(world, maker)
    Segment.objects.filter(pk=segment.pk).update(member_count=1)
    said = ask(client, "estimate", rule=RECENT, segment=segment.pk)
    assert "<strong>4</strong> 人" in said["html"]
    assert "已退订" in said["html"]
    assert "林小满0" in said["html"]
    assert "<strong>3</strong>" in said["html"]  # of them can be addressed
    assert "75.0 %" in said["html"]
    assert said["change"] == "保存后：1 → 4 人"
    half = {"all": [{"on": "tags", "any": []}]}
    assert ask(client, "estimate", rule=half)["problems"]
    nobody = {"all": [{"on": "segment", "segment": "", "in": True}]}
    said = ask(client, "estimate", rule=nobody)["problems"]
    assert said == [["/all/0/segment", "请至少选择一个。"]]


def test_any_json_asked_of_the_builder_is_answered(client):
    for rule in (None, [], "x", {"all": 1}, {"on": []}, {"a": "\0"}):
        ask(client, "estimate", rule=rule)
        ask(client, "why", rule=rule, text="小满", member="x")
    for body, status in (
        *((b"", 400), (b"[", 400), (b"[]", 400), (b"\xff", 400)),
        (b'{"controller": {}}', 200),
    ):
        for name in ("estimate", "why"):
            answer = client.post(page(name), body, "application/json")
            assert answer.status_code == status, body


def test_why_somebody_is_in_is_shown_condition_by_condition(client, world):
    member, other = people(world, 2)
    rule = {"all": [RECENT["all"][0], {"on": "phone", "known": True}]}
    many = ask(client, "why", rule=rule, text="林小满")
    assert f'data-member="{other.pk}"' in many["html"]
    one = ask(client, "why", rule=rule, member=member.pk)["html"]
    assert "林小满0 不在其中" in one
    assert one.count("✓") == 1
    assert one.count("✗") == 2
    assert "没有找到" in ask(client, "why", rule=rule, text="无此人")["html"]


def test_names_to_choose_from_are_those_one_may_see(client, world):
    def options(of, q=""):
        answer = client.get(page("options"), {"of": of, "q": q})
        return [row[1] for row in answer.json()["results"]]

    assert options("unit", "静安") == ["静安寺店"]
    assert "经销商甲" not in options("unit")
    assert options("nonsense") == []
    assert options("tag", "没有的标签") == []


def test_a_dealer_meets_nothing_of_the_brand_and_an_agent_no_segment(world, maker):
    member = people(world, 1)[0]
    segment = make(world, maker)
    dealer = client_of(build_staff("dealer", org_unit=world.dealer))
    for name in ("change", "versions", "people"):
        assert dealer.get(page(name, segment.pk)).status_code == 404
    assert dealer.post(page("do", segment.pk), {"act": "copy"}).status_code == 404
    said = ask(dealer, "estimate", rule={"all": []}, controller=world.brand.pk)
    assert "<strong>0</strong>" in said["html"]
    found = ask(dealer, "why", rule=RECENT, member=member.pk)["html"]
    assert "林小满" not in found
    agent = client_of(build_staff("agent", org_unit=world.brand))
    assert agent.get(page("changelist")).status_code == 403
    assert agent.post(page("estimate"), b"{}", "application/json").status_code == 403
    reader = client_of(build_staff("analyst", org_unit=world.brand))
    assert reader.get(page("change", segment.pk)).status_code == 200
    assert reader.post(page("change", segment.pk), fill(RECENT)).status_code == 403
    assert reader.post(page("do", segment.pk), {"act": "copy"}).status_code == 403


def test_a_store_makes_segments_of_its_own_people_only(world, maker):
    people(world, 2)
    people(world, 1, org_unit=world.store)
    person = build_staff("ops_specialist", org_unit=world.store)
    store = client_of(person)
    store.post(page("add"), fill(RECENT))
    jobs.drain()
    segment = Segment.objects.get()
    assert (segment.org_unit, segment.member_count) == (world.store, 1)
