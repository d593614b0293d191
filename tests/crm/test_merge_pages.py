"""The review list, merging by hand and undoing, as people use them."""

from __future__ import annotations

import pytest
from django.urls import reverse

from crm import merging, reviews
from crm.models import MatchReview, Member, Merge
from crm.models.consents import NO_END
from tests.crm.test_matching import PHONE, identify, make

LIST = reverse("admin:crm_matchreview_changelist")
NEW = reverse("admin:crm_merge_new")


def page_of(row, view="change"):
    name = row._meta.model_name
    return reverse(f"admin:crm_{name}_{view}", args=[row.pk])


@pytest.fixture
def manager(client, world, make_staff):
    person = make_staff("ops_manager", org_unit=world.brand, display_name="周敏")
    client.force_login(person)
    return person


@pytest.fixture
def pair(world):
    one = make(world.brand, "林小满", PHONE, real_name="林曼")
    other = make(world.brand, "小满", PHONE)
    identify(one, account=world.service)
    identify(other, value="o2", account=world.service)
    return reviews.put_on(one, other, speaks_for=["phone"], against=["same_account"])


def text_of(response):
    return response.content.decode()


def test_both_sides_stand_beside_each_other_with_what_differs(client, manager, pair):
    rows = Member.objects.filter(pk__in=[pair.first_id, pair.second_id])
    rows.update(city="上海", gender="f")
    Member.objects.filter(pk=pair.first_id).update(
        birthday="1991-04-18", frozen_until=NO_END
    )
    Member.objects.filter(pk=pair.second_id).update(birthday="1986-11-02")
    listed = text_of(client.get(LIST))
    assert "林小满" in listed
    assert "手机号相同" in listed
    shown = text_of(client.get(page_of(pair)))
    for words in ("林小满", "小满", "138****5678", "在同一账号有两个身份", "林*"):
        assert words in shown
    for words in ("1991-04-18", "1986-11-02", "已冻结：有未关闭的投诉"):
        assert words in shown, words
    # On both sides, of the birthday only.
    assert shown.count("与另一条记录不同") == 2
    assert PHONE not in shown
    assert "林曼" not in shown


def test_one_person_is_decided_with_one_key_and_the_next_pair_comes(
    client, world, manager, pair
):
    third = make(world.brand, "第三")
    following = reviews.put_on(pair.first, third, speaks_for=["phone"], against=[])
    response = client.post(
        page_of(pair, "decide"), {"keep": pair.second_id}, follow=True
    )
    assert response.redirect_chain[0][0] == page_of(following)
    assert "两条记录已合并为一条" in text_of(response)
    pair.first.refresh_from_db()
    assert pair.first.merged_into == pair.second
    pair.refresh_from_db()
    assert (pair.state, pair.decided_by) == ("merged", manager)
    assert f"#{pair.second_id}" in text_of(response)  # the pair reads through
    decided = text_of(client.get(page_of(pair)))
    assert page_of(Merge.objects.get()) in decided
    assert reverse("admin:crm_member_change", args=[pair.second_id]) in decided


def test_two_people_are_decided_and_off_the_list(client, manager, pair):
    response = client.post(page_of(pair, "decide"), {"apart": "1"})
    assert response.url == LIST
    assert "林小满" not in text_of(client.get(LIST))
    assert "林小满" in text_of(client.get(LIST, {"state": "apart"}))


def test_who_comes_second_is_told_who_decided(client, manager, pair, make_staff):
    colleague = make_staff(
        "ops_manager", org_unit=manager.org_unit, display_name="许安"
    )
    reviews.decide_apart(pair, actor=colleague)
    response = client.post(page_of(pair, "decide"), {"keep": pair.first_id})
    assert response.status_code == 409
    assert "许安 已经判断过：不是同一个人" in text_of(response)
    assert not Merge.objects.exists()


def test_the_right_to_merge_is_asked_for(client, world, make_staff, pair):
    client.force_login(make_staff("supervisor", org_unit=world.brand))
    merge = Merge.objects.create(
        controller=world.brand,
        kept=pair.first,
        gone=pair.second,
        actor=make_staff("ops_manager"),
    )
    assert client.get(page_of(pair)).status_code == 403
    assert client.post(page_of(pair, "decide"), {"apart": "1"}).status_code == 403
    assert client.get(NEW).status_code == 403
    assert client.post(page_of(merge, "undo")).status_code == 403


def test_a_pair_of_a_store_is_not_for_another_store(client, world, make_staff, pair):
    Member.objects.filter(pk=pair.first_id).update(org_unit=world.store)
    person = make_staff("ops_manager", org_unit=world.store)
    client.force_login(person)
    assert client.get(page_of(pair)).status_code == 404


def test_merging_by_hand_shows_first_what_goes_over(client, manager, pair):
    one, other = pair.first, pair.second
    found = text_of(client.get(NEW, {"member": one.pk, "q": "小满"}))
    assert f"#{other.pk}" in found
    assert f'name="other" value="{one.pk}"' not in found
    both = {"member": one.pk, "other": other.pk}
    preview = text_of(client.post(NEW, both))
    assert "将转移的内容" in preview
    assert not Merge.objects.exists()
    refused = client.post(NEW, {**both, "keep": one.pk, "why": " "})
    assert refused.status_code == 409
    done = client.post(NEW, {**both, "keep": other.pk, "why": "本人到店确认"})
    assert done.url == reverse("admin:crm_member_change", args=[other.pk])
    merge = Merge.objects.get()
    assert (merge.kept, merge.why, merge.actor) == (other, "本人到店确认", manager)


def test_somebody_out_of_scope_cannot_be_merged_by_hand(client, world, manager, pair):
    foreign = make(world.dealer, "别家的")
    both = {"member": pair.first_id, "other": foreign.pk}
    assert client.post(NEW, both).status_code == 404
    given = client.get(NEW, {"member": pair.first_id, "q": "别家"})
    assert "别家的" not in text_of(given)


def test_a_merge_is_undone_with_a_reason(client, manager, pair):
    merging.merge(pair.first, pair.second, actor=manager)
    merge = Merge.objects.get()
    member_page = client.get(page_of(pair.first))
    assert page_of(merge) in text_of(member_page)
    assert "会员" in text_of(client.get(page_of(merge)))
    refused = client.post(page_of(merge, "undo"), {"reason": ""})
    assert refused.status_code == 409
    done = client.post(page_of(merge, "undo"), {"reason": "姐妹共用手机"}, follow=True)
    assert "两条记录已拆开" in text_of(done)
    again = client.post(page_of(merge, "undo"), {"reason": "再来"})
    assert again.status_code == 409
    assert "周敏 已经把这两条记录拆开了" in text_of(again)
    assert "姐妹共用手机" in text_of(client.get(page_of(merge)))
    assert "已撤销" in text_of(client.get(reverse("admin:crm_merge_changelist")))


def test_of_a_chain_the_page_names_the_merge_to_undo_first(
    client, world, manager, pair
):
    third = make(world.brand, "第三")
    merging.merge(pair.first, pair.second, actor=manager)
    merging.merge(third, pair.first, actor=manager)
    first, second = Merge.objects.order_by("pk")
    shown = text_of(client.get(page_of(first)))
    assert page_of(second) in shown
    assert "撤销合并</button>" not in shown


def test_nothing_to_decide_says_so(client, manager):
    assert client.get(LIST).status_code == 200
    assert MatchReview.objects.count() == 0
