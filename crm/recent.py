"""Pages of members, most recently seen first, at a bounded cost for any combination.

Left alone, the planner walks the index of the order for a rare tag through the whole
base, or sorts a quarter of it for a frequent one: it can't know which members carry what
lately. So the page is looked for in steps, each bounded by rows read, cheapest first:

1. among the `_NEAR` most recent members of the strictest index that has the order;
2. all members one of the conditions holds for, when they are at most `_FEW`;
3. as many as `_MANY` of them: their ids are held against the order in its index alone;
4. among the `_FAR` most recent;
5. all of them, by whatever plan, and sorted: conditions that are frequent each, and never
   meet. Its cost is that of reading the smaller of two large sets once.

`./script/bench members` measures it.
"""

from __future__ import annotations

from collections.abc import Sequence

from django.db import connection
from django.db.models import Q, QuerySet

from crm.models import Member
from crm.narrowing import EQUAL, NOTHING, RANGE, Condition
from staff.models import OrgUnit, Staff

_NEAR, _FEW, _MANY, _FAR = 2_000, 5_000, 60_000, 20_000
_FIRST_CANDIDATES = 500
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
        found = self._among_few(searched, offset, stop)
        if found is None:
            found = self._among_recent(_NEAR, offset, stop)
        if found is None:
            found = self._among_few(self.conditions, offset, stop, known=searched)
        if found is None:
            found = self._among_many(offset, stop)
        if found is None:
            found = self._among_recent(_FAR, offset, stop)
        return self._among_all(offset, stop) if found is None else found

    def _walk(self, rows: QuerySet[Member], start: int, stop: int) -> list[int]:
        return list(rows.order_by(*ORDER).values_list("pk", flat=True)[start:stop])

    def _among_recent(self, most: int, start: int, stop: int) -> list[int] | None:
        """The page, if the `most` recent members hold it."""
        walked = Member.objects.filter(self._leading())
        nearest = self._walk(walked, 0, most)
        found = self._walk(_only(self.rows, nearest), start, stop)
        is_complete = len(found) == stop - start or len(nearest) < most
        return found if is_complete else None

    def _leading(self) -> Q:
        """What an index in the order of the list can begin with."""
        equal = [c.holds for c in self.conditions if c.leads == EQUAL]
        leading = equal[0] if equal else self.scope
        for condition in self.conditions:
            if condition.leads == RANGE:
                leading &= condition.holds
        return leading

    def _among_few(
        self,
        conditions: Sequence[Condition],
        start: int,
        stop: int,
        known: Sequence[Condition] = (),
    ) -> list[int] | None:
        """The page, if one of the conditions holds for few members."""
        for condition in conditions:
            if condition.rows is None or condition in known:
                continue
            few = list(condition.rows[: _FEW + 1])
            if len(few) <= _FEW:
                return self._walk(_only(self.rows, few), start, stop)
        return None

    def _among_many(self, start: int, stop: int) -> list[int] | None:
        """The page, if one of the conditions holds for at most `_MANY` members."""
        for condition in self.conditions:
            if condition.rows is None:
                continue
            many = list(condition.rows[: _MANY + 1])
            if len(many) <= _MANY:
                return self._in_order_of_index(many, start, stop)
        return None

    def _in_order_of_index(self, keys: list[int], start: int, stop: int) -> list[int]:
        # A set of its own kind, so that the planner neither sorts the keys' rows nor
        # looks each up: it walks the order, whose index holds all it needs.
        walked = Member.objects.filter(self.scope).extra(
            where=["(crm_member.id IN (SELECT unnest(%s::bigint[]))) IS TRUE"],
            params=[keys],
        )
        most = max(_FIRST_CANDIDATES, 4 * stop)
        while True:
            nearest = self._walk(walked, 0, most)
            found = self._walk(_only(self.rows, nearest), start, stop)
            if len(found) == stop - start or len(nearest) < most:
                return found
            most *= 10

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
