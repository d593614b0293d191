"""Many orders written at once, with items and refunds; writing them again changes nothing.

For files and bulk synchronisation; one order at a time goes through crm.orders. An order
is known by (data controller, shop, number), an item by its product, a refund by its
number. What `amount` None leaves open is the sum of the order's items.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from django.db import connection
from django.utils import timezone

from crm import value
from crm.models import Order


@dataclass
class Item:
    """One line of an order; `amount` in yuan for all of `quantity`."""

    product: int
    quantity: int
    amount: Decimal


@dataclass
class Back:
    """One refund."""

    code: str
    amount: Decimal
    at: datetime
    reason: str = ""


@dataclass
class OrderData:
    """`member` and `unit` are ids; a known order keeps the member it has."""

    shop: str
    code: str
    placed_at: datetime
    state: str = Order.State.PAID
    # Of Order.Presale and Order.AfterSales; "" says nothing, what stands stays.
    presale: str = ""
    after_sales: str = ""
    paid_at: datetime | None = None
    amount: Decimal | None = None
    discount: Decimal = Decimal(0)
    member: int | None = None
    buyer: str = ""
    unit: int | None = None
    has_coupon: bool = False
    is_pickup: bool = False
    region: str = ""
    note: str = ""
    items: list[Item] = field(default_factory=list)
    refunds: list[Back] = field(default_factory=list)
    # The items are all there are: those of before that are not among them go.
    is_whole: bool = False

    @property
    def key(self) -> tuple[str, str]:
        return self.shop, self.code


@dataclass(frozen=True)
class Written:
    """What became of an order; `member` is whose it is now."""

    pk: int
    is_new: bool
    member: int | None


class Standing(NamedTuple):
    """An order as it is known already; amounts in yuan."""

    pk: int
    unit: int | None
    member: int | None
    amount: Decimal
    refunded: Decimal


def standing(
    controller: int, keys: Sequence[tuple[str, str]]
) -> dict[tuple[str, str], Standing]:
    """The orders that are known already, locked."""
    if not keys:
        return {}
    shops, codes = zip(*keys, strict=True)
    with connection.cursor() as cursor:
        cursor.execute(_STANDING, [list(shops), list(codes), controller])
        return {(shop, code): Standing(*rest) for shop, code, *rest in cursor}


def write(
    controller: int, orders: Sequence[OrderData]
) -> dict[tuple[str, str], Written]:
    """Write orders of one data controller, each key once; must run in a transaction."""
    if not orders:
        return {}
    ordered = sorted(orders, key=lambda order: order.key)
    with connection.cursor() as cursor:
        cursor.execute(_ORDERS, [controller, timezone.now(), *_columns(ordered)])
        written = {
            (shop, code): Written(pk, is_new, member)
            for pk, shop, code, is_new, member in cursor
        }
        _write_items(cursor, ordered, written)
        _write_refunds(cursor, ordered, written)
        _add_up(cursor, ordered, written)
    value.changed(sorted({row.member for row in written.values() if row.member}))
    return written


def adopt_waiting(controller: int, pairs: Iterable[tuple[str, int]]) -> list[int]:
    """Give orders (and coupons) that waited under a buyer id to the member.

    Returns the members who got orders.
    """
    found = list(pairs)
    if not found:
        return []
    buyers, members = zip(*found, strict=True)
    with connection.cursor() as cursor:
        cursor.execute(_ADOPT, [list(buyers), list(members), controller])
        owners = sorted({row[0] for row in cursor})
        cursor.execute(_ADOPT_COUPONS, [list(buyers), list(members), controller])
    value.changed(owners)
    return owners


def _columns(orders: Sequence[OrderData]) -> list[list[Any]]:
    rows = (
        (
            *(order.unit, order.member, order.shop, order.code, order.buyer),
            *(str(order.state), str(order.presale), str(order.after_sales)),
            *(order.placed_at, order.paid_at),
            *(amount_of(order), order.discount, order.has_coupon, order.is_pickup),
            *(order.region, order.note),
        )
        for order in orders
    )
    return [list(column) for column in zip(*rows, strict=True)]


def amount_of(order: OrderData) -> Decimal:
    """What the order costs, as far as its own data says."""
    if order.amount is not None:
        return order.amount
    return sum((item.amount for item in order.items), Decimal(0))


def _write_items(
    cursor: Any, orders: Sequence[OrderData], written: dict[tuple[str, str], Written]
) -> None:
    rows: dict[tuple[int, int], list[Any]] = {}
    for order in orders:
        for item in order.items:
            pk = written[order.key].pk
            row = rows.setdefault((pk, item.product), [pk, item.product, 0, Decimal(0)])
            row[2] += item.quantity
            row[3] += item.amount
    whole = [written[order.key].pk for order in orders if order.is_whole]
    if whole:
        cursor.execute(_DROP_ITEMS, [whole, *map(list, zip(*rows, strict=True))])
    if rows:
        columns = zip(*rows.values(), strict=True)
        cursor.execute(_ITEMS, [list(column) for column in columns])


def _write_refunds(
    cursor: Any, orders: Sequence[OrderData], written: dict[tuple[str, str], Written]
) -> None:
    rows = [
        (written[order.key].pk, back.code, back.amount, back.at, back.reason)
        for order in orders
        for back in order.refunds
    ]
    if rows:
        cursor.execute(_REFUNDS, [list(column) for column in zip(*rows, strict=True)])


def _add_up(
    cursor: Any, orders: Sequence[OrderData], written: dict[tuple[str, str], Written]
) -> None:
    open_amounts = [written[order.key].pk for order in orders if order.amount is None]
    if open_amounts:
        cursor.execute(_SUM_OF_ITEMS, [open_amounts])
    refunded = [written[order.key].pk for order in orders if order.refunds]
    if refunded:
        cursor.execute(_SUM_OF_REFUNDS, [refunded])
    cursor.execute(_SETTLE, [[each.pk for each in written.values()]])


_STANDING = """
SELECT o.shop, o.code, o.id, o.org_unit_id, o.member_id, o.amount, o.refunded
FROM unnest(%s::text[], %s::text[]) AS wanted (shop, code)
JOIN crm_order o ON o.controller_id = %s
    AND o.shop = wanted.shop AND o.code = wanted.code
