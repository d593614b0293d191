"""What somebody did: orders, events, the figures counted from both."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.translation import gettext_lazy as _

from core.registry import Text
from crm import timeline
from crm.segments.conditions.declaring import (
    COMPARISONS,
    PERIOD,
    TO,
    Condition,
    Number,
    Period,
    ids,
    is_one_of,
    labelled,
    range_problem,
)
from crm.segments.conditions.profile import Joined
from crm.segments.params import Choice, Param, Where


def _event_kinds() -> list[Choice]:
    return [(kind, wording.title) for kind, wording in timeline.wordings.items()]


@dataclass(frozen=True, kw_only=True)
class Orders(Period, Condition):
    """A figure of the member's orders that count: paid, not gone back as a whole.

    Amounts are yuan net of refunds; with a product or category, what was kept of these
    items (crm.kept). Whoever has no such order has count and amount 0, but no average and no
    days since the last one. Days since: whole days of 24 hours.
    """

    on, label, group = "orders", _("Orders"), "orders"
    params = (
        Param(
            "measure",
            _("figure"),
            "choice",
            choices=labelled(
                [
                    ("count", _("number of orders")),
                    ("amount", _("amount, yuan")),
                    ("average", _("average order, yuan")),
                    ("days_since_last", _("days since the last order")),
                ]
            ),
            is_required=True,
        ),
        is_one_of(COMPARISONS),
        Param("value", _("value"), "number", is_required=True),
        TO,
        *PERIOD,
        ids("products", _("of a product"), "product"),
        ids("categories", _("of a category"), "category"),
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
        return range_problem(self.is_, self.value, self.to) or self.period_problem()


@dataclass(frozen=True, kw_only=True)
class Happened(Period, Condition):
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
        *PERIOD,
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
class Seen(Condition):
    """The last thing the member did lies within the last days, or further back."""

    on, label, group = "seen", _("Last interaction"), "events"
    params = Joined.params

    is_: str
    days: int


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
            choices=labelled(
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
        is_one_of(COMPARISONS),
        Param("value", _("value"), "number", is_required=True),
        TO,
    )

    of: str
    is_: str
    value: Number
    to: Number | None = None

    def problem(self) -> tuple[str, Text] | None:
        return range_problem(self.is_, self.value, self.to)
