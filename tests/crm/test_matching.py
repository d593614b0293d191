"""Who somebody is: by unionid, contact id, phone and buyer, inside one controller."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.urls import reverse
from django.utils import timezone

from core.models import AuditEntry
from crm import matching, members, merging, phones, profiles, reviews
from crm.errors import DifferentControllers, NotMergeable, PhoneInvalid
from crm.models import (
    Coupon,
    Identity,
    MatchReview,
    Member,
    Merge,
    Order,
    ValueDue,
)
from crm.naming import tokens
from crm.searching import search
from staff.accounts import system_staff
from tests.conftest import build_staff

PHONE = "13812345678"


def make(unit, name="", phone="", **fields):
    member = Member(
        controller_id=unit.controller_id,
        display_name=name or "微信用户",
        is_placeholder_name=not name,
        name_tokens=tokens(name),
        **fields,
    )
    phones.fill(member, phone)
    member.save()
    return member


def identify(member, kind="openid", value="o1", account=None):
    return Identity.objects.create(
        member=member,
        controller=member.controller,
        kind=kind,
        account=account,
        value=value,
    )


def pairs():
    rows = MatchReview.objects.order_by("pk")
    return [(row.first_id, row.second_id, row.evidence) for row in rows]


def set_phone(member, phone=PHONE, source="staff"):
    return members.set_phone(member, phone, actor=system_staff("test"), source=source)


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("13812345678", "13812345678"),
        ("１３８１２３４５６７８", "13812345678"),
        (" 138 1234-5678 ", "13812345678"),
        ("+86 138 1234 5678", "13812345678"),
        ("008613812345678", "13812345678"),
        ("86 13812345678", "13812345678"),
        ("021-6258 1234", "02162581234"),
        ("+852 9123 4567", "+85291234567"),
        ("", ""),
        ("  ", ""),
    ],
)
def test_a_number_has_one_form_however_it_is_written(typed, kept):
    assert phones.normalise(typed) == kept


@pytest.mark.parametrize(
    "typed",
    ["12345", "138123456789", "不是号码", "10086x", "1" * 200, "138 1234 5678 转 9"],
)
def test_what_cannot_be_called_is_refused(typed):
    with pytest.raises(PhoneInvalid):
        phones.normalise(typed)


def test_the_trail_of_a_phone_is_masked(world):
    member = make(world.brand, "林小满", "13900001111")
    set_phone(member, "+86 138 1234 5678")
    entry = AuditEntry.objects.get(action="crm.member.phone_changed")
    assert entry.before == {"phone": "139****1111"}
    assert entry.after == {"phone": "138****5678", "source": "staff"}
    assert list(Member.objects.filter(search(PHONE, None))) == [member]
    set_phone(member, PHONE)
    assert AuditEntry.objects.count() == 1  # nothing changed


# -- the phone rule


def test_a_record_of_a_file_only_becomes_the_person_with_its_number(world):
    bare = make(world.brand, "林女士", PHONE)
    member = make(world.brand, "小满")
    identify(member, account=world.service)
    standing = set_phone(member)
    assert standing == member
    bare.refresh_from_db()
    assert bare.merged_into == member
    assert Merge.objects.get().why == "phone"


def test_a_number_the_platform_checked_merges_two_people_of_platforms(world):
    one, other = make(world.brand, "甲", PHONE), make(world.brand, "乙")
    identify(one, account=world.service)
    identify(other, account=world.sub)
    assert set_phone(other, source="platform") == one


@pytest.mark.parametrize("source", ["staff", "member", "import"])
def test_a_number_nobody_checked_is_asked_about(world, source):
    one, other = make(world.brand, "甲", PHONE), make(world.brand, "乙")
    identify(one, account=world.service)
    identify(other, account=world.sub)
    assert set_phone(other, source=source) == other
    assert pairs() == [(one.pk, other.pk, {"for": ["phone"], "against": []})]


def test_what_a_member_typed_never_merges(world):
    make(world.brand, "甲", PHONE)
    other = make(world.brand, "乙")
    assert set_phone(other, source="member") == other
    assert MatchReview.objects.open().count() == 1


def test_what_contradicts_is_asked_about_whoever_checked(world):
    one, other = make(world.brand, "甲", PHONE), make(world.brand, "乙")
    identify(one, "unionid", "u1")
    identify(other, "unionid", "u2")
    identify(one, value="o1", account=world.service)
    identify(other, value="o2", account=world.service)
    set_phone(other, source="platform")
    against = ["same_account", "unionid"]
    assert pairs() == [(one.pk, other.pk, {"for": ["phone"], "against": against})]


def test_a_number_of_many_merges_nobody(world):
    for number in range(2):
        make(world.brand, f"顾客{number}", PHONE)
    third, fourth = make(world.brand, "丙"), make(world.brand, "丁")
    set_phone(third, source="platform")
    assert MatchReview.objects.count() == 2
    assert all("shared_phone" in row[2]["against"] for row in pairs())
    set_phone(fourth, source="platform")
    assert MatchReview.objects.count() == 2
    assert not Merge.objects.exists()


def test_two_people_are_never_raised_again(world):
    one, other = make(world.brand, "甲", PHONE), make(world.brand, "乙")
    identify(one, account=world.service)
    identify(other, account=world.sub)
    set_phone(other)
    actor = system_staff("test")
    matching.two_people(MatchReview.objects.get(), actor=actor)
    set_phone(other, "")
    assert set_phone(other, source="platform") == other
    assert not MatchReview.objects.open().exists()
    identify(one, "unionid", "u1")
    identity = other.identities.get()
    assert profiles.link_unionid(identity, "u1") == other
    assert not Merge.objects.exists()


def test_dealers_and_the_brand_never_share_a_person(world):
    make(world.dealer, "甲", PHONE)
    mine = make(world.brand, "乙")
    identify(make(world.dealer, "丙"), "unionid", "u1")
    identify(make(world.dealer, "丁"), "buyer", "b1")
    assert set_phone(mine, source="platform") == mine
    identity = identify(mine, account=world.service)
    assert profiles.link_unionid(identity, "u1") == mine
    wanted = {"unionid": "u2", "phone": "13800000000", "buyer": "b1"}
    assert matching.find_by(world.brand, **wanted).member is None
    assert (
        matching.bind_buyer(world.brand, "b1", mine, actor=system_staff("test")) == []
    )
    assert not MatchReview.objects.exists()
    assert not Merge.objects.exists()
    with pytest.raises(DifferentControllers):
        matching.bind_buyer(world.dealer, "b2", mine, actor=system_staff("test"))


def test_a_merged_record_takes_no_phone(world):
    one, other = make(world.brand), make(world.brand)
    merging.merge(one, other, actor=system_staff("test"))
    with pytest.raises(NotMergeable):
        set_phone(other)


# -- finding


def test_the_strongest_evidence_decides_and_the_rest_is_asked_about(world):
    one, other = make(world.brand, "甲"), make(world.brand, "乙", PHONE)
    identify(one, "unionid", "u1")
    found = matching.find_by(world.brand, unionid="u1", phone=PHONE)
    assert (found.member, found.by, found.conflicts) == (one, "unionid", (other,))
    assert pairs() == [(one.pk, other.pk, {"for": ["phone"], "against": []})]
    assert matching.find_by(world.brand, phone=PHONE).member == other
    assert matching.find_by(world.brand, phone="13800000000").member is None


def test_an_openid_counts_at_its_own_account(world):
    one, other = make(world.brand, "甲"), make(world.brand, "乙")
    identify(one, account=world.service)
    identify(other, account=world.sub)
    find = matching.find_by
    assert find(world.brand, openid="o1", account=world.sub).member == other
    assert find(world.brand, openid="o1").member is None  # of two accounts
    identify(one, "external_userid", "wm1", world.wecom)
    assert find(world.brand, external_userid="wm1").member == one


def test_a_shared_phone_names_nobody(world):
    same = [make(world.brand, str(number), PHONE) for number in range(2)]
    found = matching.find_by(world.brand, phone=PHONE)
    assert found.member is None
    assert set(found.conflicts) == set(same)


# -- buyers


def order(unit, code, buyer, member=None):
    return Order.objects.create(
        controller=unit,
        shop="s",
        code=code,
        buyer=buyer,
        member=member,
        amount=Decimal("99.00"),
    )


def test_orders_wait_for_their_buyer(world):
    member, actor = make(world.brand, "甲"), system_staff("test")
    waiting = order(world.brand, "1", "b1")
    order(world.brand, "2", "b2")
    order(world.dealer, "3", "b1")
    bound = matching.bind_buyer(world.brand, "b1", member, actor=actor)
    assert bound == [waiting.pk]
    assert list(member.orders.all()) == [waiting]
    assert matching.find_by(world.brand, buyer="b1").member == member
    # Again: what came meanwhile.
    late = order(world.brand, "4", "b1")
    assert matching.bind_buyer(world.brand, "b1", member, actor=actor) == [late.pk]
    actions = AuditEntry.objects.values_list("action", flat=True)
    assert list(actions) == ["crm.member.buyer_bound"]


def test_a_buyer_id_of_somebody_else_is_taken_off_on_the_member_page(world, client):
    member, actor = make(world.brand, "甲"), system_staff("test")
    waiting = [order(world.brand, str(number), "b1") for number in (1, 2)]
    coupon = Coupon.objects.create(
        controller=world.brand,
        member=member,
        shop="s",
        code="c1",
        buyer="b1",
        expires_at=timezone.now(),
    )
    matching.bind_buyer(world.brand, "b1", member, actor=actor)
    ValueDue.objects.all().delete()
    page = reverse("admin:crm_member_change", args=[member.pk])
    address, said = f"/admin/crm/member/{member.pk}/buyer/", "家人共用手机下的单"

    def take_off(role, reason, **unit):
        client.force_login(build_staff(role, **unit or {"org_unit": world.brand}))
        is_offered = address in client.get(page).content.decode()
        answer = client.post(address, {"buyer": "b1", "reason": reason}, follow=True)
        return is_offered, answer.status_code, answer.content.decode()

    assert take_off("agent", said)[:2] == (False, 403)
    assert take_off("ops_manager", said, org_unit=world.dealer)[:2] == (False, 404)
    offered, status, text = take_off("ops_manager", "  ")
    assert (offered, status) == (True, 409)
    assert "请说明为什么这个买家编号不属于该会员" in text
    assert "已解除买家编号，2 个订单重新等待认领" in take_off("ops_manager", said)[2]
    assert not member.orders.exists()
    assert not member.identities.exists()
    coupon.refresh_from_db()
    assert coupon.member is None
    entry = AuditEntry.objects.get(action="crm.member.buyer_unbound")
    assert (entry.reason, entry.target_id) == (said, str(member.pk))
    assert list(ValueDue.objects.values_list("member", flat=True)) == [member.pk]
    assert "不再绑定这个买家编号" in take_off("ops_manager", said)[2]
    # Whoever it really is gets what waits.
    right = make(world.brand, "乙")
    bound = matching.bind_buyer(world.brand, "b1", right, actor=actor)
    assert bound == [each.pk for each in waiting]


def test_a_buyer_known_as_somebody_else_is_asked_about(world):
    one, other, actor = make(world.brand), make(world.brand), system_staff("test")
    matching.bind_buyer(world.brand, "b1", one, actor=actor)
    order(world.brand, "1", "b1")
    assert matching.bind_buyer(world.brand, "b1", other, actor=actor) is None
    assert pairs() == [(one.pk, other.pk, {"for": ["buyer"], "against": []})]
    assert not other.orders.exists()


def test_a_pair_is_read_through_the_records_they_became(world):
    one, other, third = (make(world.brand) for _ in range(3))
    reviews.put_on(one, other, speaks_for=["phone"], against=[])
    actor = system_staff("test")
    merging.merge(third, one, actor=actor)
    review = MatchReview.objects.get()
    assert reviews.standing_sides(review) == (third, other)
    matching.two_people(review, actor=actor)
    assert reviews.are_apart(third, other)
    assert reviews.put_on(third, other, speaks_for=["phone"], against=[]) is None
