"""From a rule to the members it means, as one set-wise query."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db.models import BooleanField, F, Func
from django.utils import timezone

from crm.models import Member
from crm.models.people import MemberQuerySet
from crm.segments import sets
from crm.segments.leaves import Setting, leaf, setting_of
from crm.segments.sets import Both, Either, Part, Sql
from crm.segments.tree import All, Any_, Node, Not
from staff.models import OrgUnit


class Holds(Func):
    """A condition on a member of the outer query; its columns follow the query's names."""

    output_field = BooleanField()

    def __init__(self, test: Sql) -> None:
        names: list[str] = []

        def name(column: str) -> str:
            if column not in names:
                names.append(column)
            return column

        test.columns(name)
        self.test, self.names = test, names
        super().__init__(*(F(each) for each in names))

    def as_sql(self, compiler: Any, connection: Any, **_more: Any) -> Any:  # type: ignore[override]
        found = {
            name: compiler.compile(expression)[0]
            for name, expression in zip(
                self.names, self.get_source_expressions(), strict=True
            )
        }
        return self.test.columns(found.__getitem__), list(self.test.params)


def part_of(node: Node, setting: Setting) -> Part:
    """The tree as sets; what negates a group negates each of its conditions."""
    if isinstance(node, All):
        if not node.nodes:
            return sets.EVERYBODY
        return Both(tuple(part_of(each, setting) for each in node.nodes))
    if isinstance(node, Any_):
        return Either(tuple(part_of(each, setting) for each in node.nodes))
    if isinstance(node, Not):
        return sets.opposite(part_of(node.node, setting))
    return leaf(node, setting)


def members_of(
    node: Node,
    controller: OrgUnit,
    *,
    unit: OrgUnit | None = None,
    now: datetime | None = None,
    only: Sequence[int] | None = None,
) -> MemberQuerySet:
    """Members of the data controller the rule means, below `unit` if given.

    Merged and purged records are nobody. `now`: the moment periods are counted from.
    `only`: of these few ids.
    """
    setting = setting_of(node, now or timezone.now())
    rows = Member.objects.known().filter(controller=controller)
    if unit is not None and unit.pk != controller.pk:
        rows = rows.filter(org_unit__path__startswith=unit.path)
    if only is not None:
        rows = rows.filter(pk__in=only)
    return rows.filter(holds(part_of(node, setting), controller, only=only))


def holds(
    part: Part, controller: OrgUnit, *, only: Sequence[int] | None = None
) -> Holds:
    """Sets as a condition for `filter` of members."""
    base = Sql(
        "(<<controller_id>> = %s AND <<merged_into_id>> IS NULL"
        " AND <<purged_at>> IS NULL)",
        (controller.pk,),
    )
    few = None if only is None else tuple(only)
    return Holds(sets.condition(sets.flat(part), sets.Frame(base, few)))
