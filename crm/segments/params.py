"""What conditions are made of: named values that are read from JSON and checked.

A parameter says how its value is read, what the builder page draws for it and what the
JSON schema says of it, so that the three never differ.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

from django.utils.translation import gettext as _

from core.registry import Text

BIGGEST_ID = 2**63 - 1
MAX_IDS = 200
MAX_TEXTS = 100
MAX_TEXT = 80
MAX_WHERE = 5
BIGGEST_NUMBER = 10**9
# Names of properties of an event; they travel as values, never as part of a query.
PROPERTY = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,39}", re.ASCII)
WHERE_OPERATORS = ("eq", "ne", "contains", "gte", "lte", "known")
YEARS = (2000, 2100)

Choice = tuple[str | int, Text]


class Wrong(Exception):
    """A value can't be used; `inner` is the path below the parameter, "" mostly."""

    def __init__(self, words: Text, inner: str = "") -> None:
        self.words, self.inner = words, inner
        super().__init__(str(words))


@dataclass(frozen=True)
class Where:
    """One property of an event must be so. `value` is a text, number or truth value."""

    key: str
    op: str
    value: str | int | Decimal | bool | None = None

    def as_json(self) -> dict[str, Any]:
        found: dict[str, Any] = {"key": self.key, "is": self.op}
        if self.value is not None:
            found["value"] = _json_number(self.value)
        return found


@dataclass(frozen=True)
class Param:
    """One named value of a condition.

    `form` is one of FORMS. `of`: what ids point to ("tag", "account", …). `choices` are
    asked for when needed: apps above add some. `when`: given only if another parameter has
    one of these values, {"is": ("between",)}.
    """

    name: str
    label: Text
    form: str
    of: str = ""
    choices: Callable[[], list[Choice]] | None = None
    is_required: bool = False
    when: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    least: int | None = None
    most: int | None = None
    unit: Text = ""
    default: Any = None

    def applies(self, given: Mapping[str, Any]) -> bool:
        return all(given.get(name) in values for name, values in self.when.items())

    def read(self, value: Any) -> Any:
        """The value as the condition keeps it; raises Wrong."""
        return FORMS[self.form].read(self, value)

    def schema(self) -> dict[str, Any]:
        return FORMS[self.form].schema(self)

    def known(self) -> list[str | int]:
        return [value for value, _words in self.choices()] if self.choices else []


@dataclass(frozen=True)
class Form:
    """How a value is read from JSON (raises Wrong), and what the JSON schema says of
    it.
    """

    read: Callable[[Param, Any], Any]
    schema: Callable[[Param], dict[str, Any]]


def is_text(value: Any, limit: int = MAX_TEXT) -> bool:
    """Text that a person can type and PostgreSQL can hold."""
    return (
        isinstance(value, str)
        and 0 < len(value) <= limit
        and bool(value.strip())
        and value.isprintable()
    )


def _choice(param: Param, value: Any) -> Any:
    # `True == 1`: the type is looked at too.
    for known in param.known():
        if type(known) is type(value) and known == value:
            return known
    raise Wrong(_("Choose one of the values offered."))


def _choices(param: Param, value: Any) -> tuple[Any, ...]:
    known = param.known()
    if not isinstance(value, list) or not value:
        raise Wrong(_("Choose at least one value."))
    if len(value) > len(known):
        raise Wrong(_("Choose among the values offered, each once."))
    chosen = {_choice(param, each) for each in value}
    return tuple(each for each in known if each in chosen)


def _id(_param: Param, value: Any) -> int:
    if not value:  # nothing chosen yet
        raise Wrong(_("Choose at least one."))
    if type(value) is not int or not 0 < value <= BIGGEST_ID:
        raise Wrong(_("An id is a positive whole number."))
    return value


def _ids(param: Param, value: Any) -> tuple[int, ...]:
    if not isinstance(value, list) or not value:
        raise Wrong(_("Choose at least one."))
    if len(value) > MAX_IDS:
        raise Wrong(_("At most %(most)d can be chosen here.") % {"most": MAX_IDS})
    return tuple(sorted({_id(param, each) for each in value}))


def _whole(param: Param, value: Any) -> int:
    least, most = _bounds(param)
    if type(value) is not int or not least <= value <= most:
        raise Wrong(
            _("A whole number from %(least)s to %(most)s.")
            % {"least": least, "most": most}
        )
    return value


def _whole_numbers(param: Param, value: Any) -> tuple[int, ...]:
    if not isinstance(value, list) or not 0 < len(value) <= MAX_IDS:
        raise Wrong(_("Choose at least one."))
    return tuple(sorted({_whole(param, each) for each in value}))


def _number(param: Param, value: Any) -> int | Decimal:
    least, most = _bounds(param)
    found = as_number(value)
    if found is None or not least <= found <= most:
        raise Wrong(
            _("A number from %(least)s to %(most)s, with two decimals at most.")
            % {"least": least, "most": most}
        )
    return found


def as_number(value: Any) -> int | Decimal | None:
    """A JSON number with at most two decimals, exactly; None for anything else."""
    if type(value) is int:
        return value if abs(value) <= BIGGEST_NUMBER else None
    if type(value) is not float or not math.isfinite(value):
        return None
    if abs(value) > BIGGEST_NUMBER:
        return None
    exact = Decimal(str(value))
    rounded = exact.quantize(Decimal("0.01"))
    if rounded != exact:
        return None
    return int(rounded) if rounded == int(rounded) else rounded


