"""What every condition is, and the parameters several of them take."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, ClassVar

from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from core.registry import Text
from crm.segments.params import Choice, Param

MAX_DAYS = 3650
UNKNOWN = "unknown"
Number = int | Decimal

GROUPS: dict[str, Text] = {
    "profile": _("Profile"),
    "identity": _("Identities and relations"),
    "tags": _("Tags and stages"),
    "orders": _("Orders"),
    "events": pgettext_lazy("behaviour", "What happened"),
    "value": _("Scores"),
    "consent": _("Consent and reach"),
    "place": _("Store and owner"),
    "segment": _("Other segments"),
}


def labelled(choices: Iterable[tuple[Any, Text]]) -> Callable[[], list[Choice]]:
    """Fixed (value, label) choices as a parameter asks for them, without the empty one."""
    known: list[Choice] = [(value, label) for value, label in choices if value != ""]
    return lambda: known


def is_one_of(choices: Callable[[], list[Choice]]) -> Param:
    """The parameter "is": which of the comparisons `choices` the condition makes."""
    return Param("is", _("is"), "choice", choices=choices, is_required=True)


def ids(name: str, label: Text, of: str, **more: Any) -> Param:
    """A list of ids of the kind `of`, a key of crm.segments.references.ROWS."""
    return Param(name, label, "ids", of=of, **more)


COMPARISONS = labelled(
    [("gte", _("at least")), ("lte", _("at most")), ("between", _("between"))]
)
WITHIN = labelled([("within", _("within")), ("not_within", _("not within"))])
DAYS = _("days")
PERIOD = (
    Param(
        "within_days",
        _("in the last"),
        "whole",
        least=1,
        most=MAX_DAYS,
        unit=DAYS,
    ),
    Param("since", _("from day"), "date"),
    Param("until", _("until day"), "date"),
)
TO = Param(
    "to",
    pgettext_lazy("between … and", "and"),
    "number",
    is_required=True,
    when={"is": ("between",)},
)


@dataclass(frozen=True, kw_only=True)
class Condition:
    """One condition. `is_personal`: it uses profile or behaviour (PIPL Art. 24)."""

    on: ClassVar[str]
    label: ClassVar[Text]
    group: ClassVar[str]
    params: ClassVar[tuple[Param, ...]]
    is_personal: ClassVar[bool] = True

    def problem(self) -> tuple[str, Text] | None:
        """(name of the parameter, what is wrong between the values); None: nothing."""
        return None


@dataclass(frozen=True, kw_only=True)
class Period:
    """When: counted back from now, or between two days; nothing given: ever."""

    within_days: int | None = None
    since: date | None = None
    until: date | None = None

    def period_problem(self) -> tuple[str, Text] | None:
        """As Condition.problem, for the period alone."""
        if self.within_days is not None and (self.since or self.until):
            return "within_days", _("Give either days back or from and until.")
        if self.since and self.until and self.since > self.until:
            return "until", _("The last day is before the first.")
        return None


def range_problem(op: str, value: Number, to: Number | None) -> tuple[str, Text] | None:
    """As Condition.problem, for a comparison with `value`, or with `value` and `to`."""
    if op == "between" and to is not None and to < value:
        return "to", _("The second number is smaller than the first.")
    return None
