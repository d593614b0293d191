# ruff: noqa: S608
"""Twenty rules people write, each with the best SQL a person could write for it by hand."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any


@dataclass(frozen=True)
class Case:
    """`sql` counts the members of %(c)s the rule means; `rule` is the same as JSON."""

    name: str
    rule: dict[str, Any]
    sql: str


def _on(name: str, **params: Any) -> dict[str, Any]:
    return {"on": name, **params}


def cases(v: dict[str, Any], *, days: float = 1.0) -> list[Case]:
    """`v`: values of the base (bench.segments); `days` stretches every period."""

    def span(count: int) -> int:
        return max(1, round(count * days))

    def ago(count: int) -> str:
        at: datetime = v["now"] - timedelta(days=span(count))
        return f"'{at.isoformat()}'::timestamptz"

    orders = "o.member_id IS NOT NULL AND o.state IN ('paid', 'part_back')"
    tag1, tag2, tag3 = v["tags"][:3]

    def order(measure: str, op: str, value: float, **more: Any) -> dict[str, Any]:
        return {
            **_on("orders", measure=measure),
            "is": op,
            "value": value,
            **more,
        }

    def event(kind: str, within: int, *, did: bool = True, **more: Any) -> Any:
        return _on("event", kinds=[kind], did=did, within_days=span(within), **more)

    return [
        Case(
            "stage and activity",
            {
                "all": [
                    {"on": "stage", "in": ["new", "growing"]},
                    {"on": "seen", "is": "within", "days": span(30)},
                ]
            },
            f"stage IN ('new', 'growing') AND last_seen_at > {ago(30)}",
        ),
        Case(
            "tags wanted and refused",
            _on("tags", any=[tag1, tag2], none=[tag3]),
            f"""EXISTS (SELECT FROM crm_tagset t WHERE t.member_id = m.id
                AND t.tag_ids && ARRAY[{tag1}, {tag2}]::bigint[]
                AND NOT t.tag_ids && ARRAY[{tag3}]::bigint[])""",
        ),
        Case(
            "women of two cities with a birthday",
            {
                "all": [
                    {"on": "gender", "in": ["f"]},
                    {"on": "city", "is": "in", "values": v["cities"]},
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
            order("count", "gte", 2, within_days=span(90)),
            f"""id IN (SELECT member_id FROM crm_order o WHERE {orders}
                AND paid_at > {ago(90)} GROUP BY 1 HAVING count(*) >= 2)""",
        ),
        Case(
            "often and much in a year",
            {
                "all": [
                    order("count", "gte", 3, within_days=span(365)),
                    order("amount", "gte", 800, within_days=span(365)),
                ]
            },
            f"""id IN (SELECT member_id FROM crm_order o WHERE {orders}
                AND paid_at > {ago(365)} GROUP BY 1
                HAVING count(*) >= 3 AND sum(amount - refunded) >= 800)""",
        ),
        Case(
            "bought once, not for half a year",
            {
                "all": [
                    order("count", "gte", 1),
                    order("count", "lte", 0, within_days=span(180)),
                ]
            },
            f"""id IN (SELECT member_id FROM crm_order o WHERE {orders}
                GROUP BY 1 HAVING max(paid_at) <= {ago(180)} OR max(paid_at) IS NULL)""",
        ),
        Case(
            "a category within a year",
            order(
                "amount",
                "gte",
                100,
                within_days=span(365),
                categories=[v["category"]],
            ),
            f"""id IN (SELECT o.member_id FROM crm_order o
                JOIN crm_orderitem i ON i.order_id = o.id
                JOIN crm_product p ON p.id = i.product_id
                WHERE {orders} AND paid_at > {ago(365)}
                    AND p.category_id = {v["category"]}
                GROUP BY 1 HAVING sum(i.amount) >= 100)""",
        ),
        Case(
            "wrote three times in a month",
            event("message.text", 30, at_least=3),
            f"""id IN (SELECT member_id FROM crm_event WHERE kind = 'message.text'
                AND at > {ago(30)} GROUP BY 1 HAVING count(*) >= 3)""",
        ),
        Case(
            "follows, silent for a quarter",
            {
                "all": [
                    _on("reachable", account=v["account"]),
                    event("message.text", 90, did=False),
                ]
            },
            f"""EXISTS (SELECT FROM crm_identity i WHERE i.member_id = m.id
                    AND i.account_id = {v["account"]} AND kind = 'openid'
                    AND is_following)
                AND NOT EXISTS (SELECT FROM crm_event e WHERE e.member_id = m.id
                    AND kind = 'message.text' AND at > {ago(90)})""",
        ),
        Case(
            "wrote of something in half a year",
            event(
                "message.text",
                180,
                where=[{"key": "text", "is": "contains", "value": v["said"]}],
            ),
            f"""EXISTS (SELECT FROM crm_event e WHERE e.member_id = m.id
                AND kind = 'message.text' AND at > {ago(180)}
                AND strpos(data ->> 'text', %(said)s) > 0)""",
        ),
        Case(
            "one account and not the other",
            {
                "all": [
                    _on(
                        "identity", kind="openid", account=v["account"], following=True
                    ),
                    {
                        "not": _on(
                            "identity",
                            kind="openid",
                            account=v["other"],
                            following=True,
                        )
                    },
                ]
            },
            f"""EXISTS (SELECT FROM crm_identity i WHERE i.member_id = m.id
                    AND account_id = {v["account"]} AND kind = 'openid'
                    AND is_following)
                AND NOT EXISTS (SELECT FROM crm_identity i WHERE i.member_id = m.id
                    AND account_id = {v["other"]} AND kind = 'openid'
                    AND is_following)""",
        ),
        Case(
            "friends of some colleagues",
            _on("relation", colleagues=v["colleagues"], states=["active"]),
            """EXISTS (SELECT FROM crm_relation r WHERE r.member_id = m.id
                AND state = 'active' AND colleague_id = ANY(%(colleagues)s))""",
        ),
        Case(
            "a region without the lost ones",
            {
                "all": [
                    _on("store", units=[v["region"]], with_below=True),
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
                    _on("tags", any=[tag1]),
                    order("amount", "gte", 1000, within_days=span(365)),
                ]
            },
            f"""(stage = 'loyal' OR id IN (SELECT member_id FROM crm_tagset
                    WHERE tag_ids && ARRAY[{tag1}]::bigint[])
                OR id IN (SELECT member_id FROM crm_order o WHERE {orders}
                    AND paid_at > {ago(365)} GROUP BY 1
                    HAVING sum(amount - refunded) >= 1000))""",
        ),
        Case(
            "none of three",
            {
                "not": {
                    "any": [
                        _on("tags", any=[tag1, tag2, tag3]),
                        order("count", "gte", 1, within_days=span(90)),
                        event("message.text", 90),
                    ]
                }
            },
            f"""NOT EXISTS (SELECT FROM crm_tagset t WHERE t.member_id = m.id
                    AND tag_ids && ARRAY[{tag1}, {tag2}, {tag3}]::bigint[])
                AND NOT EXISTS (SELECT FROM crm_order o WHERE o.member_id = m.id
                    AND {orders} AND paid_at > {ago(90)})
                AND NOT EXISTS (SELECT FROM crm_event e WHERE e.member_id = m.id
                    AND kind = 'message.text' AND at > {ago(90)})""",
        ),
        Case(
            "groups within groups",
            {
                "all": [
                    {"any": [_on("tags", all=[tag1]), event("click", 30)]},
                    {
                        "any": [
                            order("count", "gte", 1, within_days=span(30)),
                            {"on": "stage", "in": ["new", "growing"]},
                        ]
                    },
                    {"not": _on("city", **{"is": "unknown"})},
                ]
            },
            f"""city <> '' AND id IN (
                    SELECT member_id FROM crm_tagset
                    WHERE tag_ids @> ARRAY[{tag1}]::bigint[]
                    UNION ALL
                    SELECT member_id FROM crm_event WHERE kind = 'click'
                        AND at > {ago(30)})
                AND (stage IN ('new', 'growing') OR id IN (
                    SELECT member_id FROM crm_order o WHERE {orders}
                        AND paid_at > {ago(30)}))""",
        ),
        Case(
            "bought a month ago",
            order("days_since_last", "between", 30, to=60),
            """id IN (SELECT member_id FROM crm_order o WHERE """
            + orders
            + """ GROUP BY 1 HAVING max(paid_at) <= %(now)s - interval '30 days'
                AND max(paid_at) > %(now)s - interval '61 days')""",
        ),
        Case(
            "another segment with a score",
            {
                "all": [
                    _on("segment", segment=v["segment"], **{"in": True}),
                    _on("score", of="interactions", **{"is": "gte"}, value=2),
                ]
            },
            f"""id IN (SELECT member_id FROM crm_segmentmember
                    WHERE segment_id = {v["segment"]})
                AND id IN (SELECT member_id FROM crm_membervalue
                    WHERE interactions >= 2)""",
        ),
    ]
