"""Writing answer rules, and trying them out."""

from __future__ import annotations

import pytest
from django.urls import reverse

from content.models import AnswerRule
from core.models import AuditEntry
from tests.crm.conftest import build_world

LIST = reverse("admin:content_answerrule_changelist")
ADD = reverse("admin:content_answerrule_add")
TEST = reverse("admin:answer_test")


@pytest.fixture
def world(db):
    return build_world()


@pytest.fixture
def specialist(client, world, make_staff):
    person = make_staff("ops_specialist", org_unit=world.brand)
    client.force_login(person)
    return person


def form(world, **fields):
    given = {
        "account": world.service.pk,
        "name": "退货",
        "occasion": "keyword",
        "match": "contains",
        "keywords": "退货\n退款，换货\n退货",
        "reply_text": "请提供订单号",
        "priority": "20",
        "is_active": "on",
        "valid_from_0": "",
        "valid_from_1": "",
        "valid_to_0": "",
        "valid_to_1": "",
    }
    return given | fields


def test_a_rule_is_written_with_one_keyword_per_line(client, world, specialist):
    response = client.post(ADD, form(world))
    assert response.status_code == 302
    rule = AnswerRule.objects.get()
    assert rule.keywords == ["退货", "退款", "换货"]
    assert AuditEntry.objects.filter(action="content.answerrule.added").exists()

    page = client.get(reverse("admin:content_answerrule_change", args=[rule.pk]))
    assert "退货\n退款\n换货" in page.content.decode()
    assert "请提供订单号" in page.content.decode()
    assert "退款" in client.get(LIST).content.decode()


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"keywords": " \n"}, "keywords"),
        ({"keywords": "长" * 61}, "keywords"),
        ({"keywords": "\n".join(str(n) for n in range(41))}, "keywords"),
        ({"reply_text": "好" * 700}, "reply_text"),
        ({"occasion": "welcome"}, "occasion"),
        (
            {
                "valid_from_0": "2026-12-02",
                "valid_from_1": "10:00:00",
                "valid_to_0": "2026-12-01",
                "valid_to_1": "10:00:00",
            },
            "valid_to",
        ),
    ],
)
def test_a_rule_that_cannot_work_is_refused_at_its_field(
    client, world, specialist, fields, field
):
    response = client.post(ADD, form(world, **fields))
    assert response.status_code == 200
    assert field in response.context["adminform"].form.errors
    assert not AnswerRule.objects.exists()


def test_a_wecom_corp_has_welcomes_only(client, world, specialist):
    refused = client.post(ADD, form(world, account=world.wecom.pk))
    assert "occasion" in refused.context["adminform"].form.errors
    made = client.post(ADD, form(world, account=world.wecom.pk, occasion="welcome"))
    assert made.status_code == 302
    assert AnswerRule.objects.get().keywords == []


def test_a_dealers_rules_are_nobody_elses(client, world, specialist):
    theirs = AnswerRule.objects.create(
        account=world.dealer_service, name="他们的", keywords=["x"], reply_text="y"
    )
    change = reverse("admin:content_answerrule_change", args=[theirs.pk])
    assert client.get(change).status_code == 404
    refused = client.post(ADD, form(world, account=world.dealer_service.pk))
    assert "account" in refused.context["adminform"].form.errors


@pytest.mark.parametrize("count", [1, 20])
def test_the_list_needs_the_same_queries_for_one_and_many(
    client, world, specialist, django_assert_max_num_queries, count
):
    for number in range(count):
        AnswerRule.objects.create(
            account=world.service, name=str(number), keywords=["x"], reply_text="y"
        )
    client.get(LIST)
    with django_assert_max_num_queries(8):
        client.get(LIST)


def ask(client, world, text, **fields):
    question = {"account": world.service.pk, "text": text, "at": "", **fields}
    return client.post(TEST, question)


def test_the_console_says_which_rule_answers_and_why_the_others_do_not(
    client, world, specialist
):
    AnswerRule.objects.create(
        account=world.service,
        name="旧规则",
        keywords=["退货"],
        reply_text="旧",
        priority=1,
        is_active=False,
    )
    AnswerRule.objects.create(
        account=world.service, name="退货", keywords=["退货"], reply_text="请提供订单号"
    )
    assert client.get(TEST).status_code == 200

    response = ask(client, world, "我想退货")

    assert response.context["decision"].verdict == "rule"
    text = response.content.decode()
    assert "请提供订单号" in text
    assert "文字包含关键词「退货」" in text
    assert "已停用" in text


@pytest.mark.parametrize(
    ("text", "verdict"),
    [("人工", "human"), ("退订", "opt_out"), ("恢复订阅", "opt_in"), ("嗯？", "miss")],
)
def test_the_console_tells_what_happens_without_a_rule(
    client, world, specialist, text, verdict
):
    response = ask(client, world, text)
    assert response.context["decision"].verdict == verdict
    assert response.context["consequence"]


def test_a_hostile_text_is_shown_as_text(client, world, specialist):
    text = '<script>alert(1)</script>{{7*7}}"x-data'
    AnswerRule.objects.create(
        account=world.service, name=text[:60], keywords=[text[:60]], reply_text=text
    )
    body = ask(client, world, text).content.decode()
    assert "<script>alert(1)" not in body
    assert "{{7*7}}" in body


def test_the_console_asks_at_another_time(client, world, specialist):
    AnswerRule.objects.create(
        account=world.service,
        name="双十二",
        keywords=["活动"],
        reply_text="12 月 12 日见",
        valid_from="2026-12-12T00:00+08:00",
        valid_to="2026-12-13T00:00+08:00",
    )
    assert ask(client, world, "活动").context["decision"].verdict == "miss"
    later = ask(client, world, "活动", at="2026-12-12T10:00")
    assert later.context["decision"].verdict == "rule"


@pytest.mark.parametrize(
    "fields", [{"text": ""}, {"text": "x" * 2001}, {"at": "gestern"}, {"account": "x"}]
)
def test_a_bad_question_keeps_what_was_typed(client, world, specialist, fields):
    response = ask(client, world, **{"text": "退货", **fields})
    assert response.status_code == 200
    assert response.context["form"].errors
    assert response.context["decision"] is None


def test_the_console_needs_its_right_and_the_persons_accounts(
    client, world, make_staff, specialist
):
    refused = ask(client, world, "退货", account=world.dealer_service.pk)
    assert refused.context["form"].errors
    client.force_login(make_staff("agent", org_unit=world.brand))
    assert client.get(TEST).status_code == 403
