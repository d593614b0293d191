"""Members chosen through segments, by those who send: any of these, none of those."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.utils import timezone

from crm.models import Segment
from crm.segments import conditions as on
from crm.segments.compiling import Holds, holds, part_of
from crm.segments.estimating import is_personal
from crm.segments.leaves import setting_of
from crm.segments.references import parse
from crm.segments.sets import Both, Either, Part, opposite
from crm.segments.tree import All, Any_, Node
from staff.models import OrgUnit


def chosen(
    *,
    any_of: Sequence[int],
    none_of: Sequence[int],
    controller: OrgUnit,
    now: datetime | None = None,
) -> Holds:
    """A condition for `filter` of members: in any of the segments (if given), in none.

    A dynamic segment counts by its rule at this moment, not by who was in when it was
    computed last; segments its rule refers to count as computed. Frozen ones and lists
    are who they are. Ids must belong to the controller. Raises SegmentInvalid when a rule
    can't be used any more.
    """
    wanted = {*any_of, *none_of}
    rows = Segment.objects.filter(pk__in=wanted, controller=controller)
    at = now or timezone.now()
    parts = {row.pk: _part(row, controller, at) for row in rows}
    found: list[Part] = []
    if any_of:
        found.append(Either(tuple(parts[pk] for pk in any_of)))
    found += [opposite(parts[pk]) for pk in none_of]
    return holds(Both(tuple(found)), controller)


def _part(segment: Segment, controller: OrgUnit, at: datetime) -> Part:
    node: Node = on.InSegment(segment=segment.pk, in_=True)
    if segment.kind == Segment.Kind.DYNAMIC:
        node = parse(segment.rule, controller=controller, segment=segment.pk)
        if segment.org_unit_id is not None:
            node = All((on.Store(units=(segment.org_unit_id,)), node))
    return part_of(node, setting_of(node, at))


def are_personal(segments: Sequence[int]) -> bool:
    """Whether profile or behaviour choose who is in any of them (PIPL Art. 24)."""
    named = tuple(on.InSegment(segment=pk, in_=True) for pk in segments)
    return bool(named) and is_personal(Any_(named))


def stand_of(segments: Sequence[int]) -> dict[str, list[str]]:
    """What a decision about the segments rests on: their kinds and versions, by id."""
    rows = Segment.objects.filter(pk__in=segments).order_by("pk")
    return {
        str(pk): [kind, str(version)]
        for pk, kind, version in rows.values_list("pk", "kind", "version")
    }
