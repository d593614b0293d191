"""The rules in plain Python beside the SQL, over people and purchases of all kinds."""

from __future__ import annotations

from collections import defaultdict
from datetime import date, timedelta
from decimal import Decimal
from threading import Thread
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from crm import value
from crm.models import (
    Category,
    ConsentEntry,
    Identity,
    Member,
    MemberTag,
    MemberValue,
    Order,
    ScoreWeight,
    StageChange,
    ValueCount,
    ValueCut,
)
from crm.value import running
from crm.value.moments import AsOf
from tests.crm.conftest import build_world
from tests.crm.value_oracle import (
    DAY,
    MIN_BUYERS,
    Oracle,
    make_people,
    measure,
    percentile,
    scores_of,
)
from tests.crm.value_worlds import add_member, add_order, noon, put, stock, write


@pytest.fixture
def shop(world: SimpleNamespace) -> SimpleNamespace:
    return stock(world)


def compute(day: date = DAY) -> dict[str, int]:
    return value.recompute_all(as_of=AsOf(day))


def stage_of(member: Member) -> str:
    return Member.objects.get(pk=member.pk).stage


def carried(member: Member) -> set[str]:
    rows = MemberTag.objects.filter(member=member, source="auto")
    return set(rows.values_list("tag__builtin_key", flat=True))


# -- boundaries, one by one


def test_a_buyer_grows_cold_by_the_cycle_of_the_category(
    shop: SimpleNamespace,
) -> None:
    expected = {0: "new", 60: "new", 61: "at_risk", 120: "at_risk", 121: "dormant"}
    expected |= {240: "dormant", 241: "churned", 500: "churned"}
    people = {days: add_member(shop) for days in expected}
    for days, member in people.items():
        add_order(shop, member, noon(DAY - timedelta(days=days), 23, 59))
    compute()
    assert {days: stage_of(member) for days, member in people.items()} == expected


def test_a_colder_stage_begins_a_day_late_and_a_warmer_one_at_once(
    shop: SimpleNamespace,
) -> None:
    member = add_member(shop)
    add_order(shop, member, noon(DAY - timedelta(days=60)))
    compute()
    compute(DAY + timedelta(days=1))  # 61 days: the day of grace
    assert stage_of(member) == "new"
    compute(DAY + timedelta(days=2))
    assert stage_of(member) == "at_risk"
    add_order(shop, member, noon(DAY + timedelta(days=2)))
    ScoreWeight.objects.create(
        controller=shop.brand, key="stage.loyal_orders", value=3, effective_from=DAY
    )
    compute(DAY + timedelta(days=2))
    assert stage_of(member) == "growing"


def test_an_order_after_a_long_pause_wins_back_until_the_next_one(
    shop: SimpleNamespace,
) -> None:
    member = add_member(shop)
    add_order(shop, member, noon(DAY - timedelta(days=200)))
    compute(DAY - timedelta(days=1))
    assert stage_of(member) == "dormant"
    add_order(shop, member, noon(DAY))
    compute()
    assert stage_of(member) == "won_back"
    add_order(shop, member, noon(DAY, 20))  # the same day: the same order
    compute()
    assert stage_of(member) == "won_back"
    add_order(shop, member, noon(DAY + timedelta(days=3)))
    compute(DAY + timedelta(days=3))
    assert stage_of(member) == "loyal"  # 3 of the year, the most of the category


def test_who_cannot_be_reached_is_churned_and_won_back_by_an_order(
    shop: SimpleNamespace,
) -> None:
    member = add_member(shop, is_reachable=False)
    add_order(shop, member, noon(DAY - timedelta(days=5)))
    compute()
    assert stage_of(member) == "churned"
    Member.objects.filter(pk=member.pk).update(is_reachable=True)
    compute()
    assert stage_of(member) == "new"
    Member.objects.filter(pk=member.pk).update(is_reachable=False)
    compute()
    # The log says when it happened; the order comes after that.
    StageChange.objects.filter(member=member).update(at=noon(DAY, 9))
    add_order(shop, member, noon(DAY, 10))
    Member.objects.filter(pk=member.pk).update(is_reachable=True)
    compute()
    assert stage_of(member) == "won_back"


