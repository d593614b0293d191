"""Who gets which built-in tag (crm/data/tag_taxonomy.csv), as set-wise SELECTs.

Every rule sees `people` (the standing members of one data controller within a stretch of
ids) and the parameters now (a moment), today, year_ago (local days), zone, acts and
messages (crm.interactions). Keys are those of Tag.builtin_key after the point.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

PEOPLE = """
people AS (
    SELECT id, org_unit_id, opted_out_at, no_personalisation, birthday, city,
        purge_due_at, first_seen_at
    FROM crm_member
    WHERE controller_id = %(controller)s AND id BETWEEN %(first)s AND %(last)s
        AND merged_into_id IS NULL AND purged_at IS NULL
)
"""


@dataclass(frozen=True)
class Group:
    """`select` gives (member_id, key) rows; of an exclusive group one row a member.

    `keys`: the tags the rule decides about; others of the group are left alone.
    `given(now)`: further parameters of the SELECT.
    """

    code: str
    keys: tuple[str, ...]
    select: str
    given: Callable[[datetime], dict[str, Any]] = lambda _at: {}


# The pattern of the tags that stand for one category each (INTEREST); nobody carries it.
ONE_PER_CATEGORY = "interest.Interest: category A"

# The first trace of somebody: the parameter of a code ("store.jingan"), else the way.
_SOURCE = """
SELECT DISTINCT ON (member_id) member_id, key FROM (
    SELECT trace.member_id, trace.at, CASE
        WHEN trace.scene LIKE 'store.%%' THEN 'Store code'
        WHEN trace.scene LIKE 'parcel.%%' THEN 'Parcel card'
        WHEN trace.scene LIKE 'ecom.%%' THEN 'Marketplace CS'
        WHEN trace.scene LIKE 'channels.%%' OR trace.way = 10 THEN 'Channels'
        WHEN trace.scene LIKE 'mp.%%' THEN 'Mini-program'
        WHEN trace.scene LIKE 'ads.%%' OR trace.way = 16 THEN 'Paid ads'
        WHEN trace.scene LIKE 'invite.%%' THEN 'Referral'
        WHEN trace.scene LIKE 'person.%%' THEN 'Staff/dealer code'
        WHEN trace.scene LIKE 'event.%%' THEN 'Offline event'
        WHEN trace.is_account THEN 'Official account'
    END AS key
    FROM (
        SELECT identity.member_id, coalesce(identity.followed_at, identity.created_at)
            AS at, identity.scene, NULL::int AS way, account.kind <> 'wecom' AS is_account
        FROM people JOIN crm_identity identity ON identity.member_id = people.id
        JOIN wechat_account account ON account.id = identity.account_id
        UNION ALL
        SELECT relation.member_id, relation.added_at, relation.channel_state,
            relation.add_way, false
        FROM people JOIN crm_relation relation ON relation.member_id = people.id
    ) trace
) found
WHERE key IS NOT NULL
ORDER BY member_id, at NULLS LAST, key
"""
# C08 counts the last 30 days; what lies before is only looked for where it is none.
_ENGAGEMENT = """
SELECT people.id AS member_id, CASE
    WHEN people.first_seen_at > %(now)s - interval '7 days' AND NOT EXISTS (
        SELECT FROM crm_event event WHERE event.member_id = people.id
            AND event.at > %(now)s - interval '8 days'
            AND event.kind LIKE %(messages)s
    ) THEN 'Silent newcomer'
    WHEN value.interactions >= 4 THEN 'High'
    WHEN value.interactions >= 1 THEN 'Medium'
    WHEN EXISTS (
        SELECT FROM crm_event event WHERE event.member_id = people.id
            AND event.at > %(now)s - interval '90 days'
            AND (event.kind LIKE %(messages)s OR event.kind = ANY(%(acts)s))
    ) THEN 'Low'
    ELSE 'Silent'
