"""The calendar as its script meets it: entries, and what may be done with a slot."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from content import items, registry, slots
from content.marketing_days import load_builtin
from content.models import Item, MarketingDay, Slot
from core.models import AuditEntry
from tests.content.world import later, newest

EVENTS = reverse("admin:calendar_events")
PLAN = reverse("admin:calendar_plan")
JSON = {"Accept": "application/json"}


def verb(slot, name):
    return reverse(f"admin:calendar_{name}", args=[slot.pk])


def wall(at):
    return timezone.localtime(at).strftime("%Y-%m-%dT%H:%M:%S")


@pytest.fixture
def writer(client, newsroom):
    client.force_login(newsroom.writer)
    return client


@pytest.fixture
def slot(newsroom):
    return slots.schedule(
        newsroom.approved(), newsroom.account, later(2), actor=newsroom.writer
    )


def entries(client, kind="slot", **query):
    today = timezone.localdate()
    span = {
        "start": (today - timedelta(days=20)).isoformat(),
        "end": (today + timedelta(days=60)).isoformat(),
    }
    found = client.get(EVENTS, span | query).json()["entries"]
    return [entry for entry in found if entry["kind"] == kind]


def test_every_state_of_a_slot_has_a_shape_of_its_own(writer, newsroom):
    ready = newsroom.approved()
    made = {
        "ready": slots.schedule(
            ready, newsroom.account, later(1), actor=newsroom.writer
        ),
        "waiting": slots.schedule(
            newsroom.submitted(), newsroom.account, later(2), actor=newsroom.writer
        ),
        "draft": slots.schedule(
            newest(newsroom.item()), newsroom.second, later(3), actor=newsroom.writer
        ),
        "cancelled": slots.schedule(
            ready, newsroom.account, later(4), actor=newsroom.writer
        ),
        "published": slots.schedule(
            ready, newsroom.account, later(5), actor=newsroom.writer
        ),
        "overdue": slots.schedule(
            ready, newsroom.account, later(6), actor=newsroom.writer
        ),
    }
    slots.cancel(made["cancelled"], actor=newsroom.writer)
    slots.publish(made["published"], actor=newsroom.writer)
    Slot.objects.filter(pk=made["overdue"].pk).update(publish_at=later(-1))

    found = {entry["look"]: entry for entry in entries(writer)}

    assert {name: entry["id"] for name, entry in found.items()} == {
        name: f"slot-{slot.pk}" for name, slot in made.items()
    }
    assert len({entry["shape"] for entry in found.values()}) == 6
    assert found["ready"]["refusal"] == ""
    assert "已发布" in found["published"]["refusal"]
    assert entries(writer, account=str(newsroom.second.pk))[0]["look"] == "draft"


def test_a_span_of_nonsense_or_of_years_is_refused(writer):
    for start, end in (
        *(("", ""), ("x", "y"), ("2026-11-01", "2027-11-01")),
        *(("2026-11-02", "2026-11-01"), ("0001-01-01", "0001-01-09")),
    ):
        assert writer.get(EVENTS, {"start": start, "end": end}).status_code == 400


def test_entries_cost_the_same_for_one_slot_and_for_many(
    writer, newsroom, slot, monkeypatch, django_assert_num_queries
):
    # Those of higher apps are counted where they are made.
    monkeypatch.setattr(registry, "_bands", [])
    entries(writer)
    # session, person, rights, days, unit of the person, slots
    with django_assert_num_queries(6):
        assert len(entries(writer)) == 1
    for number in range(12):
        slots.schedule(
            newsroom.approved(), newsroom.second, later(number), actor=newsroom.writer
        )
    with django_assert_num_queries(6):
        assert len(entries(writer)) == 13


def test_marketing_days_stand_with_their_chinese_names_and_keep_corrections(
    writer, newsroom
):
    load_builtin()
    day = MarketingDay.objects.get(builtin_key="2026-12-13 国家公祭日")
    assert day.is_quiet
    day.name_zh = "公祭日"
    day.save(update_fields=["name_zh"])
    load_builtin()
    assert MarketingDay.objects.count() == 379

    query = {"start": "2026-12-01", "end": "2027-01-01"}
    found = writer.get(EVENTS, query).json()["entries"]
    names = [entry["title"] for entry in found]
    assert {"公祭日", "冬至", "双12"} <= set(names)
    assert "国家公祭日" not in names
    at = timezone.make_aware(timezone.datetime(2026, 12, 13, 10))
    assert slots.advice(newsroom.account, at)[0].startswith("公祭日是停发日")


def test_bands_of_higher_apps_stand_above_the_days(writer, newsroom, monkeypatch):
    asked = []

    def phases(staff, first, last):
        asked.append((staff, first, last))
        return [
            registry.Band("双12 · 预热", first, date(2026, 12, 11), "/x/", "warm_up")
        ]

    monkeypatch.setattr(registry, "_bands", [phases])
    query = {"start": "2026-12-01", "end": "2027-01-01"}
    band = next(
        entry
        for entry in writer.get(EVENTS, query).json()["entries"]
        if entry["kind"] == "band"
    )
    assert asked == [(newsroom.writer, date(2026, 12, 1), date(2026, 12, 31))]
    assert (band["title"], band["end"], band["url"]) == (
        "双12 · 预热",
        "2026-12-12",
        "/x/",
    )


def test_an_empty_day_is_planned(writer, newsroom):
    version = newsroom.approved()
    at = later(3)
    form = writer.get(PLAN, {"day": wall(at)[:10]}).content.decode()
    assert "会员日" in form
    assert f'value="{wall(at)[:10]}T10:00"' in form
    fields = {"item": version.item_id, "account": newsroom.account.pk}
    answer = writer.post(PLAN, fields | {"publish_at": wall(at)[:16]})
    assert answer.status_code == 200
    planned = Slot.objects.get()
    assert (planned.version, planned.publish_at) == (version, at)
    assert Item.objects.get().state == "scheduled"

    again = writer.post(PLAN, fields | {"publish_at": wall(at)[:16]})
    assert (again.status_code, again.json()["message"]) == (
        409,
        "那里已有同一内容的排期。",
    )
    for wrong in (
        fields | {"publish_at": "2020-01-01T10:00"},
        fields | {"publish_at": "morgen"},
        {"item": "9", "account": newsroom.account.pk, "publish_at": wall(at)[:16]},
        fields | {"account": newsroom.elsewhere.pk, "publish_at": wall(at)[:16]},
    ):
        assert writer.post(PLAN, wrong).status_code in {400, 409}
    assert Slot.objects.count() == 1


def test_a_slot_is_moved_and_the_move_is_taken_back(writer, newsroom, slot):
    before, after = wall(slot.publish_at), wall(later(5))
    answer = writer.post(
        verb(slot, "move"), {"publish_at": after, "seen": before}, headers=JSON
    )
    assert answer.json()["publish_at"] == after
    writer.post(verb(slot, "move"), {"publish_at": before, "seen": after}, headers=JSON)
    slot.refresh_from_db()
    assert wall(slot.publish_at) == before
    moves = AuditEntry.objects.filter(action="content.slot.moved").order_by("id")
    assert [
        entry.after["publish_at"] == entry.before["publish_at"] for entry in moves
    ] == [
        False,
        False,
    ]


def test_a_move_that_makes_no_sense_snaps_back_with_its_reason(
    writer, newsroom, slot, monkeypatch
):
    def move(to, seen=None):
        data = {"publish_at": wall(to), "seen": wall(seen or slot.publish_at)}
        answer = writer.post(verb(slot, "move"), data, headers=JSON)
        return answer.status_code, answer.json()["message"]

    assert move(later(-1)) == (409, "这个时间已经过去。")
    status, said = move(later(3), seen=later(9))
    assert (status, said.startswith("其间有人已把它移到")) == (409, True)
    monkeypatch.setattr(registry, "_guards", [lambda slot, at: "触达已批准"])
    assert move(later(3)) == (409, "触达已批准")
    monkeypatch.setattr(registry, "_guards", [])
    slots.publish(slot, actor=newsroom.writer)
    assert move(later(3))[0] == 409
    slot.refresh_from_db()
    assert slot.publish_at == later(2)


def test_a_slot_is_given_up_with_its_reason_whatever_bytes_it_holds(writer, slot):
    answer = writer.post(verb(slot, "cancel"), {"reason": "改期\0"}, headers=JSON)
    assert answer.json()["state"] == "cancelled"
    assert AuditEntry.objects.get(action="content.slot.cancelled").reason == "改期"
    assert Item.objects.get().state == "approved"


def test_nothing_goes_out_before_it_is_approved(writer, newsroom):
    slot = slots.schedule(
        newest(newsroom.item()), newsroom.account, later(), actor=newsroom.writer
    )
    answer = writer.post(verb(slot, "publish"), headers=JSON)
    assert (answer.status_code, answer.json()["code"]) == (409, "not_approved")


def test_a_draft_that_is_rewritten_keeps_its_place_and_uncleared_rights_get_none(
    newsroom,
):
    version = newsroom.submitted()
    slot = slots.schedule(version, newsroom.account, later(), actor=newsroom.writer)
    newer = items.edit(version.item, content={"body": "新话"}, actor=newsroom.writer)
    slot.refresh_from_db()
    assert slot.version == newer
    items.describe(version.item, actor=newsroom.writer, rights="unknown")
    with pytest.raises(slots.CannotSchedule, match="版权"):
        slots.schedule(newer, newsroom.account, later(9), actor=newsroom.writer)


def test_the_newest_approved_version_takes_the_place_of_the_old(writer, newsroom, slot):
    items.edit(slot.version.item, content={"body": "新话"}, actor=newsroom.writer)
    newer = newsroom.approved(slot.version.item)
    card = writer.get(verb(slot, "slot")).content.decode()
    assert "换用 v2" in card
    writer.post(verb(slot, "exchange"), headers=JSON)
    slot.refresh_from_db()
    assert slot.version == newer


def test_who_may_only_look_can_change_nothing(client, newsroom, slot, make_staff):
    client.force_login(make_staff("analyst", org_unit=newsroom.brand))
    assert entries(client)[0]["refusal"] == "您的角色可以查看日历，不能修改。"
    for name in ("move", "cancel", "publish", "exchange"):
        data = {"publish_at": wall(later(4))}
        assert client.post(verb(slot, name), data, headers=JSON).status_code == 403
    client.force_login(make_staff("ops_specialist", org_unit=newsroom.store))
    assert "上级单位" in entries(client)[0]["refusal"]
    refused = client.post(verb(slot, "cancel"), headers=JSON)
    assert refused.json()["code"] == "not_yours"
    client.force_login(make_staff("dealer", org_unit=newsroom.dealer))
    assert entries(client) == []
    assert client.get(verb(slot, "slot")).status_code == 404


def test_the_calendar_of_a_new_copy_says_how_to_begin(writer, newsroom):
    shown = writer.get(reverse("admin:calendar")).content.decode()
    assert "还没有可排的内容" in shown
    assert reverse("admin:content_item_add") in shown


def test_what_a_campaign_sent_stands_as_published_in_its_slot(newsroom, slot):
    at = slot.publish_at + timedelta(minutes=7)
    for _again in range(2):
        slots.went_out(slot.version, slot.account, at, actor=newsroom.manager)
    slot.refresh_from_db()
    assert (slot.state, slot.publish_at) == ("published", at)
    slots.went_out(slot.version, newsroom.second, at, actor=newsroom.manager)
    published = Slot.objects.filter(state="published").values_list("account", flat=True)
    assert set(published) == {newsroom.account.pk, newsroom.second.pk}
    assert Slot.objects.count() == 2
    assert Item.objects.get().state == "published"
