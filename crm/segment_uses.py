"""What uses a segment: other segments' rules, and what the apps above tell."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.urls import reverse
from django.utils.translation import gettext as _

from crm import registry
from crm.models import Segment


@dataclass(frozen=True)
class Use:
    """`name` with what it is ("Segment “Buyers”"), and where it is looked at."""

    name: str
    url: str


def of(segment: Segment) -> list[Use]:
    """Everything that stops working without the segment."""
    rows = Segment.objects.filter(controller=segment.controller, kind="dynamic")
    names = _("Segment “%(name)s”")
    found = [
        Use(
            names % {"name": each.name},
            reverse("admin:crm_segment_change", args=[each.pk]),
        )
        for each in rows.in_use().exclude(pk=segment.pk)
        if segment.pk in named_by(each.rule)
    ]
    for uses in registry.segment_uses:
        found += [Use(str(name), url) for name, url in uses(segment)]
    return found


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
