"""The member page as a whole: one timeline, notes, editing, quotas, what is missing."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from campaigns import plans
from campaigns.models import Recipient, Touch
from core.models import AuditEntry
from crm import completeness, editing, merging, notes, tagging, taxonomy, timeline
from crm.errors import MeanwhileChanged, NoteNotYours, NoteTextMissing
from crm.models import (
    Event,
    Identity,
    Member,
    Note,
    Order,
    Refund,
    StageChange,
    Tag,
)
from staff.accounts import system_staff


@pytest.fixture
def supervisor(client, world, make_staff):
    person = make_staff("supervisor", org_unit=world.brand, display_name="周敏")
    client.force_login(person)
    return person


@pytest.fixture
def member(world):
    found = Member.objects.create(
        controller=world.brand, display_name="微信用户", is_placeholder_name=True
    )
    Identity.objects.create(
        member=found,
        controller=world.brand,
        kind="openid",
        account=world.service,
        value="oLin",
    )
    return found


def page_of(member, view="change"):
    return reverse(f"admin:crm_member_{view}", args=[member.pk])


@pytest.fixture
def touch(world, make_staff):
    planner = make_staff("ops_specialist", org_unit=world.brand)
    campaign = plans.create(
        name="双11",
        template=None,
        org_unit=world.brand,
        live_date=timezone.localdate(),
        owner=planner,
        actor=planner,
    )
    return Touch.objects.create(
        campaign=campaign,
        phase=campaign.phases.first(),
        name="预热提醒",
        channel="mass",
        account=world.service,
        created_by=planner,
        snapshot_at=timezone.now(),
    )


def make_history(member, staff, touch, now):
    """Two lines of every source, some at one and the same moment."""
    for number in range(2):
        at = now - timedelta(hours=number)
        timeline.write(member=member, kind="follow", at=at, key=f"f{number}")
        StageChange.objects.create(
            member=member, before="prospect", after="new", reason={}, at=at
        )
        Note.objects.create(member=member, staff=staff, text=f"备注{number}", at=at)
        order = Order.objects.create(
            controller=member.controller,
            member=member,
            shop="微店",
            code=f"A{number}",
            amount=100,
            placed_at=at,
        )
        Refund.objects.create(order=order, code="R", amount=10, at=at)
    Recipient.objects.create(touch=touch, member=member, state="sent", contacted_at=now)


def test_one_timeline_holds_every_source_once_in_order(
    client, world, supervisor, member, touch, monkeypatch
):
    monkeypatch.setattr("crm.timeline_pages.PAGE_LINES", 3)
    now = timezone.now()
    make_history(member, supervisor, touch, now)
    tagging.tag([member.pk], _tag(), actor=supervisor)
    seen, before = [], ""
    while True:
        response = client.get(page_of(member, "timeline"), {"before": before})
        seen += [(each.at, each.line.title) for each in response.context["lines"]]
        before = response.context["next_cursor"]
        if not before:
            break
    assert len(seen) == 12
    assert [at for at, _t in seen] == sorted((at for at, _t in seen), reverse=True)
    titles = {str(title) for _at, title in seen}
    assert {"收到群发消息", "周敏的跟进记录", "下单 ¥100.00", "退款 ¥10.00"} <= titles
    assert any("潜客 → 新客" in title for title in titles)


def _tag():
    taxonomy.load_builtin()
    return Tag.objects.filter(group__is_exclusive=False).first()


def test_what_was_not_sent_says_why(client, supervisor, member, touch):
    Recipient.objects.create(
        touch=touch, member=member, state="excluded", reason="frequency_cap"
    )
    text = client.get(page_of(member, "timeline"), {"group": "touch"}).content.decode()
    assert "未收到触达" in text
    assert "预热提醒" in text
    assert "频控" in text


def test_chips_show_only_their_kind(client, supervisor, member, touch):
    make_history(member, supervisor, touch, timezone.now())
    for group, count in (("order", 4), ("note", 2), ("stage", 2), ("follow", 2)):
        response = client.get(page_of(member, "timeline"), {"group": group})
        assert len(response.context["lines"]) == count, group
    opened = client.get(page_of(member), {"group": "order"})
    assert len(opened.context["lines"]) == 4


@pytest.mark.parametrize("times", [1, 12])
def test_the_page_asks_as_often_for_a_long_history(
    client, supervisor, member, touch, times, django_assert_max_num_queries
):
    for number in range(times):
        make_one(member, supervisor, number)
    client.get(page_of(member))
    with django_assert_max_num_queries(44):
        assert client.get(page_of(member)).status_code == 200
    with django_assert_max_num_queries(16):
        client.get(page_of(member, "timeline"))


def make_one(member, staff, number):
    at = timezone.now() - timedelta(days=number)
    timeline.write(member=member, kind="follow", at=at, key=f"f{number}")
    Note.objects.create(member=member, staff=staff, text="x", at=at)
    StageChange.objects.create(member=member, before="new", after="loyal", at=at)


def test_notes_and_orders_are_for_those_who_may(client, world, member, make_staff):
    writer = make_staff("agent", org_unit=world.brand)
    notes.add(member, "客户皮肤敏感", actor=writer)
    client.force_login(make_staff("analyst", org_unit=world.brand))
    assert "客户皮肤敏感" not in client.get(page_of(member)).content.decode()
    refused = client.post(page_of(member, "notes"), {"text": "x"})
    assert refused.status_code == 403
    client.force_login(writer)
    assert "客户皮肤敏感" in client.get(page_of(member)).content.decode()


def test_a_note_is_written_changed_and_taken_away_by_its_writer(
    client, world, supervisor, member
):
    assert client.post(page_of(member, "notes"), {"text": " "}).status_code == 409
    client.post(page_of(member, "notes"), {"text": "下周\n回电\u202e"})
    note = Note.objects.get()
    assert note.text == "下周\n回电"
    client.post(
        page_of(member, "notes"), {"note": note.pk, "revision": 1, "text": "周三回电"}
    )
    note.refresh_from_db()
    assert (note.text, note.revision) == ("周三回电", 2)
    late = client.post(
        page_of(member, "notes"), {"note": note.pk, "revision": 1, "text": "周四"}
    )
    assert late.status_code == 409
    assert "周四" in late.content.decode()
    client.post(page_of(member, "notes"), {"remove": note.pk})
    assert not Note.objects.exists()
    verbs = ["crm.note.added", "crm.note.changed", "crm.note.removed"]
    trail = AuditEntry.objects.filter(action__startswith="crm.note").order_by("pk")
    assert [entry.action for entry in trail] == verbs
    assert "回电" not in repr([(entry.before, entry.after) for entry in trail])


def test_nobody_touches_somebody_elses_note(world, supervisor, member, make_staff):
    note = notes.add(member, "我写的", actor=supervisor)
    other = make_staff("supervisor", org_unit=world.brand)
    with pytest.raises(NoteNotYours):
        notes.change(note, "改掉", revision=1, actor=other)
    with pytest.raises(NoteNotYours):
        notes.remove(note, actor=other)
    with pytest.raises(NoteTextMissing):
        notes.add(member, "长" * 501, actor=other)


def test_a_note_of_another_member_is_not_found(client, world, supervisor, member):
    other = Member.objects.create(controller=world.dealer, display_name="别家")
    foreign = notes.add(other, "别家的", actor=supervisor)
    assert (
        client.post(page_of(member, "notes"), {"remove": foreign.pk}).status_code == 404
    )
    assert client.post(page_of(other, "notes"), {"text": "x"}).status_code == 404
    assert client.get(page_of(other, "edit")).status_code == 404


def test_notes_follow_a_merge(world, supervisor, member):
    other = Member.objects.create(controller=world.brand, display_name="乙")
    notes.add(other, "乙的备注", actor=supervisor)
    merging.merge(member, other, actor=system_staff("test"))
    assert member.notes.get().text == "乙的备注"


def form_of(client, member):
    form = client.get(page_of(member, "edit")).context["form"]
    return {
        name: form[name].value() or ""
        for name in form.fields
        if name != "without_phone"
    }


def test_a_profile_is_edited_on_record_and_completes_itself(
    client, world, supervisor, member, make_staff
):
    owner = make_staff("agent", org_unit=world.store, display_name="静安导购")
    before = completeness.of(member).percent
    data = form_of(client, member) | {
        "gender": "f",
        "birthday": "1990-05-17",
        "city": "上海",
        "owner": owner.pk,
        "org_unit": world.store.pk,
        "phone": "138 1234 5678",
    }
    response = client.post(page_of(member, "edit"), data)
    assert response.status_code == 302
    member.refresh_from_db()
    assert (member.gender, member.birthday) == ("f", date(1990, 5, 17))
    assert (member.city, member.owner, member.org_unit) == ("上海", owner, world.store)
    assert member.phone.endswith("13812345678")
    assert member.phone_hash
    assert completeness.of(member).percent > before
    entry = AuditEntry.objects.get(action="crm.member.edited")
    assert entry.after["birthday"] == "1990-**-**"
    assert entry.after["owner"] == owner.pk
    assert "13812345678" not in repr(list(AuditEntry.objects.values("before", "after")))
    assert "同事修改了资料" in client.get(page_of(member)).content.decode()


def test_what_can_not_be_is_refused_beside_its_field(client, supervisor, member):
    good = form_of(client, member) | {"city": "杭州"}
    for field, value in (
        ("birthday", "1890-01-01"),
        ("birthday", "2999-01-01"),
        ("birthday", "五月"),
        ("phone", "不是号码"),
        ("gender", "x"),
        ("owner", "999999"),
        ("city", "城" * 41),
    ):
        data = good | {field: value}
        response = client.post(page_of(member, "edit"), data)
        assert response.status_code == 422, (field, value)
        assert list(response.context["form"].errors) == [field], value
        assert data["city"] in response.content.decode()
    member.refresh_from_db()
    assert member.city == ""


def test_two_who_assign_at_once_do_not_write_over_each_other(
    client, world, supervisor, member, make_staff
):
    first, second = (make_staff("agent", org_unit=world.brand) for _n in range(2))
    data = form_of(client, member) | {"owner": second.pk}
    editing.change(member, {"owner": first}, seen={"owner": ""}, actor=supervisor)
    response = client.post(page_of(member, "edit"), data)
    assert response.status_code == 409
    assert response.context["form"].errors["owner"]
    member.refresh_from_db()
    assert member.owner == first
    # What nobody else touched is no conflict.
    editing.change(member, {"city": "苏州"}, seen={"city": ""}, actor=supervisor)
    with pytest.raises(MeanwhileChanged):
        editing.change(member, {"city": "无锡"}, seen={"city": ""}, actor=supervisor)


def test_assigning_needs_its_own_right_and_a_visible_colleague(
    client, world, member, make_staff
):
    stranger = make_staff("agent", org_unit=world.dealer)
    client.force_login(make_staff("agent", org_unit=world.brand))
    assert "owner" not in client.get(page_of(member, "edit")).context["form"].fields
    client.force_login(make_staff("supervisor", org_unit=world.brand))
    data = form_of(client, member) | {"owner": stranger.pk}
    assert client.post(page_of(member, "edit"), data).status_code == 422
    data = form_of(client, member) | {"org_unit": world.dealer.pk}
    assert client.post(page_of(member, "edit"), data).status_code == 422
    client.force_login(make_staff("analyst", org_unit=world.brand))
    assert client.get(page_of(member, "edit")).status_code == 403


def test_the_header_says_what_is_left_of_each_quota(client, supervisor, member, touch):
    text = client.get(page_of(member)).content.decode()
    assert "本月还可群发 4/4 次" in text
    assert "须等客户先发消息" in text
    Recipient.objects.create(
        touch=touch, member=member, state="accepted", contacted_at=timezone.now()
    )
    text = client.get(page_of(member)).content.decode()
    assert "本月还可群发 3/4 次" in text


def test_the_badge_says_whether_they_may_be_written_to(client, supervisor, member):
    rows = Member.objects.filter(pk=member.pk)
    as_made = {"is_reachable": True, "frozen_until": None, "opted_out_at": None}
    for fields, words in (
        ({}, "可营销"),
        ({"is_reachable": False}, "无法触达"),
        ({"frozen_until": timezone.now() + timedelta(days=3)}, "投诉冻结至"),
        ({"opted_out_at": timezone.now()}, "已退订"),
        ({"no_personalisation": True}, "拒绝个性化"),
    ):
        rows.update(**as_made | fields)
        assert words in client.get(page_of(member)).content.decode(), words


def test_a_brand_new_member_has_a_page_that_teaches(client, world, supervisor):
    nobody = Member.objects.create(
        controller=world.brand, display_name="新", is_placeholder_name=True
    )
    text = client.get(page_of(nobody)).content.decode()
    assert "还没有订单" in text
    assert "还没有跟进记录" in text
    assert f"{page_of(nobody, 'edit')}?focus=phone" in text


def test_the_orders_box_counts_what_stayed_paid(client, world, supervisor, member):
    for number, state in enumerate(("paid", "part_back", "cancelled")):
        Order.objects.create(
            controller=world.brand,
            member=member,
            shop="微店",
            code=f"B{number}",
            state=state,
            amount=1000,
            refunded=100 if state == "part_back" else 0,
        )
    assert "2 笔 · ¥1,900.00" in client.get(page_of(member)).content.decode()


def test_what_a_merge_moved_stays_one_line(world, member):
    other = Member.objects.create(controller=world.brand, display_name="乙")
    timeline.write(member=other, kind="follow", at=timezone.now(), key="f")
    merging.merge(member, other, actor=system_staff("test"))
    assert Event.objects.filter(member=member, kind="follow").count() == 1
