"""How a rule reads: the words around the values of each condition, and whole sentences.

The builder page draws a row in the same words and the same order in which a summary,
the versions and the trail say it.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy

from core.registry import Text
from crm.segments.conditions import CONDITIONS
from crm.segments.params import BIGGEST_ID, WHERE_OPERATORS, Param
from crm.segments.references import ROWS

Names = Mapping[tuple[str, int], str]
SUMMARY_LENGTH = 300

# In which order a condition is said, where it is not the order of its parameters.
_WHEN = ("within_days", "since", "until")
ORDER: dict[str, tuple[str, ...]] = {
    "orders": (
        *(*_WHEN, "products", "categories", "shops"),
        *("measure", "is", "value", "to"),
    ),
    "event": (*_WHEN, "did", "kinds", "at_least", "where", "account"),
}

# Words before and after a value; a parameter not named here has its label before it.
_NOTHING: tuple[Text, Text] = ("", "")
AROUND: dict[tuple[str, str], tuple[Text, Text]] = {
    ("*", "is"): _NOTHING,
    ("*", "in"): (pgettext_lazy("before chosen values", "is one of"), ""),
    ("segment", "in"): _NOTHING,
    ("consent", "purpose"): _NOTHING,
    ("*", "measure"): _NOTHING,
    ("*", "of"): _NOTHING,
    ("*", "kind"): _NOTHING,
    ("*", "known"): _NOTHING,
    ("*", "did"): _NOTHING,
    ("*", "kinds"): _NOTHING,
    ("*", "value"): _NOTHING,
    ("*", "units"): _NOTHING,
    ("*", "staff"): _NOTHING,
    ("*", "segment"): _NOTHING,
    ("*", "with_below"): _NOTHING,
    ("*", "following"): _NOTHING,
    ("*", "values"): _NOTHING,
    ("*", "months"): ("", pgettext_lazy("after numbers of months", "(month)")),
    ("*", "to"): (pgettext_lazy("between … and", "and"), ""),
    ("*", "within_days"): (
        pgettext_lazy("before a number of days", "in the last"),
        pgettext_lazy("after “in the last 30”", "days"),
    ),
    ("*", "since"): (
        pgettext_lazy("before a day", "from"),
        pgettext_lazy("after a first day", "on"),
    ),
    ("*", "until"): (
        pgettext_lazy("before a last day", "until"),
        pgettext_lazy("after a last day", "included"),
    ),
    ("joined", "days"): ("", pgettext_lazy("after “within 30”", "days")),
    ("seen", "days"): ("", pgettext_lazy("after “within 30”", "days")),
    ("birthday", "days"): ("", pgettext_lazy("after “within 30”", "days")),
}

# Yes and no of a condition, in words that go on the sentence.
FLAGS: dict[tuple[str, str], tuple[Text, Text]] = {
    ("phone", "known"): (gettext_lazy("is known"), gettext_lazy("is unknown")),
    ("identity", "following"): (
        gettext_lazy("and follows"),
        gettext_lazy("and follows no longer"),
    ),
    ("event", "did"): (gettext_lazy("happened:"), gettext_lazy("did not happen:")),
    ("store", "with_below"): (
        gettext_lazy("with those below"),
        gettext_lazy("without those below"),
    ),
    ("segment", "in"): (gettext_lazy("is in it"), gettext_lazy("is not in it")),
}

# What a new row begins with, beyond the first of every choice.
START: dict[str, dict[str, Any]] = {
    "orders": {"within_days": 30, "measure": "count", "is": "gte", "value": 1},
    "event": {"within_days": 30, "at_least": 1},
    "seen": {"is": "within", "days": 30},
    "joined": {"is": "within", "days": 30},
    "birthday": {"is": "next_days", "days": 7},
}

SIGNS: dict[str, Text] = {
    "eq": gettext_lazy("equals"),
    "ne": gettext_lazy("differs from"),
    "contains": gettext_lazy("contains"),
    "gte": gettext_lazy("at least"),
    "lte": gettext_lazy("at most"),
    "known": gettext_lazy("is known"),
}


@dataclass(frozen=True)
class Part:
    """A parameter with the words around it; `choices` also where it is yes or no."""

    param: Param
    before: str
    after: str
    choices: list[tuple[Any, str]]


def parts_of(on: str) -> list[Part]:
    """The parameters of a condition in the order in which they are said."""
    params = {param.name: param for param in CONDITIONS[on].params}
    said = [name for name in ORDER.get(on, ()) if name in params]
    names = said + [name for name in params if name not in said]
    return [_part(on, params[name]) for name in names]


def _part(on: str, param: Param) -> Part:
    around = AROUND.get((on, param.name)) or AROUND.get(("*", param.name))
    before, after = around or (param.label, param.unit)
    choices = [(value, str(words)) for value, words in _choices(on, param)]
    return Part(param, str(before), str(after), choices)


def _choices(on: str, param: Param) -> Iterable[tuple[Any, Text]]:
    if param.form == "flag":
        yes, no = FLAGS.get((on, param.name), (_("yes"), _("no")))
        return [(True, yes), (False, no)]
    return param.choices() if param.choices else []


def signs() -> list[tuple[str, str]]:
    return [(sign, str(SIGNS.get(sign, sign))) for sign in WHERE_OPERATORS]


# -- whole rules


def names_in(rules: Iterable[Any], controllers: Iterable[int]) -> Names:
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
        words = condition(rule, names)
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
        words = condition(rule, names)
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


# -- one condition


def condition(given: Any, names: Names) -> str:
    """One condition in words; what can't be read says so instead of failing."""
    on = given.get("on") if isinstance(given, dict) else None
    if not isinstance(on, str) or on not in CONDITIONS:
        return _("a condition nobody knows any more")
    words = [str(CONDITIONS[on].label)]
    for part in parts_of(on):
        value = given.get(part.param.name)
        if value is None or value in ([], ()):
            continue
        words += [part.before, _value(part, value, names), part.after]
    return " ".join(word for word in words if word)


def _value(part: Part, value: Any, names: Names) -> str:
    if part.param.form == "where":
        return _wheres(value)
    if isinstance(value, list):
        return _(", ").join(_one(part, each, names) for each in value)
    return _one(part, value, names)


def _one(part: Part, value: Any, names: Names) -> str:
    if part.param.of and isinstance(value, int):
        return names.get((part.param.of, value), f"#{value}")
    for known, words in part.choices:
        if type(known) is type(value) and known == value:
            return words
    return f"{value:,}" if isinstance(value, (int, float)) else str(value)


def _wheres(value: Any) -> str:
    found = []
    for each in value if isinstance(value, list) else []:
        if isinstance(each, dict):
            sign = SIGNS.get(str(each.get("is")), "")
            said = [each.get("key"), sign, each.get("value")]
            found.append(" ".join(str(one) for one in said if one not in (None, "")))
    return _(", ").join(found)
