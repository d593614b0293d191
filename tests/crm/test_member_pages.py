"""The member list and the member page, as people use them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from core.models import AuditEntry, SystemSetting
from crm import members, merging, registry, timeline
from crm.models import Identity, Member
from crm.naming import tokens
from staff.accounts import system_staff

LIST = reverse("admin:crm_member_changelist")


def make_member(unit, name, **fields):
    remark = fields.get("remark", "")
    return Member.objects.create(
        controller_id=unit.controller_id,
        display_name=name,
        name_tokens=tokens(name, remark),
        **fields,
    )


def page_of(member, view="change"):
    return reverse(f"admin:crm_member_{view}", args=[member.pk])


@pytest.fixture
def supervisor(client, world, make_staff):
    person = make_staff("supervisor", org_unit=world.brand)
    client.force_login(person)
    return person


def names(response):
    return [str(member) for member in response.context["cl"].result_list]


def test_people_are_found_by_fragments_ids_and_phones(client, world, supervisor):
    lin = make_member(world.brand, "林小满", phone="13812345678")
    lin.phone_hash = members.phone_digest("13812345678")
    lin.phone_tail_hash = members.phone_tail_digest("5678")
    lin.save()
    Identity.objects.create(
        member=lin,
        controller=world.brand,
        kind="openid",
        account=world.service,
        value="oia2TjjewbmiOUlr6X",
    )
    make_member(world.brand, "阿May", remark="静安May姐")
    for text, found in (
        *(("小满", ["林小满"]), ("满", ["林小满"]), ("没有这个人", [])),
        *(("may", ["静安May姐"]), ("静安", ["静安May姐"]), ("阿May", ["静安May姐"])),
        *(("oia2TjjewbmiOUlr6X", ["林小满"]), ("oia2Tjjewbm", [])),
        *(("13812345678", ["林小满"]), ("5678", ["林小满"]), ("５６７８", ["林小满"])),
        *(("138 1234 5678", ["林小满"]), ("+86 138-1234-5678", ["林小满"])),
        *(("１３８１２３４５６７８", ["林小满"]), ("138 1234 5679", []), ("~", [])),
        (f"#{lin.pk}", ["林小满"]),
    ):
        assert names(client.get(LIST, {"q": text})) == found, text


def test_a_dealers_members_are_nobody_elses(client, world, supervisor):
    mine = make_member(world.brand, "我们的")
    theirs = make_member(world.dealer, "经销商的")
    assert names(client.get(LIST)) == ["我们的"]
    assert names(client.get(LIST, {"q": f"#{theirs.pk}"})) == []
    assert client.get(page_of(mine)).status_code == 200
    for view in ("change", "timeline"):
        assert client.get(page_of(theirs, view)).status_code == 404
    for view in ("reveal", "remark"):
        assert client.post(page_of(theirs, view), {"reason": "看看"}).status_code == 404


def test_filters_narrow_and_are_remembered_until_cleared(client, world, supervisor):
    make_member(world.brand, "忠诚的", stage="loyal")
    make_member(world.brand, "新来的", stage="new", opted_out_at=timezone.now())

    assert names(client.get(LIST, {"stage": "loyal"})) == ["忠诚的"]
    again = client.get(LIST)
    assert again.status_code == 302
    assert again.headers["Location"].endswith("?stage=loyal")
    cleared = client.get(LIST, headers={"Referer": f"http://testserver{LIST}?x=1"})
    assert len(names(cleared)) == 2
    assert len(names(client.get(LIST))) == 2
    assert names(client.get(LIST, {"reach": "out"})) == ["新来的"]


def test_accounts_and_following_narrow_too(client, world, supervisor, deliver):
    deliver(world.service, "mp.event.subscribe", "o1")
    deliver(world.sub, "mp.event.unsubscribe", "o2")
    by_account = client.get(LIST, {"account": world.sub.pk})
    assert len(names(by_account)) == 1
    assert names(client.get(LIST, {"following": "no"})) == names(by_account)
    assert names(client.get(LIST, {"account": world.dealer_service.pk})) == []


@pytest.mark.parametrize("count", [1, 20])
def test_the_list_needs_the_same_queries_for_one_and_many(
    client, world, supervisor, django_assert_max_num_queries, count
):
    for number in range(count):
        member = make_member(world.brand, f"会员{number}", org_unit=world.store)
        Identity.objects.create(
            member=member,
            controller=world.brand,
            kind="openid",
            account=world.service,
            value=f"o{number}",
        )
    client.get(LIST)
    with django_assert_max_num_queries(20) as queries:
        assert len(names(client.get(LIST))) == count
    counting = [sql for q in queries if "COUNT(" in (sql := q["sql"])]
    assert not any("crm_" in sql for sql in counting)


def test_the_page_shows_the_history_in_words_under_days(
    client, world, supervisor, deliver
):
    now = timezone.now()
    deliver(world.service, "mp.event.subscribe", "o1", at=now - timedelta(days=1))
    deliver(world.service, "mp.message.text", "o1", at=now, Content="<b>怎么退货</b>")
    member = Member.objects.get()

    response = client.get(page_of(member))

    text = response.content.decode()
    assert "关注了账号" in text
    assert "&lt;b&gt;怎么退货" in text
    assert text.count('role="heading"') == 2
    assert "no-store" in response.headers["Cache-Control"]

    chips = client.get(page_of(member, "timeline"), {"group": "message"})
    assert "怎么退货" in chips.content.decode()
    assert "关注了账号" not in chips.content.decode()


def test_earlier_lines_are_loaded_page_by_page_without_gap_or_repeat(
    client, world, supervisor
):
    member = make_member(world.brand, "话多的人")
    now = timezone.now()
    for number in range(75):
        # Several in one second, as callbacks are.
        timeline.write(
            member=member,
            kind="message.text",
            at=now - timedelta(seconds=number // 3),
            key=f"t:{number}",
            data={"text": f"第{number:03}条"},
        )
    seen, before = [], ""
    while True:
        response = client.get(page_of(member, "timeline"), {"before": before})
        seen += [each.line.text for each in response.context["lines"]]
        before = response.context["next_cursor"]
        if not before:
            break
    assert len(seen) == 75
    assert len(set(seen)) == 75


def test_a_bad_cursor_is_the_start(client, world, supervisor):
    member = make_member(world.brand, "林小满")
    timeline.write(member=member, kind="follow", at=timezone.now(), key="1")
    for before in ("x", "1", "1.2.3", "9" * 40 + ".1", "１.２", "-1.1"):
        response = client.get(page_of(member, "timeline"), {"before": before})
        assert response.status_code == 200, before
        assert len(response.context["lines"]) == 1, before


def test_a_phone_is_masked_until_somebody_says_why(client, world, supervisor):
    member = make_member(world.brand, "林小满", phone="13812345678", real_name="林曼")

    text = client.get(page_of(member)).content.decode()
    assert "138****5678" in text
    assert "13812345678" not in text
    assert "林曼" not in text

    refused = client.post(page_of(member, "reveal"), {"reason": " "})
    assert refused.status_code == 409
    assert not AuditEntry.objects.filter(action="crm.member.revealed").exists()

    shown = client.post(page_of(member, "reveal"), {"reason": "回电确认退货"})
    assert "13812345678" in shown.content.decode()
    assert "林曼" in shown.content.decode()
    entry = AuditEntry.objects.get(action="crm.member.revealed")
    assert (entry.actor, entry.reason) == (supervisor, "回电确认退货")
    assert "138" not in repr((entry.before, entry.after, entry.target_label))


def test_looking_at_many_phones_is_stopped(client, world, supervisor):
    SystemSetting.objects.create(key="reveals_per_hour", value=2)
    member = make_member(world.brand, "林小满", phone="13812345678")
    answers = [
        client.post(page_of(member, "reveal"), {"reason": "回电"}).status_code
        for _ in range(3)
    ]
    assert answers == [200, 200, 409]


def test_revealing_and_remarks_need_their_rights(client, world, make_staff):
    member = make_member(world.brand, "林小满", phone="13812345678")
    client.force_login(make_staff("analyst", org_unit=world.brand))
    assert client.get(page_of(member)).status_code == 200
    assert client.post(page_of(member, "reveal"), {"reason": "x1"}).status_code == 403
    assert client.post(page_of(member, "remark"), {"remark": "x"}).status_code == 403
    client.force_login(make_staff(org_unit=world.brand))
    assert client.get(page_of(member)).status_code == 403


def test_a_remark_names_the_member_everywhere(client, world, supervisor):
    member = make_member(world.brand, "微信用户", is_placeholder_name=True)
    client.post(page_of(member, "remark"), {"remark": " 静安林小姐\u202e "})
    assert names(client.get(LIST, {"q": "林小姐"})) == ["静安林小姐"]
    assert AuditEntry.objects.filter(action="crm.member.remark_changed").exists()


def test_a_merged_member_leads_to_the_one_who_stands(client, world, supervisor):
    kept, gone = make_member(world.brand, "甲"), make_member(world.brand, "乙")
    merging.merge(kept, gone, actor=system_staff("test"))
    response = client.get(page_of(gone))
    assert response.status_code == 302
    assert response.headers["Location"] == page_of(kept)


def test_apps_above_add_panels_for_those_who_may(
    client, world, supervisor, monkeypatch
):
    shown = registry.Panel("a", "会话", "crm.view_member", lambda r, m: "甲的会话")
    hidden = registry.Panel("b", "秘密", "crm.delete_member", lambda r, m: "秘密")
    monkeypatch.setattr(registry, "panels", [shown, hidden])
    text = client.get(page_of(make_member(world.brand, "甲"))).content.decode()
    assert "甲的会话" in text
    assert "秘密" not in text


def test_an_address_of_nobody_is_not_found(client, supervisor):
    for pk in ("0", "99999999999999999999", "x", "1/2"):
        assert client.get(f"{LIST}{pk}/change/").status_code == 404, pk
