"""What the members of the demo bought in the last two years, and the shop's own token."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from django.utils import timezone

from crm import orders
from crm.models import Category, Member, Order
from privatedomain.demo import phones
from staff import tokens
from staff.models import OrgUnit, Staff

SEED = 20261111
SHOP = "mini"
# number, name, category, price in yuan
PRODUCTS = [
    ("S100", "舒缓保湿面霜 50ml", "beauty", 268),
    ("S101", "烟酰胺精华 30ml", "beauty", 329),
    ("S102", "氨基酸洁面 120g", "beauty", 118),
    ("S103", "防晒乳 SPF50+ 60ml", "beauty", 158),
    ("C200", "挂耳咖啡 20 包", "coffee-snack", 89),
    ("C201", "坚果礼盒", "coffee-snack", 168),
    ("A400", "羊毛围巾", "apparel", 399),
]
# How many of a hundred members bought how often.
HABITS = [(40, 0), (25, 1), (20, 3), (15, 8)]
DAYS = 500
# The share of members with a presale that is not paid in full yet.
PRESALES = 0.06


def write(brand: OrgUnit, members: Sequence[Member], actor: Staff) -> int:
    """Products, and orders of the brand's own members; how many orders."""
    kinds = {row.code: row for row in Category.objects.filter(controller=None)}
    for code, name, category, price in PRODUCTS:
        orders.put_product(
            brand,
            code=code,
            actor=actor,
            name=name,
            category=kinds[category],
            price=Decimal(price),
        )
    chance, written = random.Random(SEED), 0  # noqa: S311  the same demo every time
    for member in members:
        if member.controller_id != brand.pk:
            continue
        is_thrifty = chance.random() < 0.15
        for at in _moments(chance):
            written += 1
            _order(brand, member, at, chance, written, actor, is_thrifty=is_thrifty)
        if chance.random() < PRESALES:
            written += 1
            _presale(brand, member, chance, written, actor)
    return written


def _presale(
    brand: OrgUnit, member: Member, chance: random.Random, number: int, actor: Staff
) -> None:
    """Reserved before the sale, with the deposit paid or not yet."""
    at = timezone.now() - timedelta(
        days=chance.randint(1, 12), hours=chance.randrange(9)
    )
    code, _name, _category, price = PRODUCTS[0]
    orders.record(
        brand,
        orders.Told(
            shop=SHOP,
            code=f"P{at:%y%m%d}{number:05d}",
            placed_at=at,
            state=Order.State.PENDING,
            presale=chance.choice(Order.Presale.values),
            lines=[orders.Line(code, 1, Decimal(price))],
            store=member.org_unit,
            buyer=orders.Buyer(member=member),
        ),
        actor=actor,
    )


def _moments(chance: random.Random) -> list[datetime]:
    drawn, count = chance.randrange(100), 0
    for share, often in HABITS:
        count = often
        if drawn < share:
            break
        drawn -= share
    now = timezone.now()
    latest = chance.randrange(1, DAYS)
    days = [latest + chance.randrange(DAYS - latest) for _n in range(max(0, count - 1))]
    found = [now - timedelta(days=day, hours=chance.randrange(12)) for day in days]
    return [*found, now - timedelta(days=latest)] if count else []


def _order(
    brand: OrgUnit,
    member: Member,
    at: datetime,
    chance: random.Random,
    number: int,
    actor: Staff,
    *,
    is_thrifty: bool,
) -> None:
    chosen = chance.sample(PRODUCTS, chance.choice((1, 1, 2)))
    lines = [orders.Line(code, 1, Decimal(price)) for code, _n, _c, price in chosen]
    is_open = at > timezone.now() - timedelta(days=30) and chance.random() < 0.2
    order, _is_new = orders.record(
        brand,
        orders.Told(
            shop=SHOP,
            code=f"D{at:%y%m%d}{number:05d}",
            placed_at=at,
            paid_at=at,
            lines=lines,
            has_coupon=chance.random() < (0.95 if is_thrifty else 0.2),
            after_sales=Order.AfterSales.OPEN if is_open else "",
            is_pickup=chance.random() < 0.2,
            store=member.org_unit,
            buyer=orders.Buyer(member=member),
        ),
        actor=actor,
    )
    if chance.random() < 0.06:
        orders.refund(
            order,
            code=f"{order.code}-R1",
            amount=lines[0].amount,
            at=at + timedelta(days=3),
            actor=actor,
            reason="不合适",
        )


def open_shop(seller: Staff) -> None:
    """Give the sandbox's shop a token of its own; raises OSError."""
    phones.open_shop(tokens.issue(seller, name="mini shop", actor=seller))
