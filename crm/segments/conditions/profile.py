"""Who somebody is: what the profile says, and since when we know them."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.translation import gettext_lazy as _

from crm.models import Member
from crm.segments.conditions.declaring import (
    DAYS,
    MAX_DAYS,
    UNKNOWN,
    WITHIN,
    Condition,
    is_one_of,
    labelled,
)
from crm.segments.params import Param

_GENDERS = labelled([*Member.Gender.choices, (UNKNOWN, _("unknown"))])

_TEXT_IS = labelled(
    [
        ("in", _("is one of")),
        ("not_in", _("is none of")),
        ("known", _("is known")),
        ("unknown", _("is unknown")),
    ]
)


@dataclass(frozen=True, kw_only=True)
class Gender(Condition):
    """The gender of the profile; “unknown” is one to choose."""

    on, label, group = "gender", _("Gender"), "profile"
    params = (
        Param("in", _("is one of"), "choices", choices=_GENDERS, is_required=True),
    )

    in_: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class City(Condition):
    """`not_in` holds for an unknown city too."""

    on, label, group = "city", _("City"), "profile"
    params = (
        is_one_of(_TEXT_IS),
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
        is_one_of(
            labelled(
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
            unit=DAYS,
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
    """Whether a phone number is kept; which one is never asked."""

    on, label, group = "phone", _("Phone"), "profile"
    params = (Param("known", _("is known"), "flag", is_required=True, default=True),)
    is_personal = False

    known: bool


@dataclass(frozen=True, kw_only=True)
class Joined(Condition):
    """First seen within the last days, or longer ago."""

    on, label, group = "joined", _("First seen"), "profile"
    params = (
        is_one_of(WITHIN),
        Param(
            "days",
            _("last"),
            "whole",
            least=1,
            most=MAX_DAYS,
            unit=DAYS,
            is_required=True,
        ),
    )

    is_: str
    days: int
