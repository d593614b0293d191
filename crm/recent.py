"""Pages of members, most recently seen first, at a bounded cost for any combination.

Left alone, the planner walks the index of the order for a rare tag through the whole
base, or sorts a quarter of it for a frequent one: it can't know which members carry what
lately. So the page is looked for in steps, each bounded by rows read, cheapest first:

1. all members a search holds for, when they are at most `_RARE`;
2. among the `_NEAR` most recent members of the strictest index that has the order;
3. all members one of the conditions holds for, when they are at most `_FEW`;
4. as many as `_MANY` of them: rows of members are sorted where they are read, ids from
   other tables held against the order in its index alone;
5. among the `_FAR` most recent;
6. all of them, by whatever plan, and sorted: conditions that are frequent each, and never
   meet. Its cost is that of reading the smaller of two large sets once.

Where it is known for about how many members a condition holds, steps 2 to 4 are left out
when they would be in vain; a count that has grown old costs time, never a member.

`./script/bench members` measures it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import Q, QuerySet

from crm.models import Member
from crm.narrowing import EQUAL, NOTHING, RANGE, Condition
from staff.models import OrgUnit, Staff

_RARE, _NEAR, _FEW, _MANY, _FAR = 200, 2_000, 5_000, 60_000, 20_000
# Fewer than that in all are seldom a page's worth among the most recent.
_SPARSE = 25_000
_FIRST_CANDIDATES = 200
_FROM = 'FROM "crm_member"'
ORDER = ("-last_seen_at", "-id")


class Recent:
    """The members that meet `conditions` in a person's scope, page by page."""

    def __init__(self, staff: Staff, conditions: Sequence[Condition]) -> None:
        self.conditions = list(conditions)
        self.rows: QuerySet[Member] = Member.objects.visible_to(staff).known()
        for condition in self.conditions:
            self.rows = self.rows.filter(condition.holds)
        self.scope = _controller(staff)
        below = _below(staff)
        if below is not None:
            self.conditions.append(below)

    def ids(self, offset: int, count: int) -> list[int]:
        """Primary keys of `count` members from the `offset`th on, or what there is."""
        stop = offset + count
        if NOTHING in self.conditions:
            return []
        if not self.conditions:
            return self._walk(self.rows, offset, stop)
        searched = [c for c in self.conditions if c.is_rare]
        found = self._among_few(searched, _RARE, offset, stop)
        if found is None and not self._are_sparse():
            found = self._among_recent(_NEAR, offset, stop)
        if found is None:
            others = [c for c in self.conditions if c not in searched]
            few = [c for c in others if c.about is None or c.about <= _FEW]
            found = self._among_few(few, _FEW, offset, stop)
        if found is None:
            found = self._among_many(offset, stop)
        if found is None:
            found = self._among_recent(_FAR, offset, stop)
        return self._among_all(offset, stop) if found is None else found

    def _walk(self, rows: QuerySet[Member], start: int, stop: int) -> list[int]:
        return list(rows.order_by(*ORDER).values_list("pk", flat=True)[start:stop])

    def _are_sparse(self) -> bool:
        """Whether a step among the most recent would be in vain: too few are meant."""
        counts = (each.about for each in self.conditions)
        return any(count is not None and count < _SPARSE for count in counts)

    def _among_recent(self, most: int, start: int, stop: int) -> list[int] | None:
        """The page, if the `most` recent members hold it."""
        walked = Member.objects.filter(self._leading()).order_by(*ORDER)
        try:
            query, params = self._page_of(walked[:most], start, stop)
        except EmptyResultSet:
            return []
        with connection.cursor() as cursor:
            cursor.execute(query, params)
            found = [key for (key,) in cursor.fetchall()]
        is_complete = len(found) == stop - start or not walked[most - 1 : most].exists()
        return found if is_complete else None

    def _page_of(
        self, walked: QuerySet[Member], start: int, stop: int
    ) -> tuple[str, list[Any]]:
        """The page, of these members alone: read in their order, not looked up by key."""
        page = self.rows.order_by(*ORDER).values_list("pk")[start:stop]
        query, params = page.query.sql_with_params()
        columns, _table, rest = query.partition(_FROM)
        inner, inner_params = walked.query.sql_with_params()
        return f"{columns} FROM ({inner}) crm_member {rest}", [*inner_params, *params]

    def _leading(self) -> Q:
        """What an index in the order of the list can begin with."""
        equal = [c.holds for c in self.conditions if c.leads == EQUAL]
        leading = equal[0] if equal else self.scope
        for condition in self.conditions:
            if condition.leads == RANGE:
                leading &= condition.holds
        return leading

    def _among_few(
        self, conditions: Sequence[Condition], most: int, start: int, stop: int
    ) -> list[int] | None:
        """The page, if one of the conditions holds for at most `most` members."""
        for condition in conditions:
            if condition.rows is None:
                continue
            few = list(condition.rows[: most + 1])
            if len(few) <= most:
                return self._walk(_only(self.rows, few), start, stop)
        return None

    def _among_many(self, start: int, stop: int) -> list[int] | None:
        """The page, if one of the conditions holds for at most `_MANY` members."""
        for condition in self.conditions:
            if condition.rows is not None and (condition.about or 0) <= _MANY:
                found = self._among_all_of(condition.rows, start, stop)
                if found is not None:
                    return found
        return None

    def _among_all_of(
        self, rows: QuerySet[Any], start: int, stop: int
    ) -> list[int] | None:
        most = max(_FIRST_CANDIDATES, 4 * stop)
        while True:
            count, nearest = self._nearest(rows, most)
            if count > _MANY:
                return None
            found = self._walk(_only(self.rows, nearest), start, stop)
            if len(found) == stop - start or len(nearest) < most:
                return found
            most *= 10

    def _nearest(self, rows: QuerySet[Any], most: int) -> tuple[int, list[int]]:
        """How many of `rows` there are, counted up to `_MANY` and one, and the `most` of
        them seen last, in the order of the list."""
        try:
            query, params = self._nearest_in_sql(rows, most)
        except EmptyResultSet:
            return 0, []
        with connection.cursor() as cursor:
            cursor.execute(query, params)
            count, nearest = cursor.fetchone()
        return count, nearest

    def _nearest_in_sql(self, rows: QuerySet[Any], most: int) -> tuple[str, list[Any]]:
        if rows.model is Member:
            # Their rows are read anyway: they are sorted there.
            rows = rows.filter(self.scope).values_list("pk", "last_seen_at")
            many, params = rows[: _MANY + 1].query.sql_with_params()
            nearest = "SELECT id FROM many ORDER BY last_seen_at DESC, id DESC LIMIT %s"
            return _counted("id, last_seen_at", many, nearest), [*params, most]
        many, params = rows[: _MANY + 1].query.sql_with_params()
        # Written so that the planner neither sorts the members' rows nor looks each up:
        # it walks the order, whose index holds all it needs.
        walked = Member.objects.filter(self.scope).extra(
            where=["(crm_member.id IN (SELECT id FROM many)) IS TRUE"]
        )
        found = walked.order_by(*ORDER).values_list("pk")[:most]
        nearest, more = found.query.sql_with_params()
        return _counted("id", many, nearest), [*params, *more]

    def _among_all(self, start: int, stop: int) -> list[int]:
        # OFFSET 0 keeps the planner from walking the index of the order for it.
        rows = self.rows.order_by().values_list("pk", "last_seen_at")
        inner, params = rows.query.sql_with_params()
        with connection.cursor() as cursor:
            cursor.execute(
                f"SELECT found.* FROM ({inner} OFFSET 0) found"  # noqa: S608
                " ORDER BY 2 DESC, 1 DESC OFFSET %s LIMIT %s",
                [*params, start, stop - start],
            )
            return [key for key, _seen in cursor.fetchall()]


