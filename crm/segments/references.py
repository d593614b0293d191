"""What a rule points to: tags, accounts, people, products, other segments.

Whatever it names must belong to the data controller (or be shared by all), so that no
rule reads another controller's rows; and segments must not stand in a circle.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from core.registry import Text
from crm.models import Category, Product, Segment, Tag
from crm.segments.errors import SegmentInvalid
from crm.segments.tree import Node, Reader, read, segments_of
from staff.models import OrgUnit, Staff
from wechat.models import Account, Colleague

Rows = Callable[[int], "QuerySet[Any]"]
MAX_CHAIN = 10


def _staff(controller: int) -> QuerySet[Staff]:
    rows: QuerySet[Staff] = Staff.objects.all()
    return rows.filter(org_unit__controller_id=controller)


# What ids of a kind may name, inside one data controller.
ROWS: dict[str, Rows] = {
    "tag": lambda controller: Tag.objects.of_controller(controller),
    "account": lambda controller: Account.objects.filter(
        org_unit__controller_id=controller
    ),
    "colleague": lambda controller: Colleague.objects.filter(
        account__org_unit__controller_id=controller
    ),
    "unit": lambda controller: OrgUnit.objects.filter(controller_id=controller),
    "staff": _staff,
    "segment": lambda controller: Segment.objects.filter(
        controller_id=controller
    ).in_use(),
    "product": lambda controller: Product.objects.filter(controller_id=controller),
    "category": lambda controller: (
        Category.objects.filter(controller_id=controller)
        | Category.objects.filter(controller=None)
    ),
}


def parse(rule: Any, *, controller: OrgUnit, segment: int | None = None) -> Node:
    """The typed tree of a rule (JSON as stored or sent); raises SegmentInvalid.

    `segment`: the id of the one that is to have it, so that no circle arises.
    """
    node, reader = read(rule)
    problems = [
        *_missing(reader, controller.pk),
        *_circles(node, controller.pk, segment),
    ]
    if problems:
        raise SegmentInvalid(problems)
    return node


def _missing(reader: Reader, controller: int) -> Iterable[tuple[str, Text]]:
    wanted: dict[str, set[int]] = {}
    for _path, of, ids in reader.references:
        wanted.setdefault(of, set()).update(ids)
    known = {
        of: set(ROWS[of](controller).filter(pk__in=ids).values_list("pk", flat=True))
        for of, ids in wanted.items()
    }
    for path, of, ids in reader.references:
        if not known[of].issuperset(ids):
            yield path, _("It does not exist (any more).")


def _circles(
    node: Node, controller: int, segment: int | None
) -> Iterable[tuple[str, Text]]:
    first = segments_of(node)
    if not first:
        return
    level, seen, depth = first, set(first), 1
    while level:
        if segment in level:
            yield "", _("Segments stand in a circle: this one would need itself.")
            return
        if depth > MAX_CHAIN:
            words = _("Segments refer to each other over at most %(most)d steps.")
            yield "", words % {"most": MAX_CHAIN}
            return
        level = needed_by(level, controller) - seen
        seen |= level
        depth += 1


def needed_by(segments: Iterable[int], controller: int) -> set[int]:
    """Ids of the segments the rules of these dynamic ones refer to."""
    rows = Segment.objects.filter(
        controller_id=controller, kind=Segment.Kind.DYNAMIC, pk__in=list(segments)
    )
    found: set[int] = set()
    for rule in rows.values_list("rule", flat=True):
        found |= segments_in(rule)
    return found


def segments_in(rule: Any) -> set[int]:
    """Ids of segments a stored rule names; a rule that can't be read names none."""
    return set(ids_in(rule, "segment"))


def ids_in(rule: Any, of: str) -> list[int]:
    """Ids of a kind ("tag", "segment", …) that a stored rule names."""
    try:
        _node, reader = read(rule)
    except SegmentInvalid:
        return []
    return [pk for _path, kind, ids in reader.references if kind == of for pk in ids]
