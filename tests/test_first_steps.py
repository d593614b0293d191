"""An empty copy leads its first administrator from nothing to a customer answered."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse

from content.models import AnswerRule
from service.models import Queue
from staff.models import OrgUnit, Staff
from tests.conftest import build_staff
from wechat.models import Account

NO_INLINES = {
    f"{name}-{field}": "0"
    for name in ("apps", "verify_files")
    for field in ("TOTAL_FORMS", "INITIAL_FORMS")
}


@pytest.fixture
def boss(db: None) -> Client:
    person = build_staff("administrator", org_unit=None, is_superuser=True)
    OrgUnit.objects.all().delete()
    client = Client()
    client.force_login(person)
    return client


def _open_step(client: Client) -> str:
    """The step the home page points at, or nothing."""
    page = client.get(reverse("admin:index")).content.decode()
    found = re.search(r'pd-status-next"><span[^>]*>→</span> ([^<]+)<', page)
    return found[1] if found else ""


def _post(client: Client, name: str, data: dict[str, Any], *args: Any) -> None:
    answer = client.post(reverse(f"admin:{name}", args=args), data)
    # A new colleague's password is shown once instead of going back to the list.
    assert answer.status_code == 302 or "临时密码" in answer.content.decode()


def test_the_home_page_leads_from_nothing_to_the_first_answer(boss: Client) -> None:
    assert _open_step(boss) == "1. 建立品牌"
    _post(boss, "staff_orgunit_add", {"name": "林间", "kind": "brand", "is_active": 1})
    assert "添加同事" in _open_step(boss)

    unit = OrgUnit.objects.get()
    agent = Group.objects.get(name="agent")
    person = {"username": "zhoumin", "display_name": "周敏", "org_unit": unit.pk}
    _post(boss, "staff_staff_add", {**person, "language": "zh-hans", "roles": agent.pk})
    assert "接入第一个账号" in _open_step(boss)

    charter = {
        "charter_value": "护肤建议",
        "charter_audience": "会员",
        "charter_goal": "复购",
    }
    account = {"name": "林间", "slug": "linjian", "kind": "service", "role": "main"}
    owner = Staff.objects.get(is_superuser=True).pk
    app = {"name": "服务号", "slug": "linjian", "app_id": "wx0123456789abcdef"}
    app |= {
        "mode": "safe",
        "is_active": "1",
        "new_secret": "s" * 32,
        "new_token": "token1",
    }
    _post(
        boss,
        "wechat_account_add",
        {
            **account,
            **charter,
            "org_unit": unit.pk,
            "charter_owner": owner,
            **NO_INLINES,
            "apps-TOTAL_FORMS": "1",
            **{f"apps-0-{field}": value for field, value in app.items()},
            "apps-0-new_aes_key": "A" * 43,
        },
    )
    assert "检查连接" in _open_step(boss)


def test_the_tile_goes_when_all_is_done_and_is_for_administrators(boss: Client) -> None:
    unit = OrgUnit.objects.create(name="林间", kind="brand")
    agent = build_staff("agent", org_unit=unit)
    account = Account.objects.create(
        name="林间", slug="linjian", kind="service", org_unit=unit
    )
    app = account.apps.create(name="服务号", slug="linjian", app_id="wx1")
    app.last_check = {"lines": [{"what": "Access token", "tone": "bad"}]}
    app.save(update_fields=["last_check"])
    assert "检查连接" in _open_step(boss)
    app.last_check = {"lines": [{"what": "Access token", "tone": "good"}]}
    app.save(update_fields=["last_check"])
    assert "上线账号" in _open_step(boss)
    account.state = Account.State.LIVE
    account.save(update_fields=["state"])
    assert "建立队列" in _open_step(boss)
    Queue.objects.create(name="客服", account=account)
    assert "自动回复规则" in _open_step(boss)
    other = Client()
    other.force_login(agent)
    assert "开始使用" not in other.get(reverse("admin:index")).content.decode()
    AnswerRule.objects.create(
        account=account, name="营业", keywords=["营业"], reply_text="10–22"
    )
    assert "开始使用" not in boss.get(reverse("admin:index")).content.decode()


@pytest.mark.parametrize(
    ("form", "needed", "words"),
    [
        ("wechat_account", "staff_orgunit", "还没有组织"),
        ("service_queue", "wechat_account", "还没有账号"),
        ("content_answerrule", "wechat_account", "还没有账号"),
        ("content_item", "staff_orgunit", "还没有组织"),
        ("campaigns_campaign", "staff_orgunit", "还没有组织"),
    ],
)
def test_a_form_that_needs_something_else_first_says_so_with_a_link(
    boss: Client, form: str, needed: str, words: str
) -> None:
    page = boss.get(reverse(f"admin:{form}_add")).content.decode()
    assert words in page
    assert f'href="{reverse(f"admin:{needed}_add")}"' in page
    assert words not in boss.get(reverse("admin:index")).content.decode()