END AS key
FROM people LEFT JOIN crm_membervalue value ON value.member_id = people.id
"""
# Shares of the orders of 12 months that count; one order makes no habit.
_BUYING = """
SELECT habit.member_id, named.key
FROM (
    SELECT bought.member_id, count(*) AS orders,
        avg(bought.has_coupon::int) AS coupon, avg(bought.is_pickup::int) AS pickup,
        avg((bought.hour >= 21 OR bought.hour < 2)::int) AS night,
        avg(bought.in_promo::int) AS promo, avg(bought.is_far::int) AS far,
        sum(bought.novelties) AS novelties, avg(bought.pieces) AS pieces
    FROM (
        SELECT o.member_id, o.has_coupon, o.is_pickup,
            extract(hour FROM o.paid_at AT TIME ZONE %(zone)s) AS hour,
            EXISTS (
                SELECT FROM content_marketingday promo
                WHERE promo.kind = 'shopping_festival' AND promo.is_shown
                    AND (o.paid_at AT TIME ZONE %(zone)s)::date
                    BETWEEN promo.date AND promo.end_date
            ) AS in_promo,
            o.region <> '' AND region.name IS NOT NULL
                AND position(o.region IN region.name) = 0 AS is_far,
            items.pieces, items.novelties
        FROM people
        JOIN crm_order o ON o.member_id = people.id
            AND o.state IN ('paid', 'part_back')
            AND o.paid_at >= %(year_ago)s::date AT TIME ZONE %(zone)s
        LEFT JOIN LATERAL (
            SELECT unit.name FROM staff_orgunit store
            JOIN staff_orgunit unit ON unit.kind = 'region'
                AND store.path LIKE unit.path || '%%'
            WHERE store.id = o.org_unit_id LIMIT 1
        ) region ON true
        CROSS JOIN LATERAL (
            SELECT coalesce(sum(item.quantity), 0) AS pieces,
                count(*) FILTER (
                    WHERE (o.paid_at AT TIME ZONE %(zone)s)::date
                        BETWEEN product.launched_on AND product.launched_on + 14
                ) AS novelties
            FROM crm_orderitem item JOIN crm_product product ON product.id = item.product_id
            WHERE item.order_id = o.id
        ) items
    ) bought
    GROUP BY bought.member_id
) habit
CROSS JOIN LATERAL (VALUES
    ('Price sensitive', habit.orders >= 2 AND habit.coupon >= 0.7),
    ('Promo-season buyer', habit.orders >= 2 AND habit.promo >= 0.6),
    ('Novelty seeker', habit.novelties >= 2),
    ('Stock-up', habit.pieces >= greatest(%(many_pieces)s, 2)),
    ('Prefers pick-up', habit.orders >= 2 AND habit.pickup >= 0.5),
    ('Night buyer', habit.orders >= 2 AND habit.night >= 0.5),
    ('Cross-region', habit.orders >= 2 AND habit.far >= 0.5)
) AS named (key, holds)
WHERE named.holds
"""
_SERVICE = """
SELECT DISTINCT o.member_id, 'In after-sales' AS key
FROM people JOIN crm_order o ON o.member_id = people.id
    AND o.after_sales <> '' AND o.after_sales = 'open'
UNION
SELECT DISTINCT event.member_id, 'Awaiting call-back' AS key
FROM people JOIN crm_event event ON event.member_id = people.id
WHERE event.kind = 'conversation.closed' AND event.at > %(now)s - interval '3 days'
    AND event.at <= %(now)s
"""
_PLACE = """
SELECT people.id AS member_id, named.key
FROM people
LEFT JOIN staff_orgunit unit ON unit.id = people.org_unit_id
CROSS JOIN LATERAL (VALUES
    ('Home store', unit.kind = 'store'),
    ('Tier-1 city', regexp_replace(people.city, '市$', '') = ANY(%(first_tier)s)),
    ('Lower-tier city', people.city <> ''
        AND regexp_replace(people.city, '市$', '') <> ALL(%(upper_tiers)s)),
    ('Within 3 km', NOT people.no_personalisation AND EXISTS (
        SELECT FROM crm_nearby near JOIN staff_orgunit store ON store.id = near.store_id
        WHERE near.member_id = people.id AND store.is_active
    ))
) AS named (key, holds)
WHERE named.holds
"""
# One tag for each category of the catalogue; its key is the category's id. What counts
# towards it: (member_id, category_id, act), the same act once.
_INTEREST = """
SELECT act.member_id, act.category_id::text AS key
FROM ({acts}) act
GROUP BY act.member_id, act.category_id
HAVING count(DISTINCT act.act COLLATE "C") >= 2
"""
_ORDERED = """
SELECT o.member_id, product.category_id, 'order:' || o.id AS act
FROM people
JOIN crm_order o ON o.member_id = people.id AND o.state IN ('paid', 'part_back')
    AND o.paid_at > %(now)s - interval '90 days'
