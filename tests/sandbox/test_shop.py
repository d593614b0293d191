"""The shop of the sandbox: people buy, the console is told, and told again if need be."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from crm.models import Category, Order
from staff import tokens
from staff.models import OrgUnit
from tests.conftest import build_staff


@pytest.fixture(scope="module")
def stack(make_stack):
    made = make_stack()
    made.start("web", "sandbox")
    made.wait_web()
    made.wait_sandbox()
    return made


def test_what_a_person_buys_and_gives_back_stands_in_the_console_once(stack):
    shop = f"{stack.sandbox_url}/shop/"
    person = requests.get(f"{stack.sandbox_url}/control/people", timeout=10).json()[0]

    def page():
        answer = requests.get(shop, params={"person": person["id"]}, timeout=10)
        assert answer.status_code == 200
        return answer.text

    def send(path, **fields):
        return requests.post(f"{shop}{path}", data=fields, timeout=30)

    assert "还没有给商城令牌" in page()
    empty = send("buy", person=person["id"], S100="0")
    assert empty.status_code == 400
    assert "请至少选一件商品" in empty.text
    assert "控制台未登记" in send("buy", person=person["id"], S100="2").text

    with stack.orm():
        unit = OrgUnit.objects.create(name="林间", kind="brand")
        for code in ("beauty", "coffee-snack", "home-textile", "apparel"):
            Category.objects.get_or_create(
                controller=None, code=code, defaults={"name": code}
            )
        seller = build_staff("ops_manager", org_unit=unit)
        token = tokens.issue(seller, name="shop", actor=seller)
    requests.post(
        f"{stack.sandbox_url}/control/shop", json={"token": token}, timeout=10
    ).raise_for_status()

    number = re.search(r"<strong>(M\d+)</strong>", page())[1]
    for _again in range(2):
        assert "控制台已登记" in send(f"orders/{number}").text
    too_much = send(f"orders/{number}", amount="9999")
    assert too_much.status_code == 400
    assert "最多可退 536.00 元" in too_much.text
    assert "退款 ¥36.00" in send(f"orders/{number}", amount="36").text

    with stack.orm():
        order = Order.objects.get()
        assert (order.code, order.net, order.state) == (number, 500, "part_back")
        assert order.buyer == f"mini:{person['id']}"
        assert order.items.get().quantity == 2
    with ThreadPoolExecutor(4) as pool:
        answers = list(
            pool.map(lambda _n: send(f"orders/{number}", amount="500"), range(4))
        )
    assert sorted(each.status_code for each in answers) == [200, 400, 400, 400]
    assert "最多可退 0.00 元" in send(f"orders/{number}", amount="0.01").text
    with stack.orm():
        assert Order.objects.get().state == "refunded"