def _counted(columns: str, many: str, nearest: str) -> str:
    """One row, also where nobody is found: how many there are, and the nearest."""
    return (
        f"WITH many ({columns}) AS MATERIALIZED ({many})"  # noqa: S608
        f" SELECT (SELECT count(*) FROM many), ARRAY({nearest})"
    )


def _only(rows: QuerySet[Member], keys: list[int]) -> QuerySet[Member]:
    """Those of the rows with these keys, sent as one array."""
    return rows.extra(where=["crm_member.id = ANY(%s)"], params=[keys])


def _controller(staff: Staff) -> Q:
    home = None if staff.is_superuser else staff.org_unit
    return Q(controller_id=home.controller_id) if home else Q()


def _below(staff: Staff) -> Condition | None:
    """The scope of a person below the controller, as a condition with rows of its own."""
    home = None if staff.is_superuser else staff.org_unit
    if home is None or home.pk == home.controller_id:
        return None
    units = OrgUnit.objects.filter(path__startswith=home.path).values_list("pk")
    keys = [key for (key,) in units]
    holds = Q(org_unit_id__in=keys)
    rows = Member.objects.filter(holds).order_by().values_list("pk", flat=True)
    return Condition(
        Q(org_unit_id=home.pk) if keys == [home.pk] else holds,
        rows,
        EQUAL if keys == [home.pk] else "",
    )