JOIN crm_orderitem item ON item.order_id = o.id
JOIN crm_product product ON product.id = item.product_id
"""
_acts_of_interest = [_ORDERED]
# Presales that are not paid in full yet; the shop tells how far they are.
_PRESALE = """
SELECT DISTINCT o.member_id, CASE o.presale WHEN 'reserved' THEN 'Reserved, unpaid'
    ELSE 'Deposit paid' END AS key
FROM people JOIN crm_order o ON o.member_id = people.id AND o.presale <> ''
WHERE o.state = 'pending' AND o.placed_at > %(now)s - interval '90 days'
"""
# What a reminder is for: three days and not used.
_COUPON = """
SELECT DISTINCT coupon.member_id, 'Coupon unused' AS key
FROM people JOIN crm_coupon coupon ON coupon.member_id = people.id
    AND coupon.expires_at > %(now)s
    AND coupon.expires_at <= %(now)s::timestamptz + interval '3 days'
WHERE coupon.state = 'held'
"""
# Consent as it stands; "marketing consented" needs a yes on record, not only no refusal.
_CONTACT = """
SELECT people.id AS member_id, named.key
FROM people
CROSS JOIN LATERAL (VALUES
    ('Opted out', people.opted_out_at IS NOT NULL),
    ('No profiling', people.no_personalisation),
    ('Deletion pending', people.purge_due_at IS NOT NULL),
    ('Quiet-hours preference', EXISTS (
        SELECT FROM crm_preference own
        WHERE own.member_id = people.id AND own.quiet_from IS NOT NULL
    )),
    ('Minor — guardian consent', people.birthday > (%(today)s::date - interval '14 years')),
    ('Marketing consented', people.opted_out_at IS NULL AND (
        SELECT entry.action = 'granted' FROM crm_consententry entry
        WHERE entry.member_id = people.id AND entry.purpose = 'marketing'
        ORDER BY entry.at DESC, entry.id DESC LIMIT 1
    ))
) AS named (key, holds)
WHERE named.holds
"""

GROUPS: list[Group] = [
    Group(
        "source",
        (
            *("Store code", "Parcel card", "Marketplace CS", "Official account"),
            *("Channels", "Mini-program", "Paid ads", "Referral"),
            *("Staff/dealer code", "Offline event"),
        ),
        _SOURCE,
    ),
    Group(
        "engagement",
        ("High", "Medium", "Low", "Silent", "Silent newcomer"),
        _ENGAGEMENT,
    ),
    Group(
        "buying",
        (
            *("Price sensitive", "Promo-season buyer", "Novelty seeker", "Stock-up"),
            *("Prefers pick-up", "Night buyer", "Cross-region"),
        ),
        _BUYING,
    ),
    Group("service", ("In after-sales", "Awaiting call-back"), _SERVICE),
    Group(
        "place", ("Home store", "Within 3 km", "Tier-1 city", "Lower-tier city"), _PLACE
    ),
    Group("campaign", ("Reserved, unpaid", "Deposit paid"), _PRESALE),
    Group("campaign", ("Coupon unused",), _COUPON),
    Group(
        "contact",
        (
            *("Marketing consented", "Opted out", "No profiling"),
            *("Minor — guardian consent", "Deletion pending"),
            "Quiet-hours preference",
        ),
        _CONTACT,
    ),
]


def add_group(group: Group) -> None:
    """A rule of an app above, whose tables are its own."""
    GROUPS.append(group)


def add_source(code: str, key: str, select: str) -> None:
    """Another reason, of an app above, for a key a group decides: either is enough.

    Raises LookupError when no group decides it.
    """
    for place, group in enumerate(GROUPS):
        if group.code == code and key in group.keys:
            joined = f"({group.select}) UNION ({select})"
            GROUPS[place] = replace(group, select=joined)
            return
    raise LookupError(f"{code}.{key}")


def add_interest(select: str) -> None:
    """Acts, of an app above, that tell of a category: (member_id, category_id, act)."""
    _acts_of_interest.append(select)


def interest() -> str:
    """The SELECT of the tags of categories."""
    return _INTEREST.format(acts=" UNION ALL ".join(_acts_of_interest))
