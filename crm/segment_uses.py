"""What uses a segment: other segments' rules, and what the apps above tell."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.urls import reverse
from django.utils.translation import gettext as _

from crm import registry
from crm.models import Segment
from staff.models import Staff


@dataclass(frozen=True)
class Use:
    """`name` with what it is ("Segment “Buyers”"), and where it is looked at, or ""."""

    name: str
    url: str


def of(segment: Segment, staff: Staff) -> list[Use]:
    """Everything that stops working without the segment; named where `staff` sees it."""
    rows = Segment.objects.filter(controller=segment.controller, kind="dynamic")
    using = [
        each
        for each in rows.in_use().exclude(pk=segment.pk)
        if segment.pk in named_by(each.rule)
    ]
    seen = Segment.objects.visible_to(staff).filter(pk__in=[each.pk for each in using])
    known = set(seen.values_list("pk", flat=True)) if using else set()
    found = [_use(each, is_seen=each.pk in known) for each in using]
    for uses in registry.segment_uses:
        found += [Use(str(name), url) for name, url in uses(segment, staff)]
    return found


def _use(other: Segment, *, is_seen: bool) -> Use:
    if not is_seen:
        return Use(_("A segment you can't see"), "")
    words = _("Segment “%(name)s”") % {"name": other.name}
    return Use(words, reverse("admin:crm_segment_change", args=[other.pk]))


def counts_among(rows: list[Segment]) -> dict[int, int]:
    """How many other segments use each, for a page of the list: one query."""
    controllers = {row.controller_id for row in rows}
    found = {row.pk: 0 for row in rows}
    others = Segment.objects.filter(controller__in=controllers, kind="dynamic")
    for pk, rule in others.in_use().values_list("pk", "rule"):
        for used in named_by(rule) - {pk}:
            if used in found:
                found[used] += 1
    for counts in registry.segment_use_counts:
        for used, count in counts(list(found)).items():
            found[used] += count
    return found


def named_by(rule: Any) -> set[int]:
    """Ids of the segments a rule names."""
    return set(_named(rule))


def _named(rule: Any) -> Iterator[int]:
    if isinstance(rule, list):
        for each in rule:
            yield from _named(each)
    elif isinstance(rule, dict):
        if rule.get("on") == "segment":
            if isinstance(rule.get("segment"), int):
                yield rule["segment"]
            return
        for key in ("all", "any", "not"):
            if "on" not in rule and key in rule:
                yield from _named(rule[key])
