"""Why a member is in a segment or is not: the rule again, each part with what is so."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _

from crm.models import Member
from crm.segments import conditions as on
from crm.segments import evaluating, facts
from crm.segments.evaluating import Moment
from crm.segments.facts import Facts
from crm.segments.references import ROWS
from crm.segments.sentences import names_in
from crm.segments.tree import All, Any_, Node, Not, as_rule, conditions_of
from crm.segments.wording import Names, say_condition, say_facts
from staff.models import OrgUnit


@dataclass(frozen=True)
class Explained:
    """One part of the rule for one member.

    Groups have a `word` ("all", "any", "not") and `parts`; conditions have `on`, their
    `words` and the `facts` that decide, in words.
    """

    holds: bool
    word: str = ""
    on: str = ""
    words: str = ""
    facts: str = ""
    parts: tuple[Explained, ...] = ()

    def as_json(self) -> dict[str, Any]:
        if self.word:
            parts = [each.as_json() for each in self.parts]
            return {"holds": self.holds, "word": self.word, "parts": parts}
        return {
            "holds": self.holds,
            "on": self.on,
            "words": self.words,
            "facts": self.facts,
        }

    def lines(self, depth: int = 0) -> Iterator[tuple[int, Explained]]:
        """(depth, part) from top to bottom, as a page lists them."""
        yield depth, self
        for each in self.parts:
            yield from each.lines(depth + 1)


def matches(
    node: Node,
    member: Member,
    *,
    unit: OrgUnit | None = None,
    now: datetime | None = None,
) -> Explained:
    """The rule explained for one member; `unit`: the segment is for those below it only.

    A record that was merged or purged is in nothing, whatever the rule says.
    """
    at = now or timezone.now()
    known = facts.load([member], node=node, now=at)[member.pk]
    moment = Moment(at, _paths(node))
    names = names_in([as_rule(node)], [member.controller_id]) | _names_beside(known)
    found = _explained(node, known, moment, names)
    outside = _outside(known, unit)
    if not outside:
        return found
    return Explained(
        holds=False,
        word="all",
        parts=(Explained(False, on="record", words=outside), found),
    )


def _outside(known: Facts, unit: OrgUnit | None) -> str:
    member = known.member
    if member.merged_into_id is not None:
        return _("The record was merged into another one.")
    if member.purged_at is not None:
        return _("The data was erased.")
    is_below = unit is None or unit.pk == member.controller_id
    if not is_below and not known.path.startswith(unit.path if unit else ""):
        return _("Belongs to no store of %(unit)s.") % {"unit": unit}
    return ""


def _explained(node: Node, known: Facts, moment: Moment, names: Names) -> Explained:
    if isinstance(node, All | Any_):
        parts = tuple(_explained(each, known, moment, names) for each in node.nodes)
        is_all = isinstance(node, All)
        holds = (all if is_all else any)(each.holds for each in parts)
        return Explained(holds, word="all" if is_all else "any", parts=parts)
    if isinstance(node, Not):
        inner = _explained(node.node, known, moment, names)
        return Explained(not inner.holds, word="not", parts=(inner,))
    verdict = evaluating.judge(node, known, moment)
    return Explained(
        verdict.holds,
        on=node.on,
        words=say_condition(as_rule(node), names),
        facts=say_facts(node, verdict, names),
    )


def _paths(node: Node) -> dict[int, str]:
    stores = [each for each in conditions_of(node) if isinstance(each, on.Store)]
    units = {pk for each in stores for pk in each.units}
    if not units:
        return {}
    return dict(OrgUnit.objects.filter(pk__in=units).values_list("pk", "path"))


def _names_beside(known: Facts) -> dict[tuple[str, int], str]:
    """What the member's own store and owner are called."""
    member = known.member
    own = {"unit": member.org_unit_id, "staff": member.owner_id}
    found: dict[tuple[str, int], str] = {}
    for of, pk in own.items():
        if pk is not None:
            for row in ROWS[of](member.controller_id).filter(pk=pk):
                found[of, pk] = str(row)
    return found