def test_refunds_colleagues_and_orders_of_one_day(shop: SimpleNamespace) -> None:
    back, colleague, busy, waiting = (add_member(shop) for _ in range(4))
    add_order(shop, back, noon(DAY), 50, refunded=50, state="refunded")
    add_order(shop, back, noon(DAY), 80, refunded=80, state="part_back")
    add_order(shop, waiting, noon(DAY), state="pending")
    put(shop, colleague, "role.Employee")
    add_order(shop, colleague, noon(DAY))
    # 23:59 and 00:01 in Shanghai are two days, although one in UTC.
    for hour, minute in ((0, 1), (12, 0), (23, 59)):
        add_order(shop, busy, noon(DAY - timedelta(days=1), hour, minute), 10)
    add_order(shop, busy, noon(DAY, 0, 1), 30, refunded=20, state="part_back")
    compute()
    assert [stage_of(each) for each in (back, colleague, waiting)] == ["prospect"] * 3
    figures = MemberValue.objects.get(member=busy)
    assert (figures.orders_year, figures.spend_year) == (2, Decimal(40))
    assert figures.first_order_at == noon(DAY - timedelta(days=1), 0, 1)
    assert "excluded" in MemberValue.objects.get(member=colleague).why["stage"]


def test_the_main_category_is_where_the_money_went_and_a_brand_has_its_own_cycle(
    shop: SimpleNamespace,
) -> None:
    member = add_member(shop)
    add_order(
        shop,
        member,
        noon(DAY - timedelta(days=40)),
        300,
        items={"beauty": 100, "coffee-snack": 200},
    )
    compute()
    assert stage_of(member) == "dormant"  # 40 days are four cycles of coffee
    own = Category.objects.create(
        controller=shop.brand, code="coffee-snack", name="挂耳咖啡", cycle_days=45
    )
    compute()
    assert stage_of(member) == "new"
    assert MemberValue.objects.get(member=member).category == own


def test_a_built_in_cycle_gives_way_to_the_median_pause_once_enough_is_known(
    shop: SimpleNamespace,
) -> None:
    ScoreWeight.objects.create(key="cycle.min_pauses", value=5, effective_from=DAY)
    # Pauses of 20, 20, 30, 40 and 200 days; two orders of one day are one.
    for pauses in ((20, 30), (40, 0), (20,), (200,)):
        member, day = add_member(shop), DAY.replace(day=1) - timedelta(days=1)
        add_order(shop, member, noon(day))
        for pause in pauses:
            day -= timedelta(days=pause)
            add_order(shop, member, noon(day, 9))
    late = add_member(shop)
    for days in (31, 0):  # this month's pause counts from the next
        add_order(shop, late, noon(DAY - timedelta(days=days)))
    compute()
    cut = ValueCut.objects.get(controller=shop.brand, category__code="beauty")
    assert (cut.cycle_days, cut.cycle_pauses) == (30, 5)
    assert cut.stage_days == [30, 60, 120]
    ScoreWeight.objects.filter(key="cycle.min_pauses").update(value=0)
    compute()
    cut.refresh_from_db()
    assert (cut.cycle_days, cut.cycle_pauses) == (60, 0)
    Category.objects.create(
        controller=shop.brand, code="beauty", name="护肤", cycle_days=45
    )
    ScoreWeight.objects.create(
        controller=shop.brand, key="cycle.min_pauses", value=1, effective_from=DAY
    )
    compute()
    own = ValueCut.objects.get(category__code="beauty", category__name="护肤")
    assert (own.cycle_days, own.cycle_pauses) == (45, 0)


def test_a_category_without_a_cycle_knows_no_cold_stage_and_no_scores(
    shop: SimpleNamespace,
) -> None:
    member = add_member(shop)
    add_order(shop, member, noon(DAY - timedelta(days=900)), items={"furniture": 100})
    compute()
    assert stage_of(member) == "new"
    assert Member.objects.get(pk=member.pk).rfm == ""