ORDER BY o.id FOR NO KEY UPDATE OF o
"""
_ORDERS = """
INSERT INTO crm_order (controller_id, recorded_at, org_unit_id, member_id, shop, code,
    buyer, state, presale, after_sales, placed_at, paid_at, amount, discount, refunded,
    has_coupon, is_pickup, region, note)
SELECT %s, %s, given.unit, given.member, given.shop, given.code, given.buyer,
    given.state, given.presale, given.after_sales, given.placed_at, given.paid_at,
    given.amount, given.discount, 0, given.has_coupon, given.is_pickup, given.region,
    given.note
FROM unnest(%s::bigint[], %s::bigint[], %s::text[], %s::text[], %s::text[], %s::text[],
    %s::text[], %s::text[], %s::timestamptz[], %s::timestamptz[], %s::numeric[], %s::numeric[], %s::boolean[],
    %s::boolean[], %s::text[], %s::text[])
    AS given (unit, member, shop, code, buyer, state, presale, after_sales, placed_at,
        paid_at, amount, discount, has_coupon, is_pickup, region, note)
ON CONFLICT (controller_id, shop, code) DO UPDATE SET
    member_id = coalesce(crm_order.member_id, EXCLUDED.member_id),
    buyer = CASE WHEN crm_order.buyer = '' THEN EXCLUDED.buyer ELSE crm_order.buyer END,
    org_unit_id = coalesce(EXCLUDED.org_unit_id, crm_order.org_unit_id),
    -- What refunds say of the state stands until their sum is looked at anew.
    state = CASE WHEN crm_order.state IN ('refunded', 'part_back')
        AND EXCLUDED.state = 'paid' THEN crm_order.state ELSE EXCLUDED.state END,
    presale = CASE WHEN EXCLUDED.presale = '' THEN crm_order.presale
        ELSE EXCLUDED.presale END,
    after_sales = CASE WHEN EXCLUDED.after_sales = '' THEN crm_order.after_sales
        ELSE EXCLUDED.after_sales END,
    placed_at = EXCLUDED.placed_at,
    paid_at = coalesce(EXCLUDED.paid_at, crm_order.paid_at),
    amount = EXCLUDED.amount, discount = EXCLUDED.discount,
    has_coupon = EXCLUDED.has_coupon OR crm_order.has_coupon,
    is_pickup = EXCLUDED.is_pickup OR crm_order.is_pickup,
    region = CASE WHEN EXCLUDED.region = '' THEN crm_order.region ELSE EXCLUDED.region END,
    note = CASE WHEN EXCLUDED.note = '' THEN crm_order.note ELSE EXCLUDED.note END
