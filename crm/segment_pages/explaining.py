"""Why a member is in or not, and who of a count can't be addressed: words for the page."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.translation import gettext as _

from crm import segments
from crm.models import Member, Segment, SegmentMember
from crm.segments.explaining import Explained
from staff.models import OrgUnit


@dataclass(frozen=True)
class Line:
    """A condition or group: whether it holds, in words, and the facts behind it."""

    depth: int
    holds: bool
    text: str
    facts: str


@dataclass(frozen=True)
class Answer:
    """Whether the member is in by the rule, with every part of it.

    `was_in`: when the segment was computed last; None for a rule that was not saved.
    """

    member: int
    holds: bool
    lines: list[Line]
    was_in: bool | None = None

    @property
    def note(self) -> str:
        """What to know where the rule and the list of members differ."""
        if self.was_in is None or self.was_in == self.holds:
            return ""
        if self.was_in:
            return _("Still on the list of members until it is computed again.")
        return _("On the list of members as soon as it is computed again.")


def of(node: segments.Node, member: Member, *, unit: OrgUnit | None) -> Answer:
    """Why `member` is in what `node` means, or not."""
    found = segments.matches(node, member, unit=unit)
    return Answer(member.pk, found.holds, _lines(found))


def of_segment(segment: Segment, member: Member) -> Answer:
    """By the rule of a segment; a list has no rule: who is on it is in.

    Raises SegmentInvalid when something the rule names is gone.
    """
    rows = SegmentMember.objects.filter(segment=segment, member=member)
    was_in = rows.exists()
    if segment.kind != Segment.Kind.DYNAMIC:
        words = _("was put on the list") if segment.kind == "list" else _("was fixed")
        return Answer(member.pk, was_in, [Line(0, was_in, words, "")], was_in)
    node = segments.parse(segment.rule, controller=segment.controller)
    found = segments.matches(node, member, unit=segment.org_unit)
    return Answer(member.pk, found.holds, _lines(found), was_in)


def _lines(explained: Explained) -> list[Line]:
    words = {
        "all": _("All of the following:"),
        "any": _("Any of the following:"),
        "not": _("not:"),
    }
    return [
        Line(depth, part.holds, _text(part, words), part.facts)
        for depth, part in explained.lines()
    ]


def _text(part: Explained, words: dict[str, str]) -> str:
    if part.word == "all" and not part.parts:
        return _("All members")
    return words.get(part.word, part.words)
