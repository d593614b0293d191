"""A small shop: virtual people buy, and the shop tells the console through its REST.

What the console did not take stays "not told" and can be told again: orders and refunds
carry the shop's own numbers, so the console takes each once.
"""

import secrets
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

import requests
from django.conf import settings

from sandbox import clock, world
from sandbox.api.quotas import SHANGHAI
from sandbox.models import Person, Setting, ShopOrder, ShopRefund

SHOP = "mini"
TOKEN_ROW = "shop_token"  # noqa: S105  the name of a row
SECONDS = 10
MOST_PIECES = 99
# number, name, category of the console, price in yuan
CATALOGUE = [
    ("S100", "舒缓保湿面霜 50ml", "beauty", "268.00"),
    ("S101", "烟酰胺精华 30ml", "beauty", "329.00"),
    ("S102", "氨基酸洁面 120g", "beauty", "118.00"),
    ("S103", "防晒乳 SPF50+ 60ml", "beauty", "158.00"),
    ("C200", "挂耳咖啡 20 包", "coffee-snack", "89.00"),
    ("C201", "坚果礼盒", "coffee-snack", "168.00"),
    ("H300", "全棉四件套", "home-textile", "599.00"),
    ("A400", "羊毛围巾", "apparel", "399.00"),
]
PRICES = {code: Decimal(price) for code, _name, _category, price in CATALOGUE}
NAMES = {code: name for code, name, _category, _price in CATALOGUE}


class Closed(Exception):
    """The console was not told which token the shop uses."""


def open_with(token: str) -> None:
    """The token of the console's API by which the shop tells its orders."""
    Setting.objects.update_or_create(key=TOKEN_ROW, defaults={"value": token})


def is_open() -> bool:
    return Setting.objects.filter(key=TOKEN_ROW).exists()


def buy(
    person: Person, pieces: dict[str, int], *, has_coupon: bool, is_pickup: bool
) -> ShopOrder:
    """Place and pay an order. ``pieces``: number of the product → how many, not empty."""
    lines: list[dict[str, Any]] = [
        {"product": code, "quantity": count, "amount": str(PRICES[code] * count)}
        for code, count in pieces.items()
    ]
    whole = sum((Decimal(line["amount"]) for line in lines), Decimal(0))
    off = (whole / 10).quantize(Decimal("0.01")) if has_coupon else Decimal(0)
    with world.change():
        return ShopOrder.objects.create(
            number=f"M{datetime.fromtimestamp(clock.now(), SHANGHAI):%Y%m%d%H%M%S}"
            f"{secrets.randbelow(10_000):04d}",
            person=person,
            at=clock.now(),
            lines=lines,
            amount=str(whole - off),
            discount=str(off),
            has_coupon=has_coupon,
            is_pickup=is_pickup,
        )


def give_back(order: ShopOrder, amount: Decimal) -> ShopRefund | None:
    """None when less than that is left, also of two who ask at once."""
    with world.change():
        if amount > left_of(order):
            return None
        count = order.refunds.count() + 1
        return ShopRefund.objects.create(
            order=order,
            number=f"{order.number}-R{count}",
            at=clock.now(),
            amount=str(amount),
        )


def left_of(order: ShopOrder) -> Decimal:
    """What of the order has not gone back yet, in yuan."""
    back = (Decimal(refund.amount) for refund in order.refunds.all())
    return Decimal(order.amount) - sum(back, Decimal(0))


def yuan(text: str) -> Decimal | None:
    """The amount somebody typed; None for what is none."""
    try:
        found = Decimal(text.strip())
    except InvalidOperation:
        return None
    if not found.is_finite() or found <= 0 or found != round(found, 2):
        return None
    return found.quantize(Decimal("0.01"))


# -- telling the console


def tell(order: ShopOrder) -> None:
    """Tell the console of an order and its refunds, whatever it knows already."""
    try:
        answer = _post("orders", _as_body(order))
        if _code(answer) == "unknown":  # the first order of a fresh console
            _tell_products()
            answer = _post("orders", _as_body(order))
        _note(order, answer)
        if answer.status_code == 201:
            for refund in order.refunds.filter(is_told=False).order_by("pk"):
                _tell_refund(answer.json()["id"], refund)
    except (requests.RequestException, Closed) as error:
        _keep(order, is_told=False, answer=str(error)[:200] or type(error).__name__)


def _as_body(order: ShopOrder) -> dict[str, Any]:
    return {
        "shop": SHOP,
        "code": order.number,
        "placed_at": _stamp(order.at),
        "paid_at": _stamp(order.at),
        "amount": order.amount,
        "discount": order.discount,
        "has_coupon": order.has_coupon,
        "is_pickup": order.is_pickup,
        "buyer": {
            "buyer": f"{SHOP}:{order.person_id}",
            "unionid": order.person.unionid,
        },
        "items": order.lines,
    }


def _stamp(at: float) -> str:
    return datetime.fromtimestamp(at, SHANGHAI).isoformat(timespec="seconds")


def _tell_products() -> None:
    for code, name, category, price in CATALOGUE:
        body = {"code": code, "name": name, "category": category, "price": price}
        _post("products", body)


def _tell_refund(order_id: int, refund: ShopRefund) -> None:
    body = {
        "code": refund.number,
        "amount": refund.amount,
        "at": _stamp(refund.at),
    }
    answer = _post(f"orders/{order_id}/refunds", body)
    with world.change():
        refund.is_told = answer.status_code == 201
        refund.console_answer = _words(answer)
        refund.save(update_fields=["is_told", "console_answer"])


def _post(path: str, body: dict[str, Any]) -> requests.Response:
    row = Setting.objects.filter(key=TOKEN_ROW).first()
    if row is None:
        raise Closed("商城还没有控制台的令牌")
    return requests.post(
        f"{settings.CONSOLE_URL}/api/v1/{path}",
        json=body,
        headers={"Authorization": f"Bearer {row.value}"},
        timeout=SECONDS,
    )


def _note(order: ShopOrder, answer: requests.Response) -> None:
    member = answer.json().get("member") if answer.status_code == 201 else None
    order.member = member
    _keep(order, is_told=answer.status_code == 201, answer=_words(answer))


def _code(answer: requests.Response) -> str:
    try:
        return str(answer.json()["code"]) if answer.status_code == 409 else ""
    except (ValueError, KeyError, TypeError):
        return ""


def _words(answer: requests.Response) -> str:
    if answer.status_code == 201:
        return ""
    try:
        return f"{answer.status_code} {answer.json()['message']}"[:200]
    except (ValueError, KeyError, TypeError):
        return f"{answer.status_code}"


def _keep(order: ShopOrder, *, is_told: bool, answer: str) -> None:
    with world.change():
        order.is_told, order.console_answer = is_told, answer
        order.save(update_fields=["is_told", "console_answer", "member"])
