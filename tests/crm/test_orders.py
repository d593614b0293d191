"""Orders as shops tell them: once, to the right person, refunded never twice."""

from __future__ import annotations

import threading
from decimal import Decimal

import pytest
from django.db import connections
from django.urls import reverse

from core.models import AuditEntry
from crm import matching, orders
from crm.models import Category, Identity, Order, Product, Refund
from staff.models import OrgUnit
from staff.roles import ROLES
from tests.api.conftest import client_of, make_side
from tests.conftest import build_staff

ROOT = "/api/v1/"
AT = "2026-11-11T00:03:00+08:00"


@pytest.fixture
def brand(db):
    return make_side("brand", OrgUnit.objects.create(name="林间", kind="brand"))


@pytest.fixture
def seller(brand):
    return client_of(build_staff("ops_manager", org_unit=brand.unit))


@pytest.fixture
def serum(brand):
    category = Category.objects.create(code="skin", name="护肤", cycle_days=60)
    return Product.objects.create(
        controller=brand.unit, code="S1", name="精华", category=category, price=268
    )


def post(client, address, **body):
    return client.post(ROOT + address, body, format="json")


def order(client, **fields):
    body = {"shop": "mini", "code": "A1", "placed_at": AT, "amount": "268.00"}
    return post(client, "orders", **body | fields)


def unionid(member):
    return member.identities.get(kind="unionid").value


def test_an_order_told_twice_is_one_with_its_items_and_buyer(brand, seller, serum):
    member = brand.member()
    told = {
        "items": [{"product": "S1", "quantity": 2, "amount": "268.00"}],
        "buyer": {"unionid": unionid(member), "buyer": "mini:7"},
        "has_coupon": True,
    }
    first, second = order(seller, **told), order(seller, **told)

    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json() == second.json()
    assert first.json()["member"] == member.pk
    assert first.json()["items"] == [
        {"product": "S1", "quantity": 2, "amount": "268.00"}
    ]
    assert Identity.objects.get(kind="buyer").member == member
    assert AuditEntry.objects.filter(action="crm.order.recorded").count() == 1
    shown = seller.get(ROOT + "orders", {"member": member.pk}).json()["results"]
    assert [row["code"] for row in shown] == ["A1"]


def test_a_presale_and_an_after_sales_case_go_as_the_shop_tells(seller, client):
    def told(**fields):
        found = order(seller, **fields).json()
        return found["state"], found["presale"], found["after_sales"]

    assert told(state="pending", presale="reserved") == ("pending", "reserved", "")
    assert told(state="pending", presale="deposit") == ("pending", "deposit", "")
    client.force_login(seller.person)
    page = client.get(reverse("admin:crm_order_changelist")).content.decode()
    assert "未付款 · 已付定金" in page or "待付款 · 已付定金" in page
    assert told(after_sales="open") == ("paid", "deposit", "open")
    assert told() == ("paid", "deposit", "open")  # left out: as it stands
    assert told(after_sales="closed") == ("paid", "deposit", "closed")


def test_an_order_of_a_stranger_waits_until_somebody_is_known_by_the_buyer_id(
    brand, seller
):
    assert order(seller, buyer={"buyer": "mini:9"}).json()["member"] is None
    member = brand.member()

    matching.bind_buyer(brand.unit, "mini:9", member, actor=seller.person)

    assert Order.objects.get().member == member
    later = order(seller, code="A2", buyer={"buyer": "mini:9"})
    assert later.json()["member"] == member.pk


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"items": [{"product": "?", "quantity": 1, "amount": "1"}]}, 409),
        ({"items": [{"product": "S1", "quantity": 0, "amount": "1"}]}, 400),
        ({"amount": "-1"}, 400),
        ({"amount": 12.5}, 400),
        ({"placed_at": "yesterday"}, 400),
        ({"placed_at": "2026-02-30T00:00:00Z"}, 400),
        ({"store": 2**31 - 1}, 409),
        ({"buyer": {"openid": "o1"}}, 409),
        ({"buyer": {"openid": "o1", "account": "nobodys"}}, 409),
        ({"sort": "x"}, 400),
        ({"code": ""}, 400),
        ({"state": "refunded"}, 400),
        ({"presale": "paid"}, 400),
        ({"after_sales": ""}, 400),
    ],
)
def test_what_a_shop_tells_wrong_is_refused_and_nothing_is_written(
    seller, serum, body, status
):
    answer = order(seller, **body)
    assert answer.status_code == status, answer.json()
    assert answer.json()["message"]
    assert not Order.objects.exists()


