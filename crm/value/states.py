"""Stage, RFM segment, scores, closeness and trust: one statement decides for many.

The rules, word by word, are in docs/adr/0012; `_DECIDE` is their one place in code and
returns only members for whom something is not as stored.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from django.conf import settings
from django.db import connection

from crm import interactions, tagging
from crm.models import Member, StageChange, Tag
from crm.value.moments import AsOf
from crm.value.people import ADVOCATE, EXCLUDED, TOP_LEVEL, UNHAPPY, People, tag_ids
from crm.value.weights import Weights
from staff.models import Staff

STAGE_TAGS = {
    Member.Stage.PROSPECT: "lifecycle.Prospect",
    Member.Stage.NEW: "lifecycle.New customer",
    Member.Stage.GROWING: "lifecycle.Growing",
    Member.Stage.LOYAL: "lifecycle.Loyal",
    Member.Stage.AT_RISK: "lifecycle.At risk",
    Member.Stage.DORMANT: "lifecycle.Dormant",
    Member.Stage.CHURNED: "lifecycle.Churned",
    Member.Stage.WON_BACK: "lifecycle.Won back",
}
RFM_TAGS = {
    Member.Rfm.CHAMPIONS: "rfm.Champions",
    Member.Rfm.TO_DEVELOP: "rfm.Big spender to develop",
    Member.Rfm.TO_WIN_BACK: "rfm.Important to win back",
    Member.Rfm.TO_RETAIN: "rfm.Important at risk",
    Member.Rfm.REGULAR: "rfm.Frequent small",
    Member.Rfm.RECENT: "rfm.New / occasional",
    Member.Rfm.FADING: "rfm.Fading frequent",
    Member.Rfm.LOST: "rfm.Lost low value",
}

_EVENTS = """
lines AS (
    SELECT event.member_id, (event.at AT TIME ZONE %(zone)s)::date AS day,
        count(*) FILTER (WHERE event.kind LIKE %(messages)s) AS messages,
        count(*) FILTER (WHERE event.kind = ANY(%(acts)s)) AS acts,
        count(*) FILTER (WHERE event.kind = 'answered') AS by_rule,
        count(*) FILTER (WHERE event.kind = 'kf.answer') AS by_colleague,
        count(*) FILTER (WHERE event.kind = 'conversation.closed'
            AND event.data ->> 'reason' = 'resolved') AS resolved
    FROM crm_event event
    WHERE {event_member_id} AND event.at >= %(talk_from)s AND event.at < %(until)s
        AND (event.kind LIKE %(messages)s OR event.kind = ANY(%(counted)s))
    GROUP BY 1, 2
), talk AS (
    SELECT member_id,
        sum(least(messages + acts, %(cap)s)) FILTER (WHERE day >= %(recent)s) AS done,
        sum(least(messages * %(w_message)s::float8 + acts * %(w_click)s::float8,
                %(day_cap)s::float8)
            * power(0.5::float8, (%(day)s - day) / %(half_life)s::float8)) AS theirs,
        sum(least(by_rule * %(w_rule)s::float8 + by_colleague * %(w_colleague)s::float8
                + resolved * %(w_resolved)s::float8, %(day_cap)s::float8)
            * power(0.5::float8, (%(day)s - day) / %(half_life)s::float8)) AS ours,
        bool_or(messages > 0) AS has_written,
        bool_or(by_rule + by_colleague + resolved > 0) AS was_answered
    FROM lines GROUP BY member_id
)"""
_FACTS = """
agreed AS (
    SELECT member_id, bool_or(action = 'granted') AS has_agreed FROM (
        SELECT DISTINCT ON (entry.member_id, entry.channel, entry.topic_id)
            entry.member_id, entry.action
        FROM crm_consententry entry
        WHERE {entry_member_id} AND entry.purpose = 'marketing'
        ORDER BY entry.member_id, entry.channel, entry.topic_id, entry.at DESC,
            entry.id DESC
    ) newest GROUP BY member_id
), reached AS (
    SELECT identity.member_id, count(DISTINCT identity.account_id) AS channels
    FROM crm_identity identity
    WHERE {identity_member_id} AND identity.is_following
        AND identity.account_id IS NOT NULL
    GROUP BY 1
), facts AS MATERIALIZED (
    SELECT member.id, member.stage AS stage_before, member.rfm AS rfm_before,
        member.trust AS trust_before, member.is_reachable,
        coalesce(held.tag_ids, '{{}}') AS tag_ids,
        coalesce(held.tag_ids && %(excluded)s::bigint[], false) AS is_excluded,
        coalesce(held.tag_ids && %(top)s::bigint[], false) AS is_top,
        coalesce(held.tag_ids && %(unhappy)s::bigint[], false) AS is_unhappy,
        coalesce(held.tag_ids && %(advocate)s::bigint[], false) AS is_advocate,
        value.orders_total, value.orders_year, value.rfm_orders, value.rfm_spend,
        value.last_order_at, value.last_gap_days,
        (value.last_order_at AT TIME ZONE %(zone)s)::date AS last_on,
        %(day)s - (value.last_order_at AT TIME ZONE %(zone)s)::date AS r,
        %(month)s - value.rfm_last_on AS rfm_r,
        value.won_back_on AS won_back_before, value.r_score AS r_before,
        value.f_score AS f_before, value.m_score AS m_before,
        value.interactions AS done_before, value.relationship AS relationship_before,
        value.bond AS bond_before, value.why AS why_before,
        cut.cycle_days, cut.stage_days, cut.hysteresis_days, cut.loyal_from,
        cut.is_scored, cut.high_from, cut.r_days, cut.f_orders, cut.m_spend,
        coalesce(talk.done, 0)::int AS done,
        round((coalesce(talk.theirs, 0) + least(coalesce(talk.theirs, 0),
            coalesce(talk.ours, 0)))::numeric, 1) AS relationship,
        coalesce(talk.has_written AND talk.was_answered, false) AS has_talked,
        coalesce(agreed.has_agreed, false) AND member.opted_out_at IS NULL
            AS has_agreed,
        coalesce(reached.channels, 0) AS channels
    FROM crm_member member
    JOIN crm_membervalue value ON value.member_id = member.id
    LEFT JOIN crm_valuecut cut ON cut.controller_id = member.controller_id
        AND coalesce(cut.category_id, 0) = coalesce(value.category_id, 0)
    LEFT JOIN crm_tagset held ON held.member_id = member.id
    LEFT JOIN talk ON talk.member_id = member.id
    LEFT JOIN agreed ON agreed.member_id = member.id
    LEFT JOIN reached ON reached.member_id = member.id
    WHERE {member_id} AND member.controller_id = %(controller)s
        AND member.merged_into_id IS NULL AND member.purged_at IS NULL
)"""
# Each step is materialised: written into each other, the CASEs would be computed again
# and again. A colder band begins `hysteresis_days` late for whoever stands in a warmer one.
_RULES = """
banded AS MATERIALIZED (
    SELECT facts.*,
        CASE WHEN cycle_days IS NULL OR r <= stage_days[1] THEN 0
            WHEN r <= stage_days[2] THEN 1 WHEN r <= stage_days[3] THEN 2
            ELSE 3 END AS band,
        CASE WHEN stage_before IN ('new', 'growing', 'loyal', 'won_back') THEN 0
            WHEN stage_before = 'at_risk' THEN 1
            WHEN stage_before = 'dormant' THEN 2 ELSE 3 END AS band_before,
        CASE WHEN orders_total = 0 OR is_excluded THEN NULL
            WHEN last_gap_days > stage_days[2] OR won_back_before = last_on THEN last_on
            WHEN stage_before IN ('dormant', 'churned') AND r <= stage_days[1]
                AND last_order_at > (
                SELECT max(change.at) FROM crm_stagechange change
                WHERE change.member_id = facts.id AND change.ladder = 'stage'
                    AND change.after = facts.stage_before
            ) THEN last_on END AS won_back_on,
        rfm_orders > 0 AND coalesce(is_scored, false) AND NOT is_excluded AS has_scores
    FROM facts
), ruled AS MATERIALIZED (
    SELECT banded.*,
        CASE WHEN is_excluded THEN 'excluded'
            WHEN NOT is_reachable THEN 'unreachable'
            WHEN orders_total = 0 THEN 'no_orders'
            WHEN held.band = 3 THEN 'past_churned'
            WHEN held.band = 2 THEN 'past_dormant'
            WHEN held.band = 1 THEN 'past_cycle'
            WHEN won_back_on = last_on THEN 'won_back'
            WHEN orders_year >= loyal_from THEN 'loyal_orders'
            WHEN is_top THEN 'loyal_level'
            WHEN orders_total = 1 THEN 'first_order'
            ELSE 'repeat' END AS rule,
        held.band < banded.band AS is_grace,
        stage_days[greatest(held.band, 1)] AS limit_days,
        CASE WHEN has_scores THEN CASE WHEN rfm_r <= r_days[1] THEN 5
            WHEN rfm_r <= r_days[2] THEN 4 WHEN rfm_r <= r_days[3] THEN 3
            WHEN rfm_r <= r_days[4] THEN 2 ELSE 1 END END AS r_score,
        CASE WHEN has_scores THEN CASE WHEN rfm_orders >= f_orders[1] THEN 5
            WHEN rfm_orders >= f_orders[2] THEN 4 WHEN rfm_orders >= f_orders[3] THEN 3
            WHEN rfm_orders >= f_orders[4] THEN 2 ELSE 1 END END AS f_score,
        CASE WHEN has_scores THEN CASE WHEN rfm_spend >= m_spend[1] THEN 5
            WHEN rfm_spend >= m_spend[2] THEN 4 WHEN rfm_spend >= m_spend[3] THEN 3
            WHEN rfm_spend >= m_spend[4] THEN 2 ELSE 1 END END AS m_score,
        CASE WHEN relationship >= %(strong)s THEN 'strong'
            WHEN bond_before = 'strong' AND relationship >= %(strong)s - %(bond_grace)s
                THEN 'strong'
            WHEN relationship >= %(medium)s THEN 'medium'
            WHEN bond_before IN ('strong', 'medium')
                AND relationship >= %(medium)s - %(bond_grace)s THEN 'medium'
            ELSE 'weak' END AS bond,
        array_remove(ARRAY[
            CASE WHEN has_talked THEN 'talked' END,
            CASE WHEN has_agreed THEN 'agreed' END
        ], NULL) AS t1,
        array_remove(ARRAY[
            CASE WHEN orders_total >= %(t2_orders)s AND NOT is_unhappy THEN 'bought' END,
            CASE WHEN channels >= %(t2_channels)s AND (has_talked OR has_agreed)
                THEN 'channels' END
        ], NULL) AS t2,
        array_remove(ARRAY[
            CASE WHEN orders_total >= %(t3_orders)s AND is_advocate AND NOT is_unhappy
                THEN 'advocate' END
        ], NULL) AS t3
    FROM banded CROSS JOIN LATERAL (
        SELECT CASE WHEN band_before < band
            AND r - hysteresis_days <= stage_days[band_before + 1]
            THEN band_before ELSE band END AS band
    ) held
), decided AS MATERIALIZED (
    SELECT ruled.*,
        CASE rule WHEN 'excluded' THEN 'prospect' WHEN 'no_orders' THEN 'prospect'
            WHEN 'unreachable' THEN 'churned' WHEN 'past_churned' THEN 'churned'
            WHEN 'past_dormant' THEN 'dormant' WHEN 'past_cycle' THEN 'at_risk'
            WHEN 'won_back' THEN 'won_back' WHEN 'loyal_orders' THEN 'loyal'
            WHEN 'loyal_level' THEN 'loyal' WHEN 'first_order' THEN 'new'
            ELSE 'growing' END AS stage,
        CASE WHEN r_score IS NULL THEN '' ELSE coalesce(nullif(
            CASE WHEN r_score >= high_from THEN 'r' ELSE '' END
            || CASE WHEN f_score >= high_from THEN 'f' ELSE '' END
            || CASE WHEN m_score >= high_from THEN 'm' ELSE '' END, ''), 'none') END
            AS rfm,
        CASE WHEN t3 <> '{{}}' THEN 'T3' WHEN t2 <> '{{}}' THEN 'T2'
            WHEN t1 <> '{{}}' THEN 'T1' ELSE 'T0' END AS trust,
        jsonb_build_object('stage', rule, 'grace', is_grace,
            'trust', to_jsonb(t1 || t2 || t3), 'channels', channels,
            'scored', coalesce(is_scored, false)) AS why
    FROM ruled
)"""
_DECIDE = (
    "WITH"
    + _EVENTS
    + ","
    + _FACTS
    + ","
    + _RULES
    + """
