"""Whom the rows of a file mean: completed and never made twice, doubts asked about."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest

from crm import matching, orders
from crm.exchange import known
from crm.models import Identity, MatchReview, Member, Merge, Order
from tests.crm.imported import HEAD, bring_in, problems, with_manager


@pytest.fixture
def place(world: SimpleNamespace, settings: Any, tmp_path: Any) -> SimpleNamespace:
    return with_manager(world, settings, tmp_path)


def named(name: str) -> Member:
    return Member.objects.get(display_name=name)


def ids() -> dict[str, str]:
    rows = Identity.objects.select_related("member")
    return {row.value: row.member.display_name for row in rows}


def pairs() -> list[tuple[str, str, dict[str, list[str]]]]:
    rows = MatchReview.objects.open().select_related("first", "second").order_by("pk")
    return [
        (row.first.display_name, row.second.display_name, row.evidence) for row in rows
    ]


def test_who_is_known_is_completed_never_made_twice(place: SimpleNamespace) -> None:
    bring_in(place.client, HEAD + "13800000001,林小满,,V1\n")
    batch = bring_in(
        place.client,
        HEAD + "13800000001,另名,杭州,\n,,上海,V1\n+86 138-0000-0001,,,V9\n",
    )
    member = Member.objects.get()
    assert (member.display_name, member.city) == ("林小满", "杭州")
    assert set(member.identities.values_list("value", flat=True)) == {"V1", "V9"}
    assert batch.counts["known"] + batch.counts.get("double", 0) == 3


def test_overwriting_is_a_choice(place: SimpleNamespace) -> None:
    bring_in(place.client, HEAD + "13800000001,林小满,杭州,V1\n")
    bring_in(place.client, HEAD + "13800000001,林大满,,V1\n", overwrite="on")
    member = Member.objects.get()
    assert (member.display_name, member.city) == ("林大满", "杭州")


def test_the_same_person_twice_in_a_file_is_one(place: SimpleNamespace) -> None:
    text = HEAD + "13800000001,林小满,,V1\n13800000001,,杭州,V2\n,,,V2\n"
    batch = bring_in(place.client, text)
    assert batch.foreseen["new"] == 1
    assert Member.objects.count() == 1
    assert Identity.objects.count() == 2


def test_ids_of_two_members_go_to_the_strongest_and_the_pair_is_asked_about(
    place: SimpleNamespace,
) -> None:
    bring_in(place.client, HEAD + "13800000001,甲,,V1\n13800000002,乙,,V2\n")
    head = "会员号,unionid,城市,手机号\n"
    bring_in(place.client, head + "V1,u1,,\n")
    for _turn in range(2):
        batch = bring_in(place.client, head + "V2,u1,杭州,13800000002\n")
        assert batch.counts == {"known": 1}
        assert problems(batch) == [(2, "", "ids_of_two")]
    assert (named("甲").city, named("乙").city) == ("杭州", "")
    assert ids() == {"V1": "甲", "u1": "甲", "V2": "乙"}
    assert pairs() == [("甲", "乙", {"for": ["buyer", "phone"], "against": []})]
    matching.two_people(MatchReview.objects.get(), actor=place.manager)
    bring_in(place.client, head + "V2,u1,上海,\n")
    assert not pairs()  # decided, and never asked again
    assert Member.objects.count() == 2


def test_an_import_leaves_to_people_what_a_colleague_would_merge(
    place: SimpleNamespace,
) -> None:
    bring_in(place.client, HEAD + "13800000001,文件里的,,V1\n")
    bring_in(place.client, "unionid,姓名\nu1,微信里的\n")
    batch = bring_in(place.client, "unionid,手机号\nu1,13800000001\n")
    assert problems(batch) == [(2, "", "phone_of_other")]
    assert named("微信里的").phone == "13800000001"
    assert pairs() == [("文件里的", "微信里的", {"for": ["phone"], "against": []})]
    assert not Merge.objects.exists()


def test_an_id_that_contradicts_is_not_taken_over(place: SimpleNamespace) -> None:
    chosen = {"account": place.service.pk}
    head = "unionid,openid,姓名,手机号\n"
    bring_in(place.client, head + "u1,o1,甲,13800000001\n", **chosen)
    text = "u1,o2,,\n,o3,乙,13800000001\n"
    batch = bring_in(place.client, head + text, **chosen)
    assert problems(batch) == [(2, "", "id_not_taken"), (3, "", "phone_of_other")]
    assert ids() == {"u1": "甲", "o1": "甲", "o3": "乙"}
    against = {"for": ["phone"], "against": ["same_account"]}
    assert pairs() == [("甲", "乙", against)]


def test_a_number_alone_names_who_has_it_alone(place: SimpleNamespace) -> None:
    bring_in(place.client, "手机,unionid,姓名\n13800000001,u1,甲\n")
    batch = bring_in(place.client, "手机,城市\n13800000001,杭州\n")
    assert (batch.counts, named("甲").city) == ({"known": 1}, "杭州")
    bring_in(place.client, "手机,unionid,姓名\n13800000001,u2,乙\n")
    MatchReview.objects.all().delete()
    batch = bring_in(place.client, "手机,城市\n13800000001,上海\n")
    assert problems(batch) == [(2, "", "phone_shared")]
    assert [pair[:2] for pair in pairs()] == [("甲", "乙")]
    assert Member.objects.count() == 2


def test_the_number_of_a_shop_says_nothing_of_who_is_new(
    place: SimpleNamespace, monkeypatch: Any
) -> None:
    looks = []
    find = known.find
    monkeypatch.setattr(known, "find", lambda *given: looks.append(1) or find(*given))
    text = "".join(f"13800000001,u{n},客{n}\n" for n in range(30))
    batch = bring_in(place.client, "手机,unionid,姓名\n" + text)
    assert batch.counts == {"new": 30}
    # The second is asked about with the first, the third with both.
    assert len(pairs()) == 3
    assert len(looks) < 10  # not one by one
    batch = bring_in(place.client, "手机,会员号,姓名\n13800000001,V9,客9\n")
    assert batch.counts == {"new": 1}
    assert len(pairs()) == 3


def test_rows_that_share_an_id_and_contradict_do_not_all_become_one(
    place: SimpleNamespace,
) -> None:
    text = "".join(f"V0,{'u' * bool(n)}{n or ''},客{n}\n" for n in range(9))
    batch = bring_in(place.client, "会员号,unionid,姓名\n" + text)
    assert batch.counts == {"new": 1, "double": 1, "known": 7}
    assert ids() == {"V0": "客0", "u1": "客0"}
    assert {code for _line, _column, code in problems(batch)} == {"id_not_taken"}


def test_an_order_is_its_buyers_as_it_is_by_rest(place: SimpleNamespace) -> None:
    bring_in(place.client, HEAD + ",甲,,V1\n")
    bring_in(place.client, "unionid,姓名\nu2,乙\n")
    head = "订单号,会员号,unionid,下单时间,实付金额\n"
    text = (
        "A1,V1,u2,2026-05-01,10\nA2,,u2,2026-05-01,20\n"
        "A3,V3,u2,2026-05-01,30\nA4,V3,,2026-05-01,40\n"
    )
    batch = bring_in(place.client, head + text, {"kind": "orders"}, shop="天猫")
    assert problems(batch) == [(2, "", "buyer_of_other")]
    orders = Order.objects.values_list("code", "member__display_name")
    assert dict(orders) == {"A1": "甲", "A2": "乙", "A3": "乙", "A4": "乙"}
    assert pairs() == [("甲", "乙", {"for": ["buyer"], "against": []})]
    assert ids() == {"V1": "甲", "u2": "乙", "V3": "乙"}


def test_one_phone_with_two_unionids_stays_two_people_with_a_doubt(
    place: SimpleNamespace,
) -> None:
    text = "手机,unionid,姓名\n13800000001,u1,妈妈\n13800000001,u2,爸爸\n"
    batch = bring_in(place.client, text)
    assert Member.objects.count() == 2
    review = MatchReview.objects.get()
    assert review.evidence == {"for": ["phone"], "against": ["unionid"]}
    assert batch.counts == {"new": 2}


def test_a_person_who_was_purged_is_not_brought_back(place: SimpleNamespace) -> None:
    from crm.identities import digest
    from crm.models import Tombstone

    Tombstone.objects.create(
        controller=place.brand,
        digest=digest("buyer", None, "V1"),
        purged_at="2026-01-01T00:00Z",
    )
    batch = bring_in(place.client, HEAD + ",林小满,,V1\n")
    assert problems(batch) == [(2, "", "purged")]
    assert not Member.objects.exists()


def test_every_row_is_applied_or_listed(place: SimpleNamespace) -> None:
    text = (
        "手机,姓名,性别,生日,门店\n"
        "13800000001,甲,男,1990-05-01,静安寺店\n"
        ",乙,,,\n"
        "138****0002,丙,,,\n"
        "1.38E+10,丁,,,\n"
        "13800000005,戊,外星,2099-01-01,\n"
        "13800000006,己,女,,不存在店\n"
    )
    batch = bring_in(place.client, text)
    assert problems(batch) == [
        (3, "", "nothing_to_know_by"),
        (4, "手机", "phone_masked"),
        (5, "手机", "phone_scientific"),
        (6, "性别", "bad_gender"),
        (6, "生日", "bad_birthday"),
        (7, "门店", "bad_store"),
    ]
    assert batch.counts == {"new": 1, "refused": 5}
    assert Member.objects.get().org_unit == place.store


def test_what_the_shop_told_of_refunds_counts_beside_the_file(
    place: SimpleNamespace,
) -> None:
    text = "订单号,会员号,下单时间,实付金额,退款金额,订单状态\n"
    sold = text + "C1,V7,2026-05-01,100,,已付款\nC2,V7,2026-05-01,100,,已付款\n"
    bring_in(place.client, sold, {"kind": "orders"}, shop="mini")
    at = datetime(2026, 5, 2, tzinfo=UTC)
    for order in Order.objects.all():
        orders.refund(order, code="R1", amount=Decimal(60), at=at, actor=place.manager)
    again = text + "C1,V7,2026-05-01,100,,已退款\nC2,V7,2026-05-01,100,50,部分退款\n"
    for _turn in range(2):  # the second time everything is as it stands
        batch = bring_in(place.client, again, {"kind": "orders"}, shop="mini")
        assert [(line, code) for line, _c, code in problems(batch)] == [
            (3, "refund_too_large")
        ]
    rows = Order.objects.order_by("code").values_list("refunded", "state")
    assert list(rows) == [(100, "refunded"), (60, "part_back")]