def test_a_phone_that_can_not_be_called_does_not_lose_the_order(seller):
    assert order(seller, buyer={"phone": "12"}).status_code == 201


def test_refunds_add_up_and_never_twice_nor_above_what_was_paid(seller):
    pk = order(seller).json()["id"]

    def back(code, amount):
        return post(seller, f"orders/{pk}/refunds", code=code, amount=amount, at=AT)

    assert back("R1", "68.00").json()["state"] == "part_back"
    assert back("R1", "68.00").json()["refunded"] == "68.00"
    assert back("R1", "69.00").json()["code"] == "refund_differs"
    assert back("R2", "200.01").json()["code"] == "refund_too_much"
    whole = back("R2", "200.00").json()
    assert (whole["state"], whole["refunded"]) == ("refunded", "268.00")
    assert order(seller).json()["state"] == "refunded", "told again, still gone back"
    pending = order(seller, code="A9", state="pending").json()["id"]
    refused = post(seller, f"orders/{pending}/refunds", code="R", amount="1", at=AT)
    assert refused.json()["code"] == "nothing_paid"


def test_an_order_told_anew_has_the_items_and_the_state_it_has_now(
    brand, seller, serum
):
    Product.objects.create(
        controller=brand.unit, code="S2", name="面霜", category=serum.category
    )
    line = {"quantity": 1, "amount": "100.00"}
    both = [{"product": "S1", **line}, {"product": "S2", **line}]

    def told(**fields):
        body = {"shop": "mini", "code": "A1", "placed_at": AT}
        answer = post(seller, "orders", **body | fields).json()
        return answer["state"], answer["amount"], len(answer["items"])

    assert told(items=both) == ("paid", "200.00", 2)
    assert told(items=both[:1]) == ("paid", "100.00", 1), "the other was taken out"
    assert told(after_sales="open") == ("paid", "100.00", 1), "nothing said of items"
    pk = Order.objects.get().pk
    nothing = post(seller, f"orders/{pk}/refunds", code="R0", amount="0", at=AT)
    assert nothing.json()["code"] == "nothing_back"
    post(seller, f"orders/{pk}/refunds", code="R1", amount="60", at=AT)
    assert told(amount="60") == ("refunded", "60.00", 1)
    assert told(amount="100") == ("part_back", "100.00", 1)
    assert told(state="cancelled", amount="100")[0] == "cancelled"
    assert told(amount="100")[0] == "part_back", "paid after all, less what went back"
    lower = order(seller, amount="59.99")
    assert (lower.status_code, lower.json()["code"]) == (409, "refund_too_much")
    assert Order.objects.get().amount == 100


def test_items_that_cost_more_than_an_order_can_are_refused(seller, serum):
    line = {"product": "S1", "quantity": 100_000, "amount": "999999999.99"}
    answer = order(seller, items=[line] * 2)
    assert (answer.status_code, answer.json()["code"]) == (409, "amount_too_large")


def test_products_are_put_by_their_number_and_shown_page_by_page(brand, seller, serum):
    def put(**fields):
        body = {"code": "S1", "name": "精华", "category": "skin", "price": "199.00"}
        return post(seller, "products", **body | fields)

    assert put().json()["price"] == "199.00"
    assert put(code="S2").status_code == 201
    assert put(category="nothing").status_code == 409
    shown = seller.get(ROOT + "products").json()["results"]
    assert [row["code"] for row in shown] == ["S2", "S1"]


def test_only_who_sells_may_tell_orders(brand):
    may = {"administrator", "ops_manager", "dealer"}
    for role in ROLES:
        person = build_staff(role.name, org_unit=brand.unit)
        answer = order(client_of(person), code=role.name)
        assert answer.status_code == (201 if role.name in may else 403), role.name


def test_a_dealer_s_shop_never_finds_a_member_of_the_brand(brand):
    member = brand.member()
    unit = OrgUnit.objects.create(
        name="经销商", kind="dealer", parent=brand.unit, is_separate_controller=True
    )
    dealer = client_of(build_staff("dealer", org_unit=unit))

    told = order(dealer, buyer={"unionid": unionid(member), "phone": "13800138000"})

    assert told.json()["member"] is None
    assert Order.objects.get().controller == unit