def test_the_top_level_is_loyal_and_its_tag_counts_soon(shop: SimpleNamespace) -> None:
    from crm import tagging

    member = add_member(shop)
    add_order(shop, member, noon(timezone.localdate()))
    value.changed([member.pk])
    assert running.drain() == 1
    assert stage_of(member) == "new"
    tagging.tag([member.pk], shop.tags["level.VIP"], actor=shop.writer)
    assert running.drain() == 1
    assert stage_of(member) == "loyal"
    assert "lifecycle.Loyal" in carried(member)


def test_below_two_hundred_buyers_there_are_figures_but_no_scores(
    shop: SimpleNamespace,
) -> None:
    member = add_member(shop)
    add_order(shop, member, noon(DAY - timedelta(days=30)))
    compute()
    figures = MemberValue.objects.get(member=member)
    assert (figures.rfm_orders, figures.r_score) == (1, None)
    assert Member.objects.get(pk=member.pk).rfm == ""
    words = {each.key: each for each in value.why(Member.objects.get(pk=member.pk))}
    assert "1" in words["rfm"].because


# -- closeness and trust


def test_closeness_rises_with_words_and_fades_with_silence(
    shop: SimpleNamespace,
) -> None:
    talker, listener = add_member(shop), add_member(shop)
    for minute in range(4):
        write(talker, "message.text", noon(DAY, 10, minute))
    write(talker, "conversation.closed", noon(DAY, 11), reason="resolved")
    write(talker, "scan", noon(DAY, 11))
    write(listener, "answered", noon(DAY, 10))
    write(listener, "answered", noon(DAY, 11))
    compute()
    close = MemberValue.objects.get(member=talker)
    assert (close.relationship, close.interactions, close.bond) == (6, 4, "medium")
    # What we say alone is no relationship.
    assert MemberValue.objects.get(member=listener).relationship == 0
    compute(DAY + timedelta(days=30))
    faded = MemberValue.objects.get(member=talker)
    assert (faded.relationship, faded.interactions, faded.bond) == (3, 0, "medium")
    compute(DAY + timedelta(days=36))  # 2.6: within the half point of grace
    assert MemberValue.objects.get(member=talker).bond == "medium"
    compute(DAY + timedelta(days=60))
    assert MemberValue.objects.get(member=talker).bond == "weak"


def test_game_spam_counts_fifty_a_day(shop: SimpleNamespace) -> None:
    member = add_member(shop)
    for second in range(60):
        write(member, "click", noon(DAY) + timedelta(seconds=second))
    write(member, "click", noon(DAY - timedelta(days=29)))
    write(member, "click", noon(DAY - timedelta(days=30)))
    compute()
    figures = MemberValue.objects.get(member=member)
    assert (figures.interactions, figures.relationship) == (
        51,
        Decimal("10.5"),
    )  # ten of today, two of a month ago


def test_trust_is_the_highest_completed_rung_and_says_by_what(
    shop: SimpleNamespace,
) -> None:
    bound, spoke, agreed, buyer, advocate = (add_member(shop) for _ in range(5))
    write(spoke, "message.text", noon(DAY))
    write(spoke, "answered", noon(DAY))
    write(bound, "message.text", noon(DAY))
    ConsentEntry.objects.create(
        member=agreed, action="granted", source="message", key="a", at=noon(DAY)
    )
    for account in (shop.service, shop.wecom):
        Identity.objects.create(
            member=agreed,
            controller=shop.brand,
            kind="openid" if account == shop.service else "external_userid",
            account=account,
            value="x",
        )
    add_order(shop, buyer, noon(DAY))
    for days in (0, 5):
        add_order(shop, advocate, noon(DAY - timedelta(days=days)))
    put(shop, advocate, "role.KOC")
    compute()
    people = (bound, spoke, agreed, buyer, advocate)
    levels = [Member.objects.get(pk=each.pk).trust for each in people]
    assert levels == ["T0", "T1", "T2", "T2", "T3"]
    log = StageChange.objects.get(member=agreed, ladder="trust")
    assert (log.before, log.after) == ("T0", "T2")
    assert log.reason["evidence"] == ["agreed", "channels"]
    put(shop, advocate, "service.Complaint open")
    compute()
    assert Member.objects.get(pk=advocate.pk).trust == "T0"


