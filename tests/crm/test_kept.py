"""Part of an order went back: what counts of its items, everywhere the same."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.utils import timezone

from crm import segments, value
from crm.models import MemberValue
from tests.api.conftest import client_of
from tests.conftest import build_staff
from tests.crm.value_worlds import add_member, add_order, noon, stock

# (paid, gone back, cost of each item, kept of each item)
ORDERS = {
    "by what each cost": (150, 50, (50, 100), ("33.34", "66.66")),
    "equal ones: the first": (30, 10, (10, 10, 10), ("6.66", "6.67", "6.67")),
    "a discount of the whole": (150, 75, (100, 100), ("50", "50")),
    "postage besides": (110, 55, (100,), ("50",)),
    "to the next cent": ("10.01", "5.00", ("5.01",), ("2.51",)),
    "never more than it cost": (
        "0.03",
        "0.02",
        (".01", ".01", ".01"),
        ("0", ".01", ".01"),
    ),
    "nothing back": (100, 0, (60, 40), ("60", "40")),
    "all of it, told in parts": (50, 50, (50,), ("0",)),
    "a gift": (40, 20, (40, 0), ("20", "0")),
}


@pytest.fixture
def shop(world: SimpleNamespace) -> SimpleNamespace:
    return stock(world)


def test_every_item_loses_its_share_of_a_refund_in_whole_cents(
    shop: SimpleNamespace,
) -> None:
    """SQL finds exactly whom Python explains."""
    codes = list(shop.products)[:3]
    for name, (paid, back, costs, left) in ORDERS.items():
        member = add_member(shop)
        items = dict(zip(codes, costs, strict=False))
        state = "part_back" if back else "paid"
        add_order(
            shop,
            member,
            noon(timezone.localdate()),
            paid,
            refunded=back,
            state=state,
            items=items,
        )
        for code, amount in zip(codes, left, strict=False):
            rule = {"on": "orders", "measure": "amount", "is": "between"}
            of = {"products": [shop.products[code].pk]}
            exact = {"value": float(amount), "to": float(amount)}
            node = segments.parse(rule | exact | of, controller=shop.brand)
            why = segments.matches(node, member)
            assert why.holds, (name, code, why.facts)
            found = segments.members_of(node, shop.brand)
            assert found.filter(pk=member.pk).exists(), (name, code)


def test_a_refund_told_by_the_shop_moves_the_category_and_the_segments(
    shop: SimpleNamespace,
) -> None:
    seller = client_of(build_staff("ops_manager", org_unit=shop.brand))
    member = add_member(shop)
    day = noon(timezone.localdate() - timedelta(days=1))
    add_order(shop, member, day, 100, items={"beauty": 100})
    big = add_order(shop, member, day, 150, items={"coffee-snack": 120, "apparel": 30})
    coffee = {"categories": [shop.categories["coffee-snack"].pk]}

    def category() -> str:
        value.recompute_all()
        return MemberValue.objects.get(member=member).category.code  # type: ignore[union-attr]

    def spent_on_coffee(yuan: int) -> bool:
        rule = {"on": "orders", "measure": "amount", "is": "gte", "value": yuan}
        body = {"rule": rule | coffee}
        answer = seller.post("/api/v1/segments/estimate", body, format="json")
        assert answer.status_code == 200, answer.json()
        return answer.json()["total"] == 1

    assert category() == "coffee-snack"
    assert spent_on_coffee(120)
    body = {"code": "R1", "amount": "50.00", "at": day.isoformat()}
    told = seller.post(f"/api/v1/orders/{big.pk}/refunds", body, format="json")
    assert told.status_code == 201, told.json()
    assert category() == "beauty"
    assert (spent_on_coffee(80), spent_on_coffee(81)) == (True, False)
