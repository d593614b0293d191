"""The rules of lifecycle and value in plain Python, and a shop of people to try them on."""

from __future__ import annotations

import itertools
import math
import random
from collections import defaultdict
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from types import SimpleNamespace
from typing import Any

from django.utils import timezone

from crm.models import Member, Order, OrderItem
from crm.value.moments import year_before
from tests.crm.value_worlds import noon, put

MIN_BUYERS = 60  # where the big test needs scores without 200 people
DAY = date(2026, 6, 17)  # in the middle of a month
MIN_PAUSES = 200
CYCLES = {None: 60, "beauty": 60, "coffee-snack": 10, "apparel": 75, "furniture": None}
CODES = ("beauty", "coffee-snack", "apparel", "furniture")


def make_people(shop: SimpleNamespace, count: int) -> list[Member]:
    """A varied shop: most bought once, a few very often, some not at all."""
    rng = random.Random(417)
    people, orders, items, tagged = [], [], [], []
    for number in range(count):
        member = Member(
            display_name="某人",
            is_reachable=rng.random() > 0.05,
            first_seen_at=noon(date(2024, 1, 1)),
            controller=shop.dealer if number % 40 == 7 else shop.brand,
        )
        code = rng.choices(CODES, (6, 1, 1, 1))[0]
        for _ in range(min(int(rng.paretovariate(0.9)) - (rng.random() < 0.2), 12)):
            day = DAY - timedelta(days=int(rng.triangular(0, 700, 40)))
            amount = Decimal(rng.choice((20, 50, 50, 99, 250)))
            state = rng.choices(
                ("paid", "part_back", "refunded", "pending", "cancelled"),
                (20, 3, 1, 1, 1),
            )[0]
            part = {"part_back": amount / 2, "refunded": amount}.get(state, 0)
            other = rng.choice(CODES) if rng.random() < 0.2 else code
            at = noon(day, rng.choice((0, 7, 8, 23)), rng.randrange(60))
            order = Order(
                controller=member.controller,
                member=member,
                shop="店",
                code=f"o{len(orders)}",
                state=state,
                placed_at=at,
                paid_at=at,
                amount=amount,
                refunded=part,
            )
            orders.append(order)
            if rng.random() > 0.05:
                first = amount if other == code else amount * 67 / 100
                for part_of, cost in ((other, first), (code, amount - first)):
                    if cost:
                        product = shop.products[part_of]
                        items.append(
                            OrderItem(order=order, product=product, amount=cost)
                        )
        for key, odds in (("role.Test", 0.03), ("level.VIP", 0.05)):
            if rng.random() < odds:
                tagged.append((member, key))
        people.append(member)
    Member.objects.bulk_create(people)
    for member, key in tagged:
        put(shop, member, key)
    Order.objects.bulk_create(orders)
    OrderItem.objects.bulk_create(items)
    return people


def kept_of(order: Order) -> list[tuple[str, Decimal]]:
    """(category, yuan) of each item, in cents: what of the order went back of each."""
    lines = [
        [item.product.category.code, int(item.amount * 100), 0]
        for item in sorted(order.items.all(), key=lambda item: (-item.amount, item.pk))
    ]
    total = sum(cost for _code, cost, _back in lines)
    part = Fraction(order.refunded) / Fraction(order.amount)
    to_give = math.floor(total * part + Fraction(1, 2))
    rest = to_give
    for line in lines:
        line[2] = to_give * line[1] // total
        rest -= line[2]
    if lines:
        lines[0][2] += rest
    return [(code, Decimal(cost - back) / 100) for code, cost, back in lines]