def test_trust_and_stage_follow_consent_and_the_last_channel_soon(
    shop: SimpleNamespace,
) -> None:
    from crm import consent, following

    def told(key: str) -> dict[str, Any]:
        return {"actor": shop.writer, "at": timezone.now(), "key": key}

    def standing() -> tuple[str, str]:
        running.drain()
        row = Member.objects.get(pk=member.pk)
        return row.stage, row.trust

    member = add_member(shop)
    add_order(shop, member, noon(timezone.localdate()), state="pending")
    consent.grant(member, source="staff", **told("a"))
    assert standing() == ("prospect", "T1")
    consent.withdraw(member, source="staff", **told("b"))
    assert standing() == ("prospect", "T0")
    identity = Identity.objects.create(
        member=member, controller=shop.brand, kind="openid", account=shop.service
    )
    following.unfollow(identity, at=timezone.now())
    assert standing() == ("churned", "T0")
    following.follow(identity, at=timezone.now())
    assert standing() == ("prospect", "T0")


# -- everything at once


def test_the_statement_says_what_plain_python_says_and_a_second_run_writes_nothing(
    shop: SimpleNamespace,
) -> None:
    ScoreWeight.objects.create(
        key="rfm.min_buyers", value=MIN_BUYERS, effective_from=DAY
    )
    people = make_people(shop, 300)
    compute()
    fresh = {
        row.pk: row
        for row in Member.objects.prefetch_related(
            "orders__items__product__category", "member_tags__tag"
        ).select_related("value")
    }
    oracles = [
        Oracle(
            fresh[each.pk],
            {row.tag.builtin_key for row in fresh[each.pk].member_tags.all()},
        )
        for each in people
    ]
    assert measure(oracles) == {"beauty"}
    groups: dict[Any, list[Oracle]] = defaultdict(list)
    for person in oracles:
        if person.scored_days:
            groups[person.member.controller_id, person.code].append(person)
    scored = 0
    for person in oracles:
        member = person.member
        group = groups[member.controller_id, person.code]
        counts = [len(each.scored_days) for each in group]
        loyal_from = max(percentile(counts, 0.75), 2) if counts else 2
        assert member.stage == person.stage(loyal_from), (member.pk, member.value.why)
        expected = scores_of(person, group)
        figures = member.value
        assert figures.orders_year == person.f_year
        assert figures.spend_total == sum(person.spend.values(), Decimal(0))
        found = (figures.r_score, figures.f_score, figures.m_score)
        assert found == (expected or (None, None, None)), member.pk
        letters = "".join(
            name
            for name, score in zip("rfm", expected or (), strict=False)
            if score > 3
        )
        assert member.rfm == ("" if expected is None else letters or "none")
        tags = [row for row in member.member_tags.all() if row.source == "auto"]
        assert len(tags) == 1 + (expected is not None)
        scored += expected is not None
    assert scored >= 60
    stages = {member.stage for member in fresh.values()}
    assert stages == set(Member.Stage.values)
    # Every move stands in the log, and nothing else does.
    log = StageChange.objects.filter(ladder="stage")
    moved = [
        (member.pk, "prospect", member.stage)
        for member in fresh.values()
        if member.stage != "prospect"
    ]
    assert sorted(log.values_list("member", "before", "after")) == sorted(moved)
    counted = ValueCount.objects.filter(ladder="loyalty")
    assert sum(row.members for row in counted) == len(people)
    assert compute() == {"members": len(people), "written": 0, "moved": 0}


def test_one_member_computed_alone_stands_where_the_night_puts_her(
    shop: SimpleNamespace,
) -> None:
    today = timezone.localdate()
    members = [add_member(shop) for _ in range(6)]
    for number, member in enumerate(members):
        for back in range(number):
            add_order(shop, member, noon(today - timedelta(days=9 * back)))
    compute(today)
    before = {each.pk: stage_of(each) for each in members}
    Member.objects.update(stage="prospect")
    value.changed([each.pk for each in members])
    assert running.drain() == len(members)
    assert {each.pk: stage_of(each) for each in members} == before


