"""What of each item of an order the buyer kept, in yuan, when part of the money went back.

Shops tell how much of an order went back, not of which item. So a refund takes from every
item the share it took from the order: an order of ¥150 with ¥50 back lost a third of each
item. Shares are whole cents, rounded down; the cents left over go to the largest item (of
equal ones, to the first). No item loses more than it cost.

Items may add up to more or less than what was paid (a discount of the whole order, postage):
the share of the order counts, so of an order of which half went back half of each item is
kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Decimal

_CENT = Decimal("0.01")

# `amounts` in SQL, of one item: `o` names the order, `i` the item. Few orders have
# refunds; of theirs alone all items are looked at.
KEPT = """(CASE WHEN o.refunded = 0 THEN i.amount ELSE (
    SELECT part.kept FROM (
        SELECT id, greatest(amount - share - CASE
            WHEN row_number() OVER (ORDER BY amount DESC, id) = 1
            THEN back - sum(share) OVER () ELSE 0 END, 0) AS kept
        FROM (
            SELECT id, amount, back, coalesce(
                div(back * amount * 100, nullif(total, 0)) / 100, 0) AS share
            FROM (
                SELECT item.id, item.amount, sum(item.amount) OVER () AS total,
                    round(least(sum(item.amount) OVER (), sum(item.amount) OVER ()
                        * o.refunded / nullif(o.amount, 0)), 2) AS back
                FROM crm_orderitem item WHERE item.order_id = o.id
            ) whole
        ) shared
    ) part WHERE part.id = i.id
) END)"""


def amounts(
    paid: Decimal, refunded: Decimal, items: Sequence[tuple[int, Decimal]]
) -> list[Decimal]:
    """What is kept of each of an order's `items`: (id, amount), all of them."""
    if not refunded:
        return [amount for _pk, amount in items]
    total = sum((amount for _pk, amount in items), Decimal(0))
    back = min(total * refunded / paid, total) if paid else total
    back = back.quantize(_CENT, ROUND_HALF_UP)
    shares = {
        pk: (back * amount * 100 // total / 100 if total else Decimal(0))
        for pk, amount in items
    }
    if items:
        largest = min(items, key=lambda item: (-item[1], item[0]))[0]
        shares[largest] += back - sum(shares.values(), Decimal(0))
    return [max(amount - shares[pk], Decimal(0)) for pk, amount in items]