SELECT id, stage_before, stage, rfm_before, rfm, trust_before, trust, r_score, f_score,
    m_score, done, relationship, bond, won_back_on, why, rule, r, cycle_days,
    limit_days, orders_year, loyal_from,
    (r_score, f_score, m_score, done, relationship, bond, won_back_on, why)
        IS DISTINCT FROM (r_before, f_before, m_before, done_before,
            relationship_before, bond_before, won_back_before, why_before) AS has_figures,
    (wanted.stage_tag IS NOT NULL AND NOT tag_ids @> ARRAY[wanted.stage_tag])
        OR (wanted.rfm_tag IS NOT NULL AND NOT tag_ids @> ARRAY[wanted.rfm_tag])
        OR (rfm = '' AND tag_ids && %(rfm_tags)s::bigint[]) AS has_tags
FROM decided CROSS JOIN LATERAL (
    SELECT (%(stage_tags)s::bigint[])[array_position(%(stages)s::text[], stage)]
            AS stage_tag,
        (%(rfm_tags)s::bigint[])[array_position(%(rfms)s::text[], rfm)] AS rfm_tag
) wanted
ORDER BY id
"""
)
# Only who changes comes out of the database.
_CHANGED = """
SELECT * FROM ({decide}) found
WHERE has_figures OR has_tags OR (stage, rfm, trust)
    IS DISTINCT FROM (stage_before, rfm_before, trust_before)