RETURNING id, shop, code, xmax = 0, member_id
"""
_ITEMS = """
INSERT INTO crm_orderitem (order_id, product_id, quantity, amount)
SELECT * FROM unnest(%s::bigint[], %s::bigint[], %s::integer[], %s::numeric[])
ON CONFLICT (order_id, product_id) DO UPDATE
SET quantity = EXCLUDED.quantity, amount = EXCLUDED.amount
"""
_DROP_ITEMS = """
DELETE FROM crm_orderitem item WHERE item.order_id = ANY(%s) AND NOT EXISTS (
    SELECT FROM unnest(%s::bigint[], %s::bigint[]) AS told (order_id, product_id)
    WHERE told.order_id = item.order_id AND told.product_id = item.product_id)
"""
_REFUNDS = """
INSERT INTO crm_refund (order_id, code, amount, at, reason)
SELECT * FROM unnest(%s::bigint[], %s::text[], %s::numeric[], %s::timestamptz[], %s::text[])
ON CONFLICT (order_id, code) DO NOTHING
"""
_SUM_OF_ITEMS = """
UPDATE crm_order SET amount = coalesce(
    (SELECT sum(item.amount) FROM crm_orderitem item WHERE item.order_id = crm_order.id),
    crm_order.amount)
WHERE id = ANY(%s)
"""
_SUM_OF_REFUNDS = """
UPDATE crm_order SET refunded = back.total
FROM (SELECT order_id, sum(amount) AS total FROM crm_refund
    WHERE order_id = ANY(%s) GROUP BY order_id) back
WHERE crm_order.id = back.order_id
"""
# What went back of an order that was paid says its state, whatever came first: the
# refund, another amount, or that it was paid after all.
_SETTLE = """
UPDATE crm_order SET state = settled.state
FROM (SELECT id, CASE WHEN refunded >= amount THEN 'refunded' ELSE 'part_back' END AS state
    FROM crm_order WHERE id = ANY(%s) AND refunded > 0
        AND state IN ('paid', 'part_back', 'refunded')) settled
WHERE crm_order.id = settled.id AND crm_order.state <> settled.state
"""
_ADOPT = """
UPDATE crm_order SET member_id = given.member
FROM unnest(%s::text[], %s::bigint[]) AS given (buyer, member)
WHERE crm_order.controller_id = %s AND crm_order.buyer = given.buyer
    AND crm_order.buyer <> '' AND crm_order.member_id IS NULL
RETURNING crm_order.member_id
"""
_ADOPT_COUPONS = """
UPDATE crm_coupon SET member_id = given.member
FROM unnest(%s::text[], %s::bigint[]) AS given (buyer, member)
WHERE crm_coupon.controller_id = %s AND crm_coupon.buyer = given.buyer
    AND crm_coupon.buyer <> '' AND crm_coupon.member_id IS NULL
"""