def _bounds(param: Param) -> tuple[int, int]:
    least = 0 if param.least is None else param.least
    return least, BIGGEST_NUMBER if param.most is None else param.most


def _text(_param: Param, value: Any) -> str:
    if not is_text(value):
        words = _("A text of 1 to %(most)d characters on one line.")
        raise Wrong(words % {"most": MAX_TEXT})
    return str(value).strip()


def _texts(param: Param, value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not 0 < len(value) <= MAX_TEXTS:
        words = _("A list of 1 to %(most)d texts.")
        raise Wrong(words % {"most": MAX_TEXTS})
    return tuple(sorted({_text(param, each) for each in value}))


def _flag(_param: Param, value: Any) -> bool:
    if type(value) is not bool:
        raise Wrong(_("Yes or no (true or false)."))
    return value


def _date(_param: Param, value: Any) -> date:
    words = _("A day as 2026-06-18.")
    if not isinstance(value, str) or not re.fullmatch(
        r"\d{4}-\d\d-\d\d", value, re.ASCII
    ):
        raise Wrong(words)
    try:
        found = date.fromisoformat(value)
    except ValueError:
        raise Wrong(words) from None
    if not YEARS[0] <= found.year < YEARS[1]:
        raise Wrong(_("A day from 2000 to 2099."))
    return found


def _wheres(_param: Param, value: Any) -> tuple[Where, ...]:
    if not isinstance(value, list) or len(value) > MAX_WHERE:
        words = _("At most %(most)d conditions on properties.")
        raise Wrong(words % {"most": MAX_WHERE})
    return tuple(_where(each, f"/{place}") for place, each in enumerate(value))


def _where(value: Any, path: str) -> Where:
    if not isinstance(value, dict) or not value.keys() <= {"key", "is", "value"}:
        raise Wrong(_("A property is given by key, is and value."), path)
    key, op = value.get("key"), value.get("is")
    if not isinstance(key, str) or not PROPERTY.fullmatch(key):
        raise Wrong(_("A property is named by letters, digits and _."), f"{path}/key")
    if not isinstance(op, str) or op not in WHERE_OPERATORS:
        raise Wrong(_("Choose one of the values offered."), f"{path}/is")
    given = value.get("value")
    if op == "known":
        if given is not None:
            raise Wrong(_("Nothing is compared here."), f"{path}/value")
        return Where(key, op)
    return Where(key, op, _compared(op, given, f"{path}/value"))


def _compared(op: str, given: Any, path: str) -> str | int | Decimal | bool:
    if op in ("gte", "lte"):
        number = as_number(given)
        if number is None:
            raise Wrong(_("A number, with two decimals at most."), path)
        return number
    if is_text(given):
        return str(given)
    if op in ("eq", "ne"):
        if type(given) is bool:
            return given
        number = as_number(given)
        if number is not None:
            return number
    words = _("A text of 1 to %(most)d characters on one line.")
    raise Wrong(words % {"most": MAX_TEXT}, path)


def _json_number(value: Any) -> Any:
    return float(value) if isinstance(value, Decimal) else value


def as_json(value: Any) -> Any:
    """A value of a condition as it stands in JSON; the reverse of `Param.read`."""
    if isinstance(value, tuple):
        return [as_json(each) for each in value]
    if isinstance(value, Where):
        return value.as_json()
    if isinstance(value, date):
        return value.isoformat()
    return _json_number(value)


# -- what the JSON schema says of each


def _array(items: dict[str, Any], most: int) -> dict[str, Any]:
    return {"type": "array", "items": items, "minItems": 1, "maxItems": most}


_ID = {"type": "integer", "minimum": 1, "maximum": BIGGEST_ID}
_TEXT = {"type": "string", "minLength": 1, "maxLength": MAX_TEXT}
_PROPERTY_SCHEMA = {
    "type": "object",
    "properties": {
        "key": {"type": "string", "pattern": f"^{PROPERTY.pattern}$"},
        "is": {"enum": list(WHERE_OPERATORS)},
        "value": {"type": ["string", "number", "boolean"]},
    },
    "required": ["key", "is"],
    "additionalProperties": False,
}


def _ranged(kind: str) -> Callable[[Param], dict[str, Any]]:
    def schema(param: Param) -> dict[str, Any]:
        least, most = _bounds(param)
        return {"type": kind, "minimum": least, "maximum": most}

    return schema


FORMS: dict[str, Form] = {
    "choice": Form(_choice, lambda param: {"enum": param.known()}),
    "choices": Form(
        _choices,
        lambda param: _array({"enum": param.known()}, max(len(param.known()), 1)),
    ),
    "id": Form(_id, lambda _param: _ID),
    "ids": Form(_ids, lambda _param: _array(_ID, MAX_IDS)),
    "whole": Form(_whole, _ranged("integer")),
    "wholes": Form(
        _whole_numbers, lambda param: _array(_ranged("integer")(param), MAX_IDS)
    ),
    "number": Form(_number, _ranged("number")),
    "text": Form(_text, lambda _param: _TEXT),
    "texts": Form(_texts, lambda _param: _array(_TEXT, MAX_TEXTS)),
    "flag": Form(_flag, lambda _param: {"type": "boolean"}),
    "date": Form(_date, lambda _param: {"type": "string", "format": "date"}),
    "where": Form(
        _wheres,
        lambda _param: {
            "type": "array",
            "items": _PROPERTY_SCHEMA,
            "maxItems": MAX_WHERE,
        },
    ),
}
