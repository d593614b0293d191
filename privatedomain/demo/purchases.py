"""What the members of the demo bought in the last two years, and the shop's own token."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from django.utils import timezone

from crm import coupons, orders, orders_loading
from crm.models import Category, Coupon, Member, Order, ScoreWeight
from crm.orders_loading import Back, Item, OrderData
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
# What people mostly buy, and how many of a hundred each.
TASTES = (("beauty", "coffee-snack", "apparel"), (62, 30, 8))
LOYALTY = 0.85
# Came out so many days ago, and who buys everything new.
NEWEST = (
    ("S104", "山茶花护手霜 80g", "beauty", 79, 38),
    ("S105", "山茶花身体乳 200ml", "beauty", 128, 33),
)
CURIOUS = 0.07
# Who waits for the sales, and the days of these.
BARGAINERS = 0.15
SALES = ((6, 18), (8, 18), (9, 9), (11, 11))
# People buy by day, and in the evening most.
HOURS = (*range(9, 23), 12, 19, 20, 20, 21)
# How many of a hundred members bought how often.
HABITS = [(28, 0), (27, 1), (25, 3), (20, 8)]
DAYS, YEAR = 500, 360
# Within how many days the last order was, by how often: who buys much has been lately.
LATEST = {1: 240, 3: 80, 8: 75}
# The share of members with a presale that is not paid in full yet.
PRESALES = 0.06
VOUCHER = Decimal(20)
REGIONS = ("浙江省杭州市", "上海市", "江苏省苏州市", "广东省广州市", "四川省成都市")
# With the few hundred buyers of a demo nobody would have an RFM score.
MIN_BUYERS = 15
# How many members hold coupons, and when these end, in days from now.
HOLDERS, ENDS = 12, (1, 2, 2, 6, 15, 30, -3)


def write(brand: OrgUnit, members: Sequence[Member], actor: Staff) -> int:
    """Products, and orders of the brand's own members; how many orders."""
    products = _products(brand, actor)
    ScoreWeight.objects.create(
        controller=brand,
        key="rfm.min_buyers",
        value=MIN_BUYERS,
        effective_from=timezone.localdate(),
        note="演示品牌的买家少，每个品类满 15 位就评分",
    )
    chance = random.Random(SEED)  # noqa: S311  the same demo every time
    bought: list[OrderData] = []
    for member in members:
        if member.controller_id != brand.pk:
            continue
        is_thrifty = chance.random() < 0.15
        taste = chance.choices(*TASTES)[0]
        is_waiting, is_curious = chance.random() < BARGAINERS, chance.random() < CURIOUS
        baskets = [(at, _basket(chance, taste)) for at in _moments(chance)]
        if is_waiting:
            baskets = [(_in_sale(at, chance), chosen) for at, chosen in baskets]
        if is_curious:
            new = [code for code, *_more in NEWEST]
            baskets.append((_by_day(chance.randint(25, 29), chance), new))
        for at, chosen in baskets:
            number = len(bought) + 1
            bought.append(
                _order(member, at, chance, products, chosen, number, is_thrifty)
            )
        if chance.random() < PRESALES:
            bought.append(_presale(member, chance, products, len(bought) + 1))
    # As the shop's file would bring them.
    return len(orders_loading.write(brand.pk, bought))


def _products(brand: OrgUnit, actor: Staff) -> dict[str, int]:
    kinds = {row.code: row for row in Category.objects.filter(controller=None)}
    found = {}
    today = timezone.localdate()
    known = [(*row, 900) for row in PRODUCTS]
    for code, name, category, price, days in (*known, *NEWEST):
        product, _is_new = orders.put_product(
            brand,
            code=code,
            actor=actor,
            name=name,
            category=kinds[category],
            price=Decimal(price),
            launched_on=today - timedelta(days=days),
        )
        found[code] = product.pk
    return found


def _in_sale(at: datetime, chance: random.Random) -> datetime:
    """The same hour of one of the sales of the last year."""
    now = timezone.localtime()
    days = [
        at.replace(year=year, month=month, day=day)
        for year in (now.year - 1, now.year)
        for month, day in SALES
    ]
    return chance.choice([day for day in days if 0 <= (now - day).days < YEAR])


