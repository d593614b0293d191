"""Twenty rules people write, each with the best SQL a person could write for it by hand."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

# Orders that count: of somebody, paid, and not gone back as a whole.
ORDERS = "o.member_id IS NOT NULL AND o.state IN ('paid', 'part_back')"


@dataclass(frozen=True)
class Case:
    """`sql` counts the members of %(c)s the rule means; `rule` is the same as JSON."""

    name: str
    rule: dict[str, Any]
    sql: str


@dataclass(frozen=True)
class Days:
    """Stands in a rule for a number of days, which a round may stretch."""

    count: int

    def stretched(self, by: float) -> int:
        return max(1, round(self.count * by))


@dataclass(frozen=True)
class Value:
    """Stands in a rule for what the base holds under the name (bench.segments)."""

    name: str


@dataclass(frozen=True)
class _Ago:
    """In SQL, {ago[30]}: the moment 30 (stretched) days before now."""

    now: datetime
    stretch: float

    def __getitem__(self, days: int) -> str:
        at = self.now - timedelta(days=Days(days).stretched(self.stretch))
        return f"'{at.isoformat()}'::timestamptz"


def cases(values: dict[str, Any], *, days: float = 1.0) -> list[Case]:
    """CASES for a base: with its values (bench.segments), every period times `days`."""
    tags = {f"tag{place}": tag for place, tag in enumerate(values["tags"][:3], 1)}
    known = {**values, **tags, "orders": ORDERS, "ago": _Ago(values["now"], days)}
    return [
        Case(case.name, _filled(case.rule, known, days), case.sql.format_map(known))
        for case in CASES
    ]


def _filled(rule: Any, known: dict[str, Any], stretch: float) -> Any:
    if isinstance(rule, dict):
        return {name: _filled(each, known, stretch) for name, each in rule.items()}
    if isinstance(rule, list):
        return [_filled(each, known, stretch) for each in rule]
    if isinstance(rule, Days):
        return rule.stretched(stretch)
    return known[rule.name] if isinstance(rule, Value) else rule


def _on(name: str, **params: Any) -> dict[str, Any]:
    return {"on": name, **params}


def _orders(measure: str, op: str, value: float, **more: Any) -> dict[str, Any]:
    return {**_on("orders", measure=measure), "is": op, "value": value, **more}


def _event(kind: str, within: int, *, did: bool = True, **more: Any) -> dict[str, Any]:
    return _on("event", kinds=[kind], did=did, within_days=Days(within), **more)


CASES = (
    Case(
        "stage and activity",
        {
            "all": [
                {"on": "stage", "in": ["new", "growing"]},
                {"on": "seen", "is": "within", "days": Days(30)},
            ]
        },
        "stage IN ('new', 'growing') AND last_seen_at > {ago[30]}",
    ),
    Case(
        "tags wanted and refused",
        _on("tags", any=[Value("tag1"), Value("tag2")], none=[Value("tag3")]),
        """EXISTS (SELECT FROM crm_tagset t WHERE t.member_id = m.id
            AND t.tag_ids && ARRAY[{tag1}, {tag2}]::bigint[]
            AND NOT t.tag_ids && ARRAY[{tag3}]::bigint[])""",
    ),
    Case(
        "women of two cities with a birthday",
        {
            "all": [
                {"on": "gender", "in": ["f"]},
                {"on": "city", "is": "in", "values": Value("cities")},
                {"on": "birthday", "is": "month", "months": [6, 7]},
            ]
        },
        """gender = 'f' AND city = ANY(%(cities)s)
            AND extract(month FROM birthday) IN (6, 7)""",
    ),
    Case(
        "a name with a phone",
        {
            "all": [
                _on("name", contains="小明"),
                _on("phone", known=True),
            ]
        },
        """name_tokens @> ARRAY['小明']::varchar[] AND phone_hash <> ''
            AND (display_name ILIKE '%%小明%%' OR remark ILIKE '%%小明%%')""",
    ),
    Case(
        "two orders in a quarter",
        _orders("count", "gte", 2, within_days=Days(90)),
        """id IN (SELECT member_id FROM crm_order o WHERE {orders}
            AND paid_at > {ago[90]} GROUP BY 1 HAVING count(*) >= 2)""",
    ),
    Case(
        "often and much in a year",
        {
            "all": [
                _orders("count", "gte", 3, within_days=Days(365)),
                _orders("amount", "gte", 800, within_days=Days(365)),
            ]
        },
        """id IN (SELECT member_id FROM crm_order o WHERE {orders}
            AND paid_at > {ago[365]} GROUP BY 1
            HAVING count(*) >= 3 AND sum(amount - refunded) >= 800)""",
    ),
    Case(
        "bought once, not for half a year",
        {
            "all": [
                _orders("count", "gte", 1),
                _orders("count", "lte", 0, within_days=Days(180)),
            ]
        },
        """id IN (SELECT member_id FROM crm_order o WHERE {orders}
            GROUP BY 1 HAVING max(paid_at) <= {ago[180]} OR max(paid_at) IS NULL)""",
    ),
    Case(
        "a category within a year",
        _orders(
            "amount",
            "gte",
            100,
            within_days=Days(365),
            categories=[Value("category")],
        ),
        # What went back is taken from all items of the order alike, in whole cents, the
        # rest from the largest.
        """id IN (
            WITH line AS (
                SELECT o.member_id, o.id AS order_id, i.product_id, i.amount,
                    round(o.refunded * sum(i.amount) OVER whole
                        / nullif(o.amount, 0), 2) AS back,
                    nullif(sum(i.amount) OVER whole, 0) AS total,
                    row_number() OVER (PARTITION BY o.id
                        ORDER BY i.amount DESC, i.id) AS place
                FROM crm_order o JOIN crm_orderitem i ON i.order_id = o.id
                WHERE {orders} AND paid_at > {ago[365]} AND refunded > 0
                WINDOW whole AS (PARTITION BY o.id)
            ), part AS (
                SELECT *, coalesce(trunc(back * amount / total, 2), 0) AS share
                FROM line
            ), kept AS (
                SELECT member_id, product_id, amount - share - CASE WHEN place = 1
                    THEN coalesce(back, 0) - sum(share) OVER (PARTITION BY order_id)
                    ELSE 0 END AS amount
                FROM part
                UNION ALL
                SELECT o.member_id, i.product_id, i.amount
                FROM crm_order o JOIN crm_orderitem i ON i.order_id = o.id
                WHERE {orders} AND paid_at > {ago[365]} AND refunded = 0
            )
            SELECT k.member_id FROM kept k JOIN crm_product p ON p.id = k.product_id
            WHERE p.category_id = {category}
            GROUP BY 1 HAVING sum(k.amount) >= 100)""",
    ),
    Case(
        "wrote three times in a month",
        _event("message.text", 30, at_least=3),
        """id IN (SELECT member_id FROM crm_event WHERE kind = 'message.text'
            AND at > {ago[30]} GROUP BY 1 HAVING count(*) >= 3)""",
    ),
    Case(
        "follows, silent for a quarter",
        {
            "all": [
                _on("reachable", account=Value("account")),
                _event("message.text", 90, did=False),
            ]
        },
        """EXISTS (SELECT FROM crm_identity i WHERE i.member_id = m.id
                AND i.account_id = {account} AND kind = 'openid'
                AND is_following)
            AND NOT EXISTS (SELECT FROM crm_event e WHERE e.member_id = m.id
                AND kind = 'message.text' AND at > {ago[90]})""",
    ),
    Case(
        "wrote of something in half a year",
        _event(
            "message.text",
            180,
            where=[{"key": "text", "is": "contains", "value": Value("said")}],
        ),
        """EXISTS (SELECT FROM crm_event e WHERE e.member_id = m.id
            AND kind = 'message.text' AND at > {ago[180]}
            AND strpos(data ->> 'text', %(said)s) > 0)""",
    ),
    Case(
        "one account and not the other",
        {
            "all": [
                _on(
                    "identity", kind="openid", account=Value("account"), following=True
                ),
                {
                    "not": _on(
                        "identity",
                        kind="openid",
                        account=Value("other"),
                        following=True,
                    )
                },
            ]
        },
        """EXISTS (SELECT FROM crm_identity i WHERE i.member_id = m.id
                AND account_id = {account} AND kind = 'openid'
                AND is_following)
            AND NOT EXISTS (SELECT FROM crm_identity i WHERE i.member_id = m.id
                AND account_id = {other} AND kind = 'openid'
                AND is_following)""",
    ),
    Case(
        "friends of some colleagues",
        _on("relation", colleagues=Value("colleagues"), states=["active"]),
        """EXISTS (SELECT FROM crm_relation r WHERE r.member_id = m.id
            AND state = 'active' AND colleague_id = ANY(%(colleagues)s))""",
    ),
    Case(
        "a region without the lost ones",
        {
            "all": [
                _on("store", units=[Value("region")], with_below=True),
                {"not": {"on": "stage", "in": ["churned", "dormant"]}},
            ]
        },
        """stage NOT IN ('churned', 'dormant') AND org_unit_id IN (
            SELECT id FROM staff_orgunit WHERE path LIKE %(region_path)s)""",
    ),
    Case(
        "agreed and reachable",
        {
            "all": [
                _on("consent", purpose="marketing", **{"is": "granted"}),
                _on("reachable"),
            ]
        },
        """is_reachable AND id IN (SELECT member_id FROM (
            SELECT DISTINCT ON (member_id) member_id, action FROM crm_consententry
            WHERE purpose = 'marketing' AND channel = ''
            ORDER BY member_id, at DESC, id DESC) newest
            WHERE action = 'granted')""",
    ),
    Case(
        "loyal, tagged, or spending",
        {
            "any": [
                {"on": "stage", "in": ["loyal"]},
                _on("tags", any=[Value("tag1")]),
                _orders("amount", "gte", 1000, within_days=Days(365)),
            ]
        },
        """(stage = 'loyal' OR id IN (SELECT member_id FROM crm_tagset
                WHERE tag_ids && ARRAY[{tag1}]::bigint[])
            OR id IN (SELECT member_id FROM crm_order o WHERE {orders}
                AND paid_at > {ago[365]} GROUP BY 1
                HAVING sum(amount - refunded) >= 1000))""",
    ),
    Case(
        "none of three",
        {
            "not": {
                "any": [
                    _on("tags", any=[Value("tag1"), Value("tag2"), Value("tag3")]),
                    _orders("count", "gte", 1, within_days=Days(90)),
                    _event("message.text", 90),
                ]
            }
        },
        """NOT EXISTS (SELECT FROM crm_tagset t WHERE t.member_id = m.id
                AND tag_ids && ARRAY[{tag1}, {tag2}, {tag3}]::bigint[])
            AND NOT EXISTS (SELECT FROM crm_order o WHERE o.member_id = m.id
                AND {orders} AND paid_at > {ago[90]})
            AND NOT EXISTS (SELECT FROM crm_event e WHERE e.member_id = m.id
                AND kind = 'message.text' AND at > {ago[90]})""",
    ),
    Case(
        "groups within groups",
        {
            "all": [
                {"any": [_on("tags", all=[Value("tag1")]), _event("click", 30)]},
                {
                    "any": [
                        _orders("count", "gte", 1, within_days=Days(30)),
                        {"on": "stage", "in": ["new", "growing"]},
                    ]
                },
                {"not": _on("city", **{"is": "unknown"})},
            ]
        },
        """city <> '' AND id IN (
                SELECT member_id FROM crm_tagset
                WHERE tag_ids @> ARRAY[{tag1}]::bigint[]
                UNION ALL
                SELECT member_id FROM crm_event WHERE kind = 'click'
                    AND at > {ago[30]})
            AND (stage IN ('new', 'growing') OR id IN (
                SELECT member_id FROM crm_order o WHERE {orders}
                    AND paid_at > {ago[30]}))""",
    ),
    Case(
        "bought a month ago",
        _orders("days_since_last", "between", 30, to=60),
        """id IN (SELECT member_id FROM crm_order o WHERE {orders}
                GROUP BY 1 HAVING max(paid_at) <= %(now)s - interval '30 days'
            AND max(paid_at) > %(now)s - interval '61 days')""",
    ),
    Case(
        "another segment with a score",
        {
            "all": [
                _on("segment", segment=Value("segment"), **{"in": True}),
                _on("score", of="interactions", **{"is": "gte"}, value=2),
            ]
        },
        """id IN (SELECT member_id FROM crm_segmentmember
                WHERE segment_id = {segment})
            AND id IN (SELECT member_id FROM crm_membervalue
                WHERE interactions >= 2)""",
    ),
)
