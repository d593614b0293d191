"""How many members a rule means, quickly enough to be asked while it is written.

Exact where that takes a second; otherwise the rule is put to a sample of members, spread
over the table, and the shares are scaled to how many there are.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import OperationalError, connection, transaction
from django.db.models.expressions import RawSQL
from django.utils import timezone
from psycopg.errors import QueryCanceled

from crm.models import Member, Segment, Tag
from crm.models.people import MemberQuerySet
from crm.segments.compiling import members_of
from crm.segments.conditions import InSegment
from crm.segments.errors import SegmentInvalid
from crm.segments.tree import Node, conditions_of, read
from staff.models import OrgUnit, Staff

EXACT_MILLISECONDS = 1_200
SAMPLE_MEMBERS = 4_000
SAMPLE_SHOWN = 10
NEARLY_EVERYBODY = 0.9
WORK_MEMORY = "64MB"

# Codes as campaigns leaves people out under, in the order in which they are judged.
REASONS = (
    "complaint",
    "test_account",
    "opted_out",
    "no_personalisation",
    "unreachable",
)
_JUDGED = """
SELECT reason, count(*), (array_agg(id))[1:{shown}] FROM (
    SELECT id, CASE
        WHEN frozen_until > %s THEN 'complaint'
        WHEN suppressed.member_id IS NOT NULL THEN 'test_account'
        WHEN opted_out_at IS NOT NULL THEN 'opted_out'
        WHEN no_personalisation AND %s THEN 'no_personalisation'
        WHEN NOT is_reachable THEN 'unreachable'
        ELSE '' END AS reason
    FROM ({members}) meant
    LEFT JOIN (
        SELECT member_id FROM crm_tagset WHERE tag_ids && %s::bigint[]
    ) suppressed ON suppressed.member_id = meant.id
) judged GROUP BY reason
"""
_COLUMNS = ("id", "frozen_until", "opted_out_at", "no_personalisation", "is_reachable")


@dataclass(frozen=True)
class Estimate:
    """`total` members are meant, `share` of the base (None: there is no base).

    `excluded`: of them, whom no marketing may reach, by reason; `sendable` the others.
    Not `is_exact`: "about". `sample`: some of who may be reached; empty for who may not
    look at members. All within what the person sees.
    """

    total: int
    share: float | None
    excluded: dict[str, int]
    sample: list[Member]
    as_of: datetime
    is_exact: bool
    is_nearly_everybody: bool

    @property
    def sendable(self) -> int:
        return self.total - sum(self.excluded.values())


@dataclass(frozen=True)
class _Found:
    """People by reason, "" for those who can be reached; some ids of these; the base."""

    people: dict[str, int]
    some: list[int]
    base: int

    @property
    def total(self) -> int:
        return sum(self.people.values())


@dataclass(frozen=True)
class _Question:
    node: Node
    controller: OrgUnit
    unit: OrgUnit | None
    staff: Staff
    now: datetime

    @property
    def base(self) -> MemberQuerySet:
        """All the person may see of those the segment is chosen from."""
        rows = Member.objects.visible_to(self.staff).known()
        rows = rows.filter(controller=self.controller)
        if self.unit is not None and self.unit.pk != self.controller.pk:
            rows = rows.filter(org_unit__path__startswith=self.unit.path)
        return rows

    def members(self, only: list[int] | None = None) -> MemberQuerySet:
        rows = members_of(
            self.node, self.controller, unit=self.unit, now=self.now, only=only
        )
        if self.staff.is_superuser:
            return rows
        return rows.filter(pk__in=Member.objects.visible_to(self.staff).values("pk"))


def estimate(
    node: Node,
    controller: OrgUnit,
    staff: Staff,
    *,
    unit: OrgUnit | None = None,
    now: datetime | None = None,
) -> Estimate:
    """Count whom the rule means, of what `staff` may see."""
    asked = _Question(node, controller, unit, staff, now or timezone.now())
    exact = _exactly(asked)
    found = exact or _from_sample(asked)
    share = min(1.0, found.total / found.base) if found.base else None
    may_look = staff.has_perm("crm.view_member")
    some = found.some[:SAMPLE_SHOWN] if may_look else []
    return Estimate(
        total=found.total,
        share=share,
        excluded={code: found.people[code] for code in REASONS if code in found.people},
        sample=list(Member.objects.filter(pk__in=some)),
        as_of=asked.now,
        is_exact=exact is not None,
        is_nearly_everybody=share is not None and share >= NEARLY_EVERYBODY,
    )


def _exactly(asked: _Question) -> _Found | None:
    """None when it would take too long."""
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL statement_timeout = {EXACT_MILLISECONDS}")
            cursor.execute(f"SET LOCAL work_mem = '{WORK_MEMORY}'")
            people, some = _judge(cursor, asked, asked.members())
            base = asked.base.count()
            cursor.execute("SET LOCAL statement_timeout = DEFAULT")
            cursor.execute("SET LOCAL work_mem = DEFAULT")
            return _Found(people, some, base)
    except OperationalError as error:
        if isinstance(error.__cause__, QueryCanceled):
            return None
        raise


def _from_sample(asked: _Question) -> _Found:
    """The same sample every time, so that the figure does not tremble while one writes."""
    base = expected(asked.base)
    percent = min(100.0, 100.0 * SAMPLE_MEMBERS / max(base, 1))
    drawn = RawSQL(
        "SELECT id FROM crm_member TABLESAMPLE SYSTEM (%s) REPEATABLE (1)", [percent]
    )
    only = list(asked.base.filter(pk__in=drawn).values_list("pk", flat=True))
    with connection.cursor() as cursor:
        people, some = _judge(cursor, asked, asked.members(only))
    if percent == 100.0:  # that was everybody
        base = len(only)
    scale = base / len(only) if only else 0.0
    scaled = {reason: round(count * scale) for reason, count in people.items()}
    return _Found(scaled, some, base)


def _judge(
    cursor: Any, asked: _Question, members: MemberQuerySet
) -> tuple[dict[str, int], list[int]]:
    """(people by reason, some ids of those who can be reached)."""
    text, params = members.order_by().values(*_COLUMNS).query.sql_with_params()
    tags = Tag.objects.of_controller(asked.controller.pk).filter(is_suppressing=True)
    suppressing = list(tags.values_list("pk", flat=True))
    query = _JUDGED.format(members=text, shown=SAMPLE_SHOWN)
    cursor.execute(query, [asked.now, is_personal(asked.node), *params, suppressing])
    rows = cursor.fetchall()
    people = {reason: count for reason, count, _some in rows}
    return people, [pk for reason, _n, some in rows if reason == "" for pk in some]


def expected(members: MemberQuerySet) -> int:
    """How many PostgreSQL expects, from its statistics, without looking."""
    told = members.order_by().values("pk").explain(format="json")
    return int(json.loads(told)[0]["Plan"]["Plan Rows"]) if told else 0


def is_personal(node: Node) -> bool:
    """Whether profile or behaviour choose the people, directly or through a segment.

    Who wants no personalisation is left out of what is sent to such a segment (PIPL
    Art. 24). A list put together by hand is chosen by nobody's data.
    """
    level, seen = [node], set[int]()
    while level:
        named: set[int] = set()
        for each in (each for tree in level for each in conditions_of(tree)):
            if isinstance(each, InSegment):
                named.add(each.segment)
            elif each.is_personal:
                return True
        named -= seen
        seen |= named
        level = [_rule_of(rule) for rule in _rules(named)]
    return False


def _rules(segments: set[int]) -> list[Any]:
    rows = Segment.objects.filter(pk__in=segments).exclude(kind=Segment.Kind.LIST)
    return list(rows.values_list("rule", flat=True)) if segments else []


def _rule_of(rule: Any) -> Node:
    try:
        return read(rule)[0]
    except SegmentInvalid:  # nobody is in it, so nothing is chosen by it
        return read({})[0]