class Oracle:
    """What domain says of one member, computed the slow way."""

    def __init__(self, member: Member, keys: set[str]) -> None:
        self.member, self.keys = member, keys
        self.measured: int | None = None
        self.is_excluded = bool(keys & {"role.Employee", "role.Dealer", "role.Test"})
        self.spend: dict[date, Decimal] = defaultdict(Decimal)
        lately: dict[str | None, Decimal] = defaultdict(Decimal)
        ever: dict[str | None, Decimal] = defaultdict(Decimal)
        orders = [] if self.is_excluded else member.orders.all()
        for order in orders:
            net = order.amount - order.refunded
            if order.state not in ("paid", "part_back") or net <= 0:
                continue
            day = timezone.localdate(order.paid_at)
            self.spend[day] += net
            for code, left in kept_of(order):
                ever[code] += left
                if day > year_before(DAY):
                    lately[code] += left
        ranked = lately or ever
        order_of = {"coffee-snack": 0, "beauty": 1, "apparel": 2, "furniture": 4}
        self.code = (
            min(ranked, key=lambda c: (-ranked[c], -ever[c], order_of[c]))  # type: ignore[index]
            if ranked
            else None
        )
        self.days = sorted(self.spend)
        month = DAY.replace(day=1)
        self.scored_days = [d for d in self.days if year_before(month) <= d < month]
        self.money = sum((self.spend[d] for d in self.scored_days), Decimal(0))
        self.f_year = sum(1 for d in self.days if d > year_before(DAY))

    @property
    def cycle(self) -> int | None:
        return self.measured or CYCLES[self.code]

    @property
    def pauses(self) -> list[int]:
        """Days between orders that count for a measured cycle."""
        month = DAY.replace(day=1)
        return [
            (after - before).days
            for before, after in itertools.pairwise(self.days)
            if year_before(month) <= after < month
        ]

    def stage(self, loyal_from: int) -> str:
        if self.is_excluded:
            return "prospect"
        if not self.member.is_reachable:
            return "churned"
        if not self.days:
            return "prospect"
        r = (DAY - self.days[-1]).days
        if self.cycle is not None and r > self.cycle:
            if r > 4 * self.cycle:
                return "churned"
            return "dormant" if r > 2 * self.cycle else "at_risk"
        pauses = [(b - a).days for a, b in itertools.pairwise(self.days)]
        if self.cycle is not None and pauses and pauses[-1] > 2 * self.cycle:
            return "won_back"
        if self.f_year >= loyal_from or "level.VIP" in self.keys:
            return "loyal"
        return "new" if len(self.days) == 1 else "growing"


def percentile(values: list[Any], share: float) -> Any:
    ranked = sorted(values)
    return ranked[max(math.ceil(share * len(ranked)) - 1, 0)]


def measure(people: list[Oracle]) -> set[str]:
    """Put the measured cycle where enough is known; the categories it was put in."""
    found = set()
    for place, code in {(each.member.controller_id, each.code) for each in people}:
        alike = [p for p in people if (p.member.controller_id, p.code) == (place, code)]
        pauses = [days for p in alike if p.scored_days for days in p.pauses]
        if code is not None and CYCLES[code] and len(pauses) >= MIN_PAUSES:
            found.add(code)
            for person in alike:
                person.measured = percentile(pauses, 0.5)
    return found


def fifth_of(value: Any, values: list[Any]) -> int:
    shares = ((5, 0.8), (4, 0.6), (3, 0.4), (2, 0.2))
    return next((n for n, share in shares if value > percentile(values, share)), 1)


def scores_of(person: Oracle, group: list[Oracle]) -> tuple[int, int, int] | None:
    """R, F, M inside the category, None where nobody is scored."""
    if person.cycle is None or not person.scored_days or len(group) < MIN_BUYERS:
        return None
    r_score = fifth_of(person.scored_days[-1], [each.scored_days[-1] for each in group])
    counts = [len(each.scored_days) for each in group]
    f_cuts = [max(percentile(counts, 0.9), 2), max(percentile(counts, 0.75), 2), 3, 2]
    f = len(person.scored_days)
    f_score = next((5 - place for place, n in enumerate(f_cuts) if f >= n), 1)
    m_score = fifth_of(person.money, [each.money for each in group])
    return r_score, f_score, m_score