def test_lists_find_an_order_by_its_whole_number(client, brand, serum):
    client.force_login(build_staff("ops_specialist", org_unit=brand.unit))
    member = brand.member("林小满")
    brand.order(member, code="T2026")
    brand.order(code="T2027", buyer="mini:4")
    page = reverse("admin:crm_order_changelist")

    found = client.get(page, {"q": "T2026"}).content.decode()
    assert "林小满" in found
    assert "mini:4" not in found
    waiting = client.get(page, {"buyer_known": "no"}).content.decode()
    assert "mini:4" in waiting
    assert "T2026" not in waiting
    own = client.get(page, {"of_member": member.pk}).content.decode()
    assert "T2027" not in own


def test_an_order_has_a_page_that_says_what_was_paid_and_what_came_back(
    client, brand, seller, serum
):
    member = brand.member("林小满")
    told = {
        "items": [{"product": "S1", "quantity": 2, "amount": "1536.00"}],
        "buyer": {"unionid": unionid(member)},
        "amount": "1516.00",
        "discount": "20.00",
    }
    order(seller, **told)
    row = Order.objects.get()
    address = reverse("admin:crm_order_change", args=[row.pk])
    client.force_login(build_staff("ops_specialist", org_unit=brand.unit))

    answer = client.get(address)
    titles = [str(moment.title) for moment in answer.context["moments"]]
    assert titles.index("已付款") < titles.index("下单")  # the newest first
    page = answer.content.decode()
    for words in ("¥1,516.00", "¥1,536.00", "-¥20.00", "精华", "已付款", "录入本系统"):
        assert words in page, words
    assert reverse("admin:crm_member_change", args=[member.pk]) in page
    assert str(seller.person) in page
    # No form, no crosses, and no table of refunds where there are none.
    assert 'id="refunds"' not in page
    assert "退款单号" not in page
    assert 'alt="False"' not in page
    assert client.post(address, {"shop": "x"}).status_code == 405

    of_product = reverse("admin:crm_product_change", args=[serum.pk])
    assert of_product in page
    listed = client.get(of_product).content.decode()
    assert "最近的订单" in listed
    assert address in listed

    refunded = {"code": "R1", "amount": "100.00", "at": AT, "reason": "不合适"}
    post(seller, f"orders/{row.pk}/refunds", **refunded)
    page = client.get(address).content.decode()
    for words in ("退款单号", "¥1,416.00", "-¥100.00", "不合适", "部分退款"):
        assert words in page, words

    waiting = brand.order(code="W1", buyer="mini:4")
    page = client.get(reverse("admin:crm_order_change", args=[waiting.pk]))
    for words in ("mini:4", "店铺没有传这笔订单的商品明细"):
        assert words in page.content.decode(), words
    client.force_login(build_staff("dealer", org_unit=build_dealer(brand)))
    assert client.get(address).status_code == 404


def build_dealer(brand):
    return OrgUnit.objects.create(
        name="经销商", kind="dealer", parent=brand.unit, is_separate_controller=True
    )


@pytest.mark.django_db(transaction=True)
def test_one_refund_told_eight_times_at_once_goes_back_once():
    side = make_side("brand", OrgUnit.objects.create(name="林间", kind="brand"))
    told, actor = side.order(), build_staff("ops_manager", org_unit=side.unit)
    outcomes = []

    def tell():
        try:
            _refund, is_new = orders.refund(
                told, code="R1", amount=Decimal(100), at=told.placed_at, actor=actor
            )
            outcomes.append(is_new)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=tell) for _n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(outcomes) == [False] * 7 + [True]
    assert Refund.objects.get().amount == 100
    assert Order.objects.get().refunded == 100


def test_a_member_page_shows_what_was_bought(client, brand, seller):
    member = brand.member()
    order(seller, buyer={"unionid": unionid(member)})
    client.force_login(seller.person)
    page = client.get(reverse("admin:crm_member_change", args=[member.pk]))
    shown = page.content.decode()
    assert "A1" in shown
    row = Order.objects.get(code="A1", member=member)
    assert reverse("admin:crm_order_change", args=[row.pk]) in shown
