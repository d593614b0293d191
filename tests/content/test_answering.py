"""Which rule answers a text, and why."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest
from django.utils import timezone

from content.answering import Verdict, match, normalised
from content.models import AnswerRule
from staff.models import OrgUnit
from wechat.models import Account


@pytest.fixture
def account(db):
    brand = OrgUnit.objects.create(name="林间", kind="brand")
    return Account.objects.create(
        slug="main", name="林间", kind="service", org_unit=brand
    )


def rule(account, name, *keywords, **fields):
    fields.setdefault("reply_text", f"{name}的回复")
    return AnswerRule.objects.create(
        account=account, name=name, keywords=list(keywords), **fields
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("【人工】！", "人工"),
        ("　ＴＤ 。", "td"),
        ("营业  时间？？", "营业 时间"),
        ("退货😀", "退货"),
        ("？？？", "???"),
        ("", ""),
    ],
)
def test_width_case_and_surrounding_punctuation_do_not_matter(text, expected):
    assert normalised(text) == expected


@pytest.mark.parametrize("text", ["退订", "TD", "ｔｄ", "“取消订阅”", "退订。"])
def test_opting_out_comes_before_every_rule(account, text):
    rule(account, "退订陷阱", "退订", "td", "取消订阅", priority=1)
    assert match(account, text, timezone.now()).verdict == Verdict.OPT_OUT


def test_asking_for_a_person_comes_before_every_rule(account):
    rule(account, "人工陷阱", "人工")
    assert match(account, "转人工！", timezone.now()).verdict == Verdict.HUMAN


def test_the_smallest_priority_wins_then_the_older_rule(account):
    rule(account, "晚", "退货", priority=20)
    first = rule(account, "早", "退货", priority=10)
    rule(account, "更晚", "退货", priority=10)
    assert match(account, "我想退货", timezone.now()).rule == first


def test_exact_needs_the_whole_text(account):
    exact = rule(account, "会员", "会员权益", match="exact")
    now = timezone.now()
    assert match(account, "会员权益!", now).rule == exact
    assert match(account, "会员权益有哪些", now).verdict == Verdict.MISS


def test_rules_answer_only_while_valid_and_switched_on(account):
    now = timezone.now()
    rule(account, "未到", "退货", valid_from=now + timedelta(hours=1))
    rule(account, "已过", "退货", valid_to=now)
    rule(account, "停用", "退货", is_active=False)
    assert match(account, "退货", now).rule is None
    later = match(account, "退货", now + timedelta(hours=2))
    assert later.rule is not None
    assert later.rule.name == "未到"


def test_the_trace_says_of_every_rule_why_it_did_not_fire(account):
    now = timezone.now()
    rule(account, "停用", "退货", is_active=False, priority=1)
    rule(account, "无关", "发票", priority=2)
    rule(account, "命中", "退货", priority=3)
    rule(account, "之后", "退", priority=4)

    decision = match(account, "想退货", now, explain=True)

    assert [(step.rule.name, step.fired) for step in decision.trace] == [
        ("停用", False),
        ("无关", False),
        ("命中", True),
        ("之后", False),
    ]
    assert all(str(step.why) for step in decision.trace)
    assert decision.rule == match(account, "想退货", now).rule


def test_deciding_takes_one_query(account, django_assert_num_queries):
    rule(account, "退货", "退货")
    with django_assert_num_queries(1):
        match(account, "退货", timezone.now())


def test_a_hostile_text_takes_no_time(account):
    rule(account, "退货", "退货", "(a+)+$")
    now = timezone.now()
    started = time.monotonic()
    for text in ("！" * 60_000, "a" * 60_000, "\u0300" * 60_000, "{{7*7}}%s" * 6_000):
        assert match(account, text, now).verdict == Verdict.MISS
    assert time.monotonic() - started < 2
