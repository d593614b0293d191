"""What made-up members did and bought over the last 24 months."""

from __future__ import annotations

import random
from itertools import accumulate

from crm.generating import names
from crm.generating.loading import Table
from crm.generating.moments import Moments
from crm.generating.people import NULL, Person
from crm.models import Event, Order, OrderItem, Refund

EVENTS, ORDERS = 20, 3
# The share of members that never bought; the others' orders fall off geometrically.
_NEVER_BOUGHT, _GOES_ON = 0.45, 0.8155
_SHOPS = ("天猫旗舰店", "小程序商城", "门店收银")
# Out of a hundred orders, by the draw: cancelled, not paid, refunded, partly refunded.
_CANCELLED, _PENDING, _REFUNDED, _PARTLY = 0.02, 0.03, 0.06, 0.09
# kind, share, texts of its data
_KINDS: tuple[tuple[str, int, tuple[str, ...]], ...] = (
    ("message.text", 30, tuple(f'{{"text": "{said}"}}' for said in names.SAID)),
    ("message.image", 3, ("{}",)),
    ("click", 22, tuple(f'{{"key": "{key}"}}' for key in names.MENU_KEYS)),
    (
        "view",
        18,
        tuple(f'{{"key": "https://m.linjian.example{p}"}}' for p in names.PAGES),
    ),
    ("miniprogram", 9, tuple(f'{{"key": "pages{page}"}}' for page in names.PAGES)),
    ("scan", 4, tuple(f'{{"key": "{key}"}}' for key in names.CLICKED)),
    ("template", 10, ('{"status": "success"}', '{"status": "failed:user block"}')),
    ("kf.answer", 4, ('{"text": "已为您查询"}',)),
)


class History:
    """The rows of events, orders, their items and refunds."""

    def __init__(self, moments: Moments, first_order: int) -> None:
        self.moments = moments
        self.next_order = first_order
        columns = ("member", "kind", "at", "key", "account", "data", "recorded_at")
        self.events = Table(Event, *columns)
        self.orders = Table(
            Order,
            *("id", "controller", "org_unit", "member", "shop", "code", "buyer"),
            *("state", "placed_at", "paid_at", "amount", "refunded", "has_coupon"),
            *("is_pickup", "region"),
        )
        self.items = Table(OrderItem, "order", "product", "quantity", "amount")
        self.refunds = Table(Refund, "order", "code", "amount", "at", "reason")
        self.tables = [self.events, self.orders, self.items, self.refunds]
        pool = [
            (kind, data, share / len(texts))
            for kind, share, texts in _KINDS
            for data in texts
        ]
        self.pool = [(kind, data) for kind, data, _share in pool]
        self.shares = list(accumulate(share for _kind, _data, share in pool))
        self._products: list[float] = []

    def live(self, person: Person, draw: random.Random) -> None:
        """Events from the day they came to now (or to when they left)."""
        member, joined = person.key, person.joined
        # Many do little, few do much: a mean of 19 beside the first line.
        count = min(int(draw.expovariate(1) ** 1.6 * 13.6), 400)
        account = person.accounts[0] if person.accounts else NULL
        lines, rest = self.events.lines, self.events.rest
        at = self.moments.by_day(joined, draw)
        kind = "follow" if person.accounts else "friend.added"
        lines.append(
            f"{member}\t{kind}\t{at}\tg{member}.0\t{account}\t{{}}\t{at}{rest}"
        )
        person.seen = joined, at
        # Who left did so some time ago.
        until = int(joined * draw.random()) if person.left else 0
        by_day = self.moments.by_day
        drawn = draw.choices(self.pool, cum_weights=self.shares, k=count)
        newest, newest_at = person.seen
        for number, (kind, data) in enumerate(drawn, 1):
            days = until + int((joined - until) * draw.random())
            at = by_day(days, draw)
            if days < newest or (days == newest and at > newest_at):
                newest, newest_at = days, at
            lines.append(
                f"{member}\t{kind}\t{at}\tg{member}.{number}\t{account}\t{data}\t{at}{rest}"
            )
        person.seen = newest, newest_at

    def buy(self, person: Person, draw: random.Random) -> None:
        """Orders since they came, with items and what went back."""
        if draw.random() < _NEVER_BOUGHT:
            return
        count = 1
        while draw.random() < _GOES_ON and count < 60:
            count += 1
        for number in range(count):
            self._order(person, number, int(person.joined * draw.random()), draw)

    def _order(
        self, person: Person, number: int, days: int, draw: random.Random
    ) -> None:
        key = self.next_order
        self.next_order += 1
        amount = self._items(key, person, draw)
        seconds = 3600 + int(draw.random() * 46_000)
        placed = self.moments.text(days, seconds)
        paid = self.moments.text(days, seconds + 90)
        code = f"G{person.key:09}{number:03}"
        state, refunded, fate = "paid", 0, draw.random()
        if fate < _PENDING:
            state, paid = ("cancelled" if fate < _CANCELLED else "pending"), NULL
        elif fate < _PARTLY:
            whole = fate < _REFUNDED
            state = "refunded" if whole else "part_back"
            refunded = amount if whole else max(1, amount // 3)
            back = self.moments.text(max(days - 3, 0), seconds)
            self.refunds.lines.append(
                f"{key}\tR{code}\t{refunded}\t{back}\t七天无理由{self.refunds.rest}"
            )
        if state in ("paid", "part_back"):
            person.paid.append(days)
            person.spent += amount - refunded
        unit = person.store.unit if person.store else NULL
        shop = draw.choice(_SHOPS)
        self.orders.lines.append(
            f"{key}\t{person.controller.unit}\t{unit}\t{person.key}\t{shop}\t{code}"
            f"\t{person.buyer}\t{state}\t{placed}\t{paid}\t{amount}\t{refunded}"
            f"\t{'t' if draw.random() < 0.2 else 'f'}"
            f"\t{'t' if shop == _SHOPS[2] else 'f'}\t{names.CITIES[key % 30]}"
            + self.orders.rest
        )

    def _items(self, order: int, person: Person, draw: random.Random) -> int:
        """One to three products, the best-selling ones first; the sum in yuan."""
        products = person.controller.shelf.products
        if not self._products:
            self._products = list(accumulate(1 / (n + 5) for n in range(len(products))))
        chosen = dict.fromkeys(
            draw.choices(
                products, cum_weights=self._products, k=draw.choice((1, 1, 1, 2, 3))
            )
        )
        total = 0
        for product, price in chosen:
            quantity = 2 if draw.random() < 0.15 else 1
            total += price * quantity
            self.items.lines.append(
                f"{order}\t{product}\t{quantity}\t{price * quantity}{self.items.rest}"
            )
        return total
