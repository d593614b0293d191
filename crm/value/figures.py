"""What members bought, added up: one statement for any number of them.

Net paid orders: paid and not gone back as a whole, refunds taken off, orders with nothing
left not counted. Orders of one local day are one. Who carries a tag of colleagues,
dealers or tests has no figures. Source: domain, "RFM".
"""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import connection

from crm.kept import KEPT
from crm.models import Order
from crm.value.moments import AsOf
from crm.value.people import EXCLUDED, People, tag_ids

_COLUMNS = (
    "category_id",
    "orders_total",
    "spend_total",
    "orders_year",
    "spend_year",
    "first_order_at",
    "last_order_at",
    "rfm_orders",
    "rfm_spend",
    "rfm_last_on",
    "last_gap_days",
    "is_excluded",
)
_REST = (
    "r_score, f_score, m_score, interactions, relationship, bond, why, won_back_on,"
    " computed_at"
)
# The main category: where most of the money of the year went, what was kept of each item
# counted, else of all time; a
# category of the controller stands for the shared one with its code.
_SQL = """
WITH people AS (
    SELECT member.id, coalesce(held.tag_ids && %(excluded)s::bigint[], false)
        AS is_excluded
    FROM crm_member member LEFT JOIN crm_tagset held ON held.member_id = member.id
    WHERE {member_id} AND member.controller_id = %(controller)s
        AND member.merged_into_id IS NULL AND member.purged_at IS NULL
), bought AS MATERIALIZED (
    SELECT orders.id, orders.member_id, orders.amount, orders.refunded,
        orders.amount - orders.refunded AS net,
        coalesce(orders.paid_at, orders.placed_at) AS at,
        (coalesce(orders.paid_at, orders.placed_at) AT TIME ZONE %(zone)s)::date AS day
    FROM crm_order orders JOIN people
        ON people.id = orders.member_id AND NOT people.is_excluded
    WHERE {order_member_id} AND orders.state = ANY(%(counted)s)
        AND orders.amount > orders.refunded
        AND coalesce(orders.paid_at, orders.placed_at) < %(until)s
), days AS (
    SELECT member_id, day, sum(net) AS net, min(at) AS first_at, max(at) AS last_at,
        day - lag(day) OVER (PARTITION BY member_id ORDER BY day) AS gap
    FROM bought GROUP BY member_id, day
), sums AS (
    SELECT member_id, count(*) AS orders_total, sum(net) AS spend_total,
        count(*) FILTER (WHERE day > %(year)s) AS orders_year,
        sum(net) FILTER (WHERE day > %(year)s) AS spend_year,
        min(first_at) AS first_order_at, max(last_at) AS last_order_at,
        count(*) FILTER (WHERE day >= %(month_year)s AND day < %(month)s)
            AS rfm_orders,
        sum(net) FILTER (WHERE day >= %(month_year)s AND day < %(month)s)
            AS rfm_spend,
        max(day) FILTER (WHERE day >= %(month_year)s AND day < %(month)s)
            AS rfm_last_on,
        (array_agg(gap ORDER BY day DESC))[1] AS last_gap_days
    FROM days GROUP BY member_id
), lines AS (
    SELECT o.member_id, o.day, i.product_id, {kept} AS kept
    FROM bought o JOIN crm_orderitem i ON i.order_id = o.id
), spent AS (
    SELECT lines.member_id, coalesce(own.id, category.id) AS category_id,
        sum(lines.kept) FILTER (WHERE lines.day > %(year)s) AS lately,
        sum(lines.kept) AS ever
    FROM lines
    JOIN crm_product product ON product.id = lines.product_id
    JOIN crm_category category ON category.id = product.category_id
    LEFT JOIN crm_category own
        ON own.controller_id = %(controller)s AND own.code = category.code
    GROUP BY 1, 2
), main AS (
    SELECT DISTINCT ON (member_id) member_id, category_id FROM spent
    ORDER BY member_id, lately DESC NULLS LAST, ever DESC, category_id
), fresh AS MATERIALIZED (
    SELECT people.id AS member_id, main.category_id,
        coalesce(sums.orders_total, 0) AS orders_total,
        coalesce(sums.spend_total, 0) AS spend_total,
        coalesce(sums.orders_year, 0) AS orders_year,
        coalesce(sums.spend_year, 0) AS spend_year,
        sums.first_order_at, sums.last_order_at,
        coalesce(sums.rfm_orders, 0) AS rfm_orders,
        coalesce(sums.rfm_spend, 0) AS rfm_spend,
        sums.rfm_last_on, sums.last_gap_days, people.is_excluded
    FROM people LEFT JOIN sums ON sums.member_id = people.id
    LEFT JOIN main ON main.member_id = people.id
), changed AS (
    UPDATE crm_membervalue known
    SET ({columns}, computed_at) = ({fresh_columns}, %(now)s)
    FROM fresh WHERE known.member_id = fresh.member_id
        AND ({known_columns}) IS DISTINCT FROM ({fresh_columns})
    RETURNING 1
), added AS (
    INSERT INTO crm_membervalue (member_id, {columns}, {rest})
    SELECT fresh.member_id, {fresh_columns},
        NULL, NULL, NULL, 0, 0, 'weak', '{{}}', NULL, %(now)s
    FROM fresh WHERE NOT EXISTS (
        SELECT FROM crm_membervalue known WHERE known.member_id = fresh.member_id
    )
    ON CONFLICT (member_id) DO NOTHING
    RETURNING 1
)
SELECT (SELECT count(*) FROM changed) + (SELECT count(*) FROM added)
"""


def add_up(people: People, as_of: AsOf, *, now: Any) -> int:
    """Bring MemberValue's figures of orders up to date; how many rows were written."""

    def named(table: str) -> str:
        return ", ".join(f"{table}.{column}" for column in _COLUMNS)

    statement = _SQL.format(
        member_id=people.of("member.id"),
        order_member_id=people.of("orders.member_id"),
        columns=", ".join(_COLUMNS),
        rest=_REST,
        kept=KEPT,
        fresh_columns=named("fresh"),
        known_columns=named("known"),
    )
    params = {
        **people.params,
        "excluded": tag_ids(EXCLUDED),
        "counted": [str(state) for state in Order.COUNTED],
        "zone": settings.TIME_ZONE,
        "until": as_of.until,
        "year": as_of.year_start,
        "month": as_of.month,
        "month_year": as_of.month_year_start,
        "now": now,
    }
    with connection.cursor() as cursor:
        cursor.execute(statement, params)
        return int(cursor.fetchone()[0])
