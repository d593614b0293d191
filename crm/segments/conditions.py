"""The conditions a rule is made of: typed, frozen, each with the values it takes.

`on` names the condition in JSON. Values that don't apply are None (or empty). What each
means to the database stands in crm.segments.leaves, what it means for one member in
crm.segments.evaluating; the two are compared by a test of a thousand random rules.

Periods: `within_days` counts back to the second (30 days = 30 × 24 hours), `since` and
`until` are whole days of Beijing, both of them included.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, ClassVar

from django.utils.translation import gettext_lazy as _

from core.registry import Text
from crm import timeline
from crm.models import ADD_WAYS, CHANNELS, PURPOSES, Identity, Member, Relation
from crm.segments.params import Choice, Param, Where

MAX_DAYS = 3650
UNKNOWN = "unknown"
Number = int | Decimal

GROUPS: dict[str, Text] = {
    "profile": _("Profile"),
    "identity": _("Identities and relations"),
    "tags": _("Tags and stages"),
    "orders": _("Orders"),
    "events": _("What happened"),
    "value": _("Scores"),
    "consent": _("Consent and reach"),
    "place": _("Store and owner"),
    "segment": _("Other segments"),
}


def _labelled(choices: Iterable[tuple[Any, Text]]) -> Callable[[], list[Choice]]:
    known: list[Choice] = [(value, label) for value, label in choices if value != ""]
    return lambda: known


def _event_kinds() -> list[Choice]:
    return [(kind, wording.title) for kind, wording in timeline.wordings.items()]


_GENDERS = _labelled([*Member.Gender.choices, (UNKNOWN, _("unknown"))])
_RFM = _labelled([*Member.Rfm.choices, (UNKNOWN, _("not scored yet"))])
_COMPARISONS = _labelled(
    [("gte", _("at least")), ("lte", _("at most")), ("between", _("between"))]
)
_WITHIN = _labelled([("within", _("within")), ("not_within", _("not within"))])
_DAYS = _("days")

IS = Param("is", _("is"), "choice", is_required=True)
_PERIOD = (
    Param(
        "within_days",
        _("in the last"),
        "whole",
        least=1,
        most=MAX_DAYS,
        unit=_DAYS,
    ),
    Param("since", _("from day"), "date"),
    Param("until", _("until day"), "date"),
)


def _is(choices: Any) -> Param:
    return Param("is", _("is"), "choice", choices=choices, is_required=True)


def _ids(name: str, label: Text, of: str, **more: Any) -> Param:
    return Param(name, label, "ids", of=of, **more)


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
class Gender(Condition):
    on, label, group = "gender", _("Gender"), "profile"
    params = (
        Param("in", _("is one of"), "choices", choices=_GENDERS, is_required=True),
    )

    in_: tuple[str, ...]


_ASKED = ("marketing", "profile", "personalisation")
_TEXT_IS = _labelled(
    [
        ("in", _("is one of")),
        ("not_in", _("is none of")),
        ("known", _("is known")),
        ("unknown", _("is unknown")),
    ]
)


@dataclass(frozen=True, kw_only=True)
class City(Condition):
    """`not_in` holds for an unknown city too."""

    on, label, group = "city", _("City"), "profile"
    params = (
        _is(_TEXT_IS),
        Param(
            "values",
            _("cities"),
            "texts",
            is_required=True,
            when={"is": ("in", "not_in")},
        ),
    )

    is_: str
    values: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Birthday(Condition):
    """29 February is kept on 1 March in other years; today is the first of `days`."""

    on, label, group = "birthday", _("Birthday"), "profile"
    params = (
        _is(
            _labelled(
                [
                    ("month", _("is in the month")),
                    ("next_days", _("is in the next days")),
                    ("known", _("is known")),
                    ("unknown", _("is unknown")),
                ]
            )
        ),
        Param(
            "months",
            _("months"),
            "wholes",
            least=1,
            most=12,
            is_required=True,
            when={"is": ("month",)},
        ),
        Param(
            "days",
            _("days"),
            "whole",
            least=1,
            most=366,
            unit=_DAYS,
            is_required=True,
            when={"is": ("next_days",)},
        ),
    )

    is_: str
    months: tuple[int, ...] = ()
    days: int | None = None


@dataclass(frozen=True, kw_only=True)
class Name(Condition):
    """Name or remark contain the text; upper and lower case are the same."""

    on, label, group = "name", _("Name or remark"), "profile"
    params = (Param("contains", _("contains"), "text", is_required=True),)

    contains: str


@dataclass(frozen=True, kw_only=True)
class Phone(Condition):
    on, label, group = "phone", _("Phone"), "profile"
    params = (Param("known", _("is known"), "flag", is_required=True, default=True),)
    is_personal = False

    known: bool


@dataclass(frozen=True, kw_only=True)
class Joined(Condition):
    """First seen within the last days, or longer ago."""

    on, label, group = "joined", _("First seen"), "profile"
    params = (
        _is(_WITHIN),
        Param(
            "days",
            _("last"),
            "whole",
            least=1,
            most=MAX_DAYS,
            unit=_DAYS,
            is_required=True,
        ),
    )

    is_: str
    days: int


@dataclass(frozen=True, kw_only=True)
class Seen(Condition):
    on, label, group = "seen", _("Last interaction"), "events"
    params = Joined.params

    is_: str
    days: int


@dataclass(frozen=True, kw_only=True)
class HasIdentity(Condition):
    """At least one identity is so in every respect that is given."""

    on, label, group = "identity", _("Identity"), "identity"
    params = (
        Param(
            "kind",
            _("kind"),
            "choice",
            choices=_labelled(Identity.Kind.choices),
            is_required=True,
        ),
        Param("account", _("of the account"), "id", of="account"),
        Param("following", _("following"), "flag"),
        Param("scene", _("came through a scene that begins with"), "text"),
    )
    is_personal = False

    kind: str
    account: int | None = None
    following: bool | None = None
    scene: str | None = None


@dataclass(frozen=True, kw_only=True)
class HasRelation(Condition):
    """At least one WeCom friendship is so in every respect that is given."""

    on, label, group = "relation", _("WeCom friend"), "identity"
    params = (
        _ids("colleagues", _("with a colleague"), "colleague"),
        Param(
            "states",
            _("state"),
            "choices",
            choices=_labelled(Relation.State.choices),
        ),
        Param(
            "add_ways",
            _("added by"),
            "choices",
            choices=_labelled(ADD_WAYS.items()),
        ),
        Param("channel", _("through the channel"), "text"),
    )
    is_personal = False

    colleagues: tuple[int, ...] = ()
    states: tuple[str, ...] = ()
    add_ways: tuple[int, ...] = ()
    channel: str | None = None


@dataclass(frozen=True, kw_only=True)
class Tags(Condition):
    on, label, group = "tags", _("Tags"), "tags"
    params = (
        _ids("any", _("any of"), "tag"),
        _ids("all", _("all of"), "tag"),
        _ids("none", _("none of"), "tag"),
    )

    any: tuple[int, ...] = ()
    all: tuple[int, ...] = ()
    none: tuple[int, ...] = ()

    def problem(self) -> tuple[str, Text] | None:
        if not (self.any or self.all or self.none):
            return "", _("Choose at least one tag.")
        refused = set(self.none)
        if refused & set(self.all) or (self.any and set(self.any) <= refused):
            words = _("The same tag is wanted and refused: nobody would be left.")
            return "none", words
        return None


@dataclass(frozen=True, kw_only=True)
class Stage(Condition):
    on, label, group = "stage", _("Lifecycle stage"), "tags"
    params = (
        Param(
            "in",
            _("is one of"),
            "choices",
            choices=_labelled(Member.Stage.choices),
            is_required=True,
        ),
    )

    in_: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Rfm(Condition):
    on, label, group = "rfm", _("RFM segment"), "tags"
    params = (Param("in", _("is one of"), "choices", choices=_RFM, is_required=True),)

    in_: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Trust(Condition):
    on, label, group = "trust", _("Trust"), "tags"
    params = (
        Param(
            "in",
            _("is one of"),
            "choices",
            choices=_labelled(Member.Trust.choices),
            is_required=True,
        ),
    )

    in_: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class _Period:
    """When: counted back from now, or between two days; nothing given: ever."""

    within_days: int | None = None
    since: date | None = None
    until: date | None = None

    def period_problem(self) -> tuple[str, Text] | None:
        if self.within_days is not None and (self.since or self.until):
            return "within_days", _("Give either days back or from and until.")
        if self.since and self.until and self.since > self.until:
            return "until", _("The last day is before the first.")
        return None


def _range_problem(
    op: str, value: Number, to: Number | None
) -> tuple[str, Text] | None:
    if op == "between" and to is not None and to < value:
        return "to", _("The second number is smaller than the first.")
    return None


_TO = Param("to", _("and"), "number", is_required=True, when={"is": ("between",)})


@dataclass(frozen=True, kw_only=True)
class Orders(_Period, Condition):
    """A figure of the member's orders that count: paid, not gone back as a whole.

    Amounts are yuan net of refunds; with a product or category, what these items of the
    order cost. Whoever has no such order has count and amount 0, but no average and no
    days since the last one. Days since: whole days of 24 hours.
    """

    on, label, group = "orders", _("Orders"), "orders"
    params = (
        Param(
            "measure",
            _("figure"),
            "choice",
            choices=_labelled(
                [
                    ("count", _("number of orders")),
                    ("amount", _("amount, yuan")),
                    ("average", _("average order, yuan")),
                    ("days_since_last", _("days since the last order")),
                ]
            ),
            is_required=True,
        ),
        _is(_COMPARISONS),
        Param("value", _("value"), "number", is_required=True),
        _TO,
        *_PERIOD,
        _ids("products", _("of a product"), "product"),
        _ids("categories", _("of a category"), "category"),
        Param("shops", _("of a shop"), "texts"),
    )

    measure: str
    is_: str
    value: Number
    to: Number | None = None
    products: tuple[int, ...] = ()
    categories: tuple[int, ...] = ()
    shops: tuple[str, ...] = ()

    def problem(self) -> tuple[str, Text] | None:
        return _range_problem(self.is_, self.value, self.to) or self.period_problem()


@dataclass(frozen=True, kw_only=True)
class Happened(_Period, Condition):
    """It happened `at_least` times in the period (or, not `did`, less often)."""

    on, label, group = "event", _("Something happened"), "events"
    params = (
        Param("kinds", _("what"), "choices", choices=_event_kinds, is_required=True),
        Param("did", _("it happened"), "flag", is_required=True, default=True),
        Param(
            "at_least",
            _("at least"),
            "whole",
            least=1,
            most=10_000,
            unit=_("times"),
            default=1,
        ),
        *_PERIOD,
        Param("account", _("on the account"), "id", of="account"),
        Param("where", _("where"), "where", default=()),
    )

    kinds: tuple[str, ...]
    did: bool
    at_least: int = 1
    account: int | None = None
    where: tuple[Where, ...] = ()

    def problem(self) -> tuple[str, Text] | None:
        return self.period_problem()


@dataclass(frozen=True, kw_only=True)
class Score(Condition):
    """A score of crm.value; interactions and relationship are 0 until computed.

    R, F and M are unknown for who was not scored: no comparison holds then.
    """

    on, label, group = "score", _("Score"), "value"
    params = (
        Param(
            "of",
            _("score"),
            "choice",
            choices=_labelled(
                [
                    ("interactions", _("interactions in 30 days")),
                    ("relationship", _("relationship strength")),
                    ("r", _("R (recency), 1–5")),
                    ("f", _("F (frequency), 1–5")),
                    ("m", _("M (monetary), 1–5")),
                ]
            ),
            is_required=True,
        ),
        _is(_COMPARISONS),
        Param("value", _("value"), "number", is_required=True),
        _TO,
    )

    of: str
    is_: str
    value: Number
    to: Number | None = None

    def problem(self) -> tuple[str, Text] | None:
        return _range_problem(self.is_, self.value, self.to)


@dataclass(frozen=True, kw_only=True)
class Consent(Condition):
    """What the newest entry of the ledger says, of one account or of them all.

    With a channel, what was said of that one; without, what was said of all together.
    """

    on, label, group = "consent", _("Consent"), "consent"
    params = (
        Param(
            "purpose",
            _("to"),
            "choice",
            choices=_labelled((each, PURPOSES[each]) for each in _ASKED),
            is_required=True,
        ),
        _is(
            _labelled(
                [
                    ("granted", _("was given")),
                    ("withdrawn", _("was withdrawn")),
                    ("unset", _("was never asked")),
                ]
            )
        ),
        Param(
            "channel", _("by the way"), "choice", choices=_labelled(CHANNELS.items())
        ),
        Param("account", _("for the account"), "id", of="account"),
    )
    is_personal = False

    purpose: str
    is_: str
    channel: str | None = None
    account: int | None = None


@dataclass(frozen=True, kw_only=True)
class Reachable(Condition):
    """Follows the official account, or has a friend in the WeCom corp; without an
    account: is reachable at all."""

    on, label, group = "reachable", _("Reachable"), "consent"
    params = (Param("account", _("through the account"), "id", of="account"),)
    is_personal = False

    account: int | None = None


@dataclass(frozen=True, kw_only=True)
class Store(Condition):
    on, label, group = "store", _("Store"), "place"
    params = (
        _ids("units", _("is one of"), "unit", is_required=True),
        Param("with_below", _("with those below"), "flag", default=True),
    )
    is_personal = False

    units: tuple[int, ...]
    with_below: bool = True


@dataclass(frozen=True, kw_only=True)
class Owner(Condition):
    on, label, group = "owner", _("Owner"), "place"
    params = (
        _is(_labelled([("in", _("is one of")), ("nobody", _("is nobody"))])),
        _ids("staff", _("people"), "staff", is_required=True, when={"is": ("in",)}),
    )
    is_personal = False

    is_: str
    staff: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True)
class InSegment(Condition):
    """Is in another segment, as this was computed last (or, not `in`, is not)."""

    on, label, group = "segment", _("Another segment"), "segment"
    params = (
        Param("segment", _("segment"), "id", of="segment", is_required=True),
        Param("in", _("is in it"), "flag", is_required=True, default=True),
    )

    segment: int
    in_: bool


CONDITIONS: dict[str, type[Condition]] = {
    each.on: each
    for each in (
        Tags,
        Stage,
        Rfm,
        Trust,
        Orders,
        Happened,
        Seen,
        Score,
        Gender,
        City,
        Birthday,
        Name,
        Phone,
        Joined,
        HasIdentity,
        HasRelation,
        Reachable,
        Consent,
        Store,
        Owner,
        InSegment,
    )
}


def attribute(name: str) -> str:
    """Under which name a condition keeps a parameter ("in" and "is" are words of Python)."""
    return f"{name}_" if name in ("in", "is") else name