def test_merged_people_are_computed_together_and_purged_ones_forgotten(
    shop: SimpleNamespace,
) -> None:
    from crm import merging, registry

    today = timezone.localdate()
    kept, gone, _other = (add_member(shop) for _ in range(3))
    add_order(shop, kept, noon(today))
    order = add_order(shop, gone, noon(today - timedelta(days=1)))
    compute(today)
    merging.merge(kept, gone, actor=shop.writer)
    Order.objects.filter(pk=order.pk).update(member=kept)  # as the owner of orders does
    running.drain()
    assert MemberValue.objects.get(member=kept).orders_total == 2
    assert not MemberValue.objects.filter(member=gone).exists()
    registry.tell_purge(Member.objects.get(pk=kept.pk))
    assert not MemberValue.objects.filter(member=kept).exists()
    assert not StageChange.objects.filter(member=kept).exists()
    # A chunk of the night that did not know yet writes once more; the night's end knows.
    Member.objects.filter(pk=kept.pk).update(purged_at=timezone.now())
    MemberValue.objects.create(member_id=kept.pk)
    compute()
    assert not MemberValue.objects.filter(member=kept).exists()


def test_recency_is_scored_by_fifths_of_the_category(shop: SimpleNamespace) -> None:
    ScoreWeight.objects.create(key="rfm.min_buyers", value=5, effective_from=DAY)
    first = DAY.replace(day=1)
    # Two of one day share the lower score; whoever bought last has the highest.
    days = [1, 2, 10, 30, 30, 60, 90, 200, 300, 350]
    people = [add_member(shop) for _ in days]
    for member, back in zip(people, days, strict=True):
        add_order(shop, member, noon(first - timedelta(days=back)))
    compute()
    rows = MemberValue.objects.filter(member__in=people).order_by("pk")
    found = list(rows.values_list("r_score", flat=True))
    assert found == [5, 5, 4, 3, 3, 3, 2, 2, 1, 1]
    cut = ValueCut.objects.get(controller=shop.brand, category__code="beauty")
    assert cut.r_days == [2, 10, 60, 200]


def test_a_brand_sets_its_own_numbers_from_a_day_on(shop: SimpleNamespace) -> None:
    member = add_member(shop)
    for days in (1, 20):
        add_order(shop, member, noon(DAY.replace(day=1) - timedelta(days=days)), 300)
    own = {"rfm.min_buyers": 1, "rfm.r5": 0.5, "rfm.f4": 2, "rfm.m5": 500}
    for key, number in own.items():
        ScoreWeight.objects.create(
            controller=shop.brand, key=key, value=number, effective_from=DAY
        )
    ScoreWeight.objects.create(
        controller=shop.dealer, key="rfm.high", value=2, effective_from=DAY
    )
    compute(DAY - timedelta(days=1))
    assert Member.objects.get(pk=member.pk).rfm == ""
    compute()
    figures = MemberValue.objects.get(member=member)
    assert (figures.r_score, figures.f_score, figures.m_score) == (5, 5, 5)
    cut = ValueCut.objects.get(controller=shop.brand, category__code="beauty")
    assert cut.m_spend[0] == 500
    assert Member.objects.get(pk=member.pk).rfm == "rfm"


@pytest.mark.django_db(transaction=True)
def test_two_who_compute_the_same_people_at_once_log_each_move_once() -> None:
    shop = stock(build_world())
    today = timezone.localdate()
    members = [add_member(shop) for _ in range(20)]
    for member in members:
        add_order(shop, member, noon(today))
    value.changed([member.pk for member in members])

    def work(compute_all: bool) -> None:
        try:
            if compute_all:
                value.recompute_all()
            else:
                running.drain()
        finally:
            connection.close()

    threads = [Thread(target=work, args=(each,)) for each in (True, False, True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    log = StageChange.objects.filter(ladder="stage").values_list("member", flat=True)
    assert sorted(log) == [member.pk for member in members]
    assert set(Member.objects.values_list("stage", flat=True)) == {"new"}
