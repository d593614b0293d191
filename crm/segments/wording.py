"""A condition in words: what it asks, and what is so with a member.

The builder page draws a row in the same words and the same order in which a summary,
the versions and the trail say it (crm.segments.sentences).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext, pgettext_lazy

from core.registry import Text
from crm.models import ConsentEntry
from crm.segments import conditions as on
from crm.segments.conditions import CONDITIONS, Condition
from crm.segments.evaluating import Verdict
from crm.segments.params import WHERE_OPERATORS, Param

# What rows are called, by (kind of crm.segments.references.ROWS, id).
Names = Mapping[tuple[str, int], str]

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


def parts_of(name: str) -> list[Part]:
    """The parameters of a condition in the order in which they are said."""
    params = {param.name: param for param in CONDITIONS[name].params}
    said = [each for each in ORDER.get(name, ()) if each in params]
    said += [each for each in params if each not in said]
    return [_part(name, params[each]) for each in said]


def _part(condition: str, param: Param) -> Part:
    around = AROUND.get((condition, param.name)) or AROUND.get(("*", param.name))
    before, after = around or (param.label, param.unit)
    choices = [(value, str(words)) for value, words in _choices(condition, param)]
    return Part(param, str(before), str(after), choices)


def _choices(condition: str, param: Param) -> Iterable[tuple[Any, Text]]:
    if param.form == "flag":
        yes, no = FLAGS.get((condition, param.name), (_("yes"), _("no")))
        return [(True, yes), (False, no)]
    return param.choices() if param.choices else []


def signs() -> list[tuple[str, str]]:
    """The comparisons of an event's property: (as JSON names it, in words)."""
    return [(sign, str(SIGNS.get(sign, sign))) for sign in WHERE_OPERATORS]


# -- what a condition asks


def say_condition(given: Any, names: Names) -> str:
    """One condition in words; what can't be read says so instead of failing."""
    name = given.get("on") if isinstance(given, dict) else None
    if not isinstance(name, str) or name not in CONDITIONS:
        return _("a condition nobody knows any more")
    words = [str(CONDITIONS[name].label)]
    for part in parts_of(name):
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
        return _called(names, part.param.of, value)
    label = _label(part.choices, value)
    if label is not None:
        return label
    return f"{value:,}" if isinstance(value, (int, float)) else str(value)


def _called(names: Names, of: str, pk: int) -> str:
    return names.get((of, pk)) or f"#{pk}"


def _label(choices: Iterable[tuple[Any, Text]], value: Any) -> str | None:
    """What the choice is called; `True == 1`, so both must be truth values or neither."""
    for known, words in choices:
        if known == value and isinstance(known, bool) == isinstance(value, bool):
            return str(words)
    return None


def _wheres(value: Any) -> str:
    found = []
    for each in value if isinstance(value, list) else []:
        if isinstance(each, dict):
            sign = SIGNS.get(str(each.get("is")), "")
            said = [each.get("key"), sign, each.get("value")]
            found.append(" ".join(str(one) for one in said if one not in (None, "")))
    return _(", ").join(found)


# -- what is so with a member


def say_facts(condition: Condition, verdict: Verdict, names: Names) -> str:
    """What is so with the member: "3 orders, 320.00 yuan, the last on 2 November"."""
    told = verdict.facts
    if isinstance(condition, on.Orders):
        return _orders(told)
    if isinstance(condition, on.Happened):
        words = ngettext("%(count)s time", "%(count)s times", told["count"])
        return _with_last([words % {"count": told["count"]}], told["last"])
    if isinstance(condition, on.Tags):
        carried = [_called(names, "tag", pk) for pk in told["tags"]]
        return (
            _("carries %(tags)s") % {"tags": _(", ").join(carried)}
            if carried
            else _("carries none of them")
        )
    if isinstance(condition, on.InSegment):
        return _("is in it") if told["is_in"] else _("is not in it")
    if isinstance(condition, on.Consent) and told:
        action = ConsentEntry.Action(told["action"]).label
        return f"{action} · {_day(told['at'])}"
    return _plain(condition, told, names)


def _plain(condition: Condition, told: dict[str, Any], names: Names) -> str:
    if "at" in told:
        return _day(told["at"])
    for of in ("unit", "staff"):
        if of in told:
            return _called(names, of, told[of]) if told[of] else _("none")
    if "count" in told:
        return _("%(count)s found") % {"count": told["count"]}
    if "value" not in told or told["value"] is None or told["value"] == "":
        return _("unknown") if "value" in told else ""
    for param in condition.params:
        label = _label(param.choices() if param.choices else (), told["value"])
        if label is not None:
            return label
    return str(told["value"])


def _orders(told: dict[str, Any]) -> str:
    count, amount = told["count"], told["amount"]
    words = ngettext("%(count)s order", "%(count)s orders", count)
    parts = [words % {"count": count}]
    if count:
        parts.append(_("%(amount)s yuan") % {"amount": f"{Decimal(amount):,.2f}"})
    return _with_last(parts, told["last"])


def _with_last(parts: list[str], last: datetime | None) -> str:
    if last is not None:
        parts = [*parts, _("the last on %(day)s") % {"day": _day(last)}]
    return ", ".join(parts)


def _day(at: datetime) -> str:
    return str(date_format(timezone.localtime(at), "Y-m-d H:i"))