"""


class Verdict(NamedTuple):
    """What the rules say of one member, and the figures they say it by."""

    member_id: int
    stage_before: str
    stage: str
    rfm_before: str
    rfm: str
    trust_before: str
    trust: str
    r_score: int | None
    f_score: int | None
    m_score: int | None
    interactions: int
    relationship: Any
    bond: str
    won_back_on: Any
    why: str
    rule: str
    days: int | None
    cycle_days: int | None
    limit_days: Decimal | None
    orders_year: int
    loyal_from: int | None
    has_figures: bool
    has_tags: bool

    @property
    def is_moved(self) -> bool:
        before = (self.stage_before, self.rfm_before, self.trust_before)
        return (self.stage, self.rfm, self.trust) != before


def _tags(keys: Mapping[Any, str]) -> dict[str, int]:
    """The tag of each rung, whatever it is called by now; archived ones follow too."""
    rows = Tag.objects.filter(builtin_key__in=keys.values())
    known = dict(rows.values_list("builtin_key", "id"))
    return {str(rung): known[key] for rung, key in keys.items() if key in known}


class Rules:
    """The parameters of a run over one data controller."""

    def __init__(self, controller_id: int, as_of: AsOf) -> None:
        weights = Weights(as_of.day, controller_id)
        self.stage_tags = _tags(STAGE_TAGS)
        self.rfm_tags = _tags(RFM_TAGS)
        self.params: dict[str, Any] = {
            "zone": settings.TIME_ZONE,
            "day": as_of.day,
            "month": as_of.month,
            "until": as_of.until,
            "talk_from": as_of.talk_from,
            "recent": as_of.interactions_from,
            "messages": interactions.MESSAGES,
            "acts": list(interactions.acts),
            "counted": [
                *interactions.acts,
                *("answered", "kf.answer", "conversation.closed"),
            ],
            "cap": interactions.cap_on(as_of.day),
            "day_cap": float(weights.get("relationship.day_cap")),
            "half_life": float(weights.get("relationship.half_life")),
            **{
                f"w_{name}": float(weights.get(f"relationship.{name}"))
                for name in ("message", "click", "rule", "colleague", "resolved")
            },
            "strong": weights.get("relationship.strong"),
            "medium": weights.get("relationship.medium"),
            "bond_grace": weights.get("relationship.hysteresis"),
            "t2_orders": weights.whole("trust.t2_orders"),
            "t2_channels": weights.whole("trust.t2_channels"),
            "t3_orders": weights.whole("trust.t3_orders"),
            "excluded": tag_ids(EXCLUDED),
            "top": tag_ids(TOP_LEVEL),
            "unhappy": tag_ids(UNHAPPY),
            "advocate": tag_ids(ADVOCATE),
            "stages": list(self.stage_tags),
            "stage_tags": list(self.stage_tags.values()),
            "rfms": list(self.rfm_tags),
            "rfm_tags": list(self.rfm_tags.values()),
        }


def decide(people: People, rules: Rules) -> list[Verdict]:
    """Who does not stand as the rules say, with what they say; nothing is written."""
    decide_sql = _DECIDE.format(
        event_member_id=people.of("event.member_id"),
        entry_member_id=people.of("entry.member_id"),
        identity_member_id=people.of("identity.member_id"),
        member_id=people.of("member.id"),
    )
    with connection.cursor() as cursor:
        cursor.execute(
            _CHANGED.format(decide=decide_sql), {**people.params, **rules.params}
        )
        return [Verdict(*row) for row in cursor.fetchall()]


_WRITE_FIGURES = """
UPDATE crm_membervalue value
SET r_score = fresh.r_score, f_score = fresh.f_score, m_score = fresh.m_score,
    interactions = fresh.done, relationship = fresh.relationship, bond = fresh.bond,
    won_back_on = fresh.won_back_on, why = fresh.why, computed_at = %(now)s
