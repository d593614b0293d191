"""Whole rules in words: as one sentence, line by line, and as they were changed."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from crm.segments.conditions import CONDITIONS
from crm.segments.params import BIGGEST_ID
from crm.segments.references import ROWS
from crm.segments.wording import Names, say_condition

SUMMARY_LENGTH = 300


def names_in(
    rules: Iterable[Any], controllers: Iterable[int]
) -> dict[tuple[str, int], str]:
    """What the rows that rules name are called, by (kind, id): one query a kind.

    Only rows of the data controllers given are named.
    """
    wanted: dict[str, set[int]] = {}
    for rule in rules:
        for of, pks in _references(rule):
            wanted.setdefault(of, set()).update(pks)
    owners = set(controllers)
    return {
        (of, row.pk): str(row)
        for of, pks in wanted.items()
        for owner in owners
        for row in ROWS[of](owner).filter(pk__in=pks)
    }


def _references(rule: Any) -> Iterator[tuple[str, tuple[int, ...]]]:
    """(kind, ids) of what a rule names, also where the rest of it can't be used."""
    if isinstance(rule, list):
        for each in rule:
            yield from _references(each)
    elif isinstance(rule, dict) and "on" not in rule:
        for key in ("all", "any", "not"):
            yield from _references(rule.get(key))
    elif isinstance(rule, dict):
        on = rule["on"]
        params = (
            CONDITIONS[on].params if isinstance(on, str) and on in CONDITIONS else ()
        )
        for param in params:
            value = rule.get(param.name)
            given = value if isinstance(value, list) else [value]
            pks = tuple(pk for pk in given if type(pk) is int and 0 < pk <= BIGGEST_ID)
            if param.of and pks:
                yield param.of, pks


@dataclass(frozen=True)
class Line:
    """One line of a rule written out; groups are a line too, their rows one deeper."""

    depth: int
    text: str


def summary(rule: Any, names: Names, *, length: int = SUMMARY_LENGTH) -> str:
    """The rule as one sentence, cut at `length` characters."""
    if not rule or rule == {"all": []}:
        return _("All members")
    words = _sentence(rule, names, is_inner=False)
    return words if len(words) <= length else words[: length - 1] + "…"


def outline(rule: Any, names: Names) -> list[Line]:
    """The rule with a line for each group and condition."""
    if not rule or rule == {"all": []}:
        return [Line(0, _("All members"))]
    return list(_lines(rule, names, 0, ""))


def difference(before: Any, after: Any, names: Names) -> list[tuple[str, Line]]:
    """Lines with "+", "-" or "" in front, as the rule was changed."""
    old, new = outline(before, names), outline(after, names)
    found: list[tuple[str, Line]] = []
    matcher = difflib.SequenceMatcher(None, old, new, autojunk=False)
    for what, old_from, old_to, new_from, new_to in matcher.get_opcodes():
        if what == "equal":
            found += [("", line) for line in old[old_from:old_to]]
        else:
            found += [("-", line) for line in old[old_from:old_to]]
            found += [("+", line) for line in new[new_from:new_to]]
    return found


def _sentence(rule: Any, names: Names, *, is_inner: bool) -> str:
    rule, is_negated = _without_not(rule)
    mode, nodes = _group(rule)
    if mode is None:
        words = say_condition(rule, names)
    elif not nodes:
        words = _("All members")
    else:
        words = _joined(mode, nodes, names)
        if len(nodes) > 1 and (is_inner or is_negated):
            words = _("(%(words)s)") % {"words": words}
    return _("not %(words)s") % {"words": words} if is_negated else words


def _joined(mode: str, nodes: list[Any], names: Names) -> str:
    between = _("; and ") if mode == "all" else _("; or ")
    return between.join(_sentence(each, names, is_inner=True) for each in nodes)


def _lines(rule: Any, names: Names, depth: int, before: str) -> Iterable[Line]:
    rule, is_negated = _without_not(rule)
    mode, nodes = _group(rule)
    if mode is None:
        words = say_condition(rule, names)
    elif mode == "all":
        words = _("All of the following:")
    else:
        words = _("Any of the following:")
    if is_negated:
        words = _("not %(words)s") % {"words": words}
    yield Line(depth, f"{before}{words}")
    for place, each in enumerate(nodes):
        word = (_("and ") if mode == "all" else _("or ")) if place else ""
        yield from _lines(each, names, depth + 1, word)


def _without_not(rule: Any) -> tuple[Any, bool]:
    is_negated = False
    while isinstance(rule, dict) and "on" not in rule and "not" in rule:
        rule, is_negated = rule["not"], not is_negated
    return rule, is_negated


def _group(rule: Any) -> tuple[str | None, list[Any]]:
    if isinstance(rule, dict) and "on" not in rule:
        for mode in ("all", "any"):
            if isinstance(rule.get(mode), list):
                return mode, rule[mode]
        return "all", []
    return None, []