def _presale(
    member: Member, chance: random.Random, products: dict[str, int], number: int
) -> OrderData:
    """Reserved before the sale, with the deposit paid or not yet."""
    at = timezone.now() - timedelta(
        days=chance.randint(1, 12), hours=chance.randrange(9)
    )
    code, _name, _category, price = PRODUCTS[0]
    return OrderData(
        shop=SHOP,
        code=f"P{at:%y%m%d}{number:05d}",
        placed_at=at,
        state=Order.State.PENDING,
        presale=chance.choice(Order.Presale.values),
        items=[Item(products[code], 1, Decimal(price))],
        unit=member.org_unit_id,
        member=member.pk,
    )


def _moments(chance: random.Random) -> list[datetime]:
    drawn, count = chance.randrange(100), 0
    for share, often in HABITS:
        count = often
        if drawn < share:
            break
        drawn -= share
    latest = chance.randrange(1, LATEST.get(count, DAYS))
    days = [latest + chance.randrange(DAYS - latest) for _n in range(max(0, count - 1))]
    return [_by_day(day, chance) for day in (*days, latest)] if count else []


def _by_day(days: int, chance: random.Random) -> datetime:
    """A moment so many days ago, at least one."""
    day = timezone.localtime() - timedelta(days=days)
    return day.replace(hour=chance.choice(HOURS), minute=chance.randrange(60))


def _basket(chance: random.Random, taste: str) -> list[str]:
    """Numbers of one or two products, mostly of the category they like."""
    liked = [code for code, _n, category, _p in PRODUCTS if category == taste]
    every = [code for code, *_more in PRODUCTS]
    among = liked if chance.random() < LOYALTY else every
    return chance.sample(among, min(len(among), chance.choice((1, 1, 2))))


def _order(
    member: Member,
    at: datetime,
    chance: random.Random,
    products: dict[str, int],
    chosen: list[str],
    number: int,
    is_thrifty: bool,
) -> OrderData:
    prices = {row[0]: Decimal(row[3]) for row in (*PRODUCTS, *NEWEST)}
    is_open = at > timezone.now() - timedelta(days=30) and chance.random() < 0.2
    has_coupon = chance.random() < (0.95 if is_thrifty else 0.2)
    is_pickup = member.org_unit_id is not None and chance.random() < 0.3
    discount = VOUCHER if has_coupon else Decimal(0)
    code = f"D{at:%y%m%d}{number:05d}"
    refunds = []
    if chance.random() < 0.06:
        amount = prices[chosen[0]] - discount
        back = Back(f"{code}-R1", amount, at + timedelta(days=3), "不合适")
        refunds = [back] if back.at < timezone.now() else []
    return OrderData(
        shop=SHOP,
        code=code,
        placed_at=at,
        paid_at=at + timedelta(minutes=chance.randrange(1, 20)),
        amount=sum((prices[each] for each in chosen), Decimal(0)) - discount,
        discount=discount,
        items=[Item(products[each], 1, prices[each]) for each in chosen],
        refunds=refunds,
        has_coupon=has_coupon,
        after_sales=Order.AfterSales.OPEN if is_open else "",
        is_pickup=is_pickup,
        region="" if is_pickup else chance.choice(REGIONS),
        unit=member.org_unit_id,
        member=member.pk,
    )


def hand_out(brand: OrgUnit, members: Sequence[Member], actor: Staff) -> int:
    """Coupons: running out, used, void, and one of a buyer nobody knows yet."""
    now, states = timezone.now(), Coupon.State
    mine = [member for member in members if member.controller_id == brand.pk]
    for number, member in enumerate(mine[::7][:HOLDERS], 1):
        days = ENDS[number % len(ENDS)]
        state = states.VOID if days < 0 else states.HELD
        coupons.record(
            brand,
            shop=SHOP,
            code=f"Q1111{number:04d}",
            expires_at=now + timedelta(days=days, hours=2),
            buyer=orders.Buyer(member=member),
            actor=actor,
            state=states.USED if number % 5 == 0 else state,
        )
    coupons.record(
        brand,
        shop=SHOP,
        code="Q11119000",
        expires_at=now + timedelta(days=20),
        buyer=orders.Buyer(buyer="mini-guest-2207"),
        actor=actor,
    )
    return Coupon.objects.filter(controller=brand).count()


def open_shop(seller: Staff) -> None:
    """Give the sandbox's shop a token of its own; raises OSError."""
    phones.open_shop(tokens.issue(seller, name="mini shop", actor=seller))