FROM unnest(
    %(ids)s::bigint[], %(r)s::int[], %(f)s::int[], %(m)s::int[], %(done)s::int[],
    %(relationship)s::numeric[], %(bond)s::text[], %(won_back_on)s::date[],
    %(why)s::jsonb[]
) AS fresh (member_id, r_score, f_score, m_score, done, relationship, bond,
    won_back_on, why)
WHERE value.member_id = fresh.member_id
"""
# In the order everybody locks members in, so that nobody waits in a circle.
_LOCK = """
SELECT id, stage, trust FROM crm_member
WHERE id = ANY(%s) AND merged_into_id IS NULL AND purged_at IS NULL
ORDER BY id FOR NO KEY UPDATE
"""
_MOVE = """
UPDATE crm_member member
SET stage = fresh.stage, rfm = fresh.rfm, trust = fresh.trust
FROM unnest(%(ids)s::bigint[], %(stage)s::text[], %(rfm)s::text[], %(trust)s::text[])
    AS fresh (id, stage, rfm, trust)
WHERE member.id = fresh.id
"""


def apply(
    verdicts: Sequence[Verdict], rules: Rules, *, actor: Staff, now: datetime
) -> int:
    """Write what was decided; how many members moved. Inside the caller's transaction.

    Every move of stage and trust is logged in the statement's transaction, from what the
    member's row says under lock.
    """
    _write_figures([each for each in verdicts if each.has_figures], now=now)
    moved = _move([each for each in verdicts if each.is_moved], now=now)
    tagging.follow(
        list(rules.stage_tags.values()),
        {each.member_id: rules.stage_tags.get(each.stage) for each in verdicts},
        actor=actor,
    )
    tagging.follow(
        list(rules.rfm_tags.values()),
        {each.member_id: rules.rfm_tags.get(each.rfm) for each in verdicts},
        actor=actor,
    )
    return moved


def _write_figures(verdicts: Sequence[Verdict], *, now: datetime) -> None:
    if not verdicts:
        return
    params: dict[str, Any] = {
        "ids": [each.member_id for each in verdicts],
        "r": [each.r_score for each in verdicts],
        "f": [each.f_score for each in verdicts],
        "m": [each.m_score for each in verdicts],
        "done": [each.interactions for each in verdicts],
        "relationship": [each.relationship for each in verdicts],
        "bond": [each.bond for each in verdicts],
        "won_back_on": [each.won_back_on for each in verdicts],
        "why": [_json(each.why) for each in verdicts],
        "now": now,
    }
    with connection.cursor() as cursor:
        cursor.execute(_WRITE_FIGURES, params)


def _json(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _move(verdicts: Sequence[Verdict], *, now: datetime) -> int:
    if not verdicts:
        return 0
    with connection.cursor() as cursor:
        cursor.execute(_LOCK, [[each.member_id for each in verdicts]])
        held = {row[0]: row[1:] for row in cursor.fetchall()}
        standing = [each for each in verdicts if each.member_id in held]
        cursor.execute(
            _MOVE,
            {
                "ids": [each.member_id for each in standing],
                "stage": [each.stage for each in standing],
                "rfm": [each.rfm for each in standing],
                "trust": [each.trust for each in standing],
            },
        )
    changes = [
        change
        for each in standing
        for change in _changes(each, *held[each.member_id], now=now)
    ]
    StageChange.objects.bulk_create(changes, batch_size=2000)
    return len(standing)


def _changes(
    verdict: Verdict, stage: str, trust: str, *, now: datetime
) -> list[StageChange]:
    """The lines of the log, none for what already stood."""
    found = []
    if stage != verdict.stage:
        reason = {
            "rule": verdict.rule,
            "days": verdict.days,
            "cycle": verdict.cycle_days,
            "limit": None if verdict.limit_days is None else float(verdict.limit_days),
            "orders": verdict.orders_year,
            "loyal_from": verdict.loyal_from,
        }
        found.append((StageChange.Ladder.STAGE, stage, verdict.stage, reason))
    if trust != verdict.trust:
        evidence = json.loads(_json(verdict.why))["trust"]
        reason = {"rule": "evidence", "evidence": evidence}
        found.append((StageChange.Ladder.TRUST, trust, verdict.trust, reason))
    return [
        StageChange(
            member_id=verdict.member_id,
            ladder=ladder,
            before=before,
            after=after,
            reason=why,
            at=now,
        )
        for ladder, before, after, why in found
    ]
