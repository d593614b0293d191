"""How somebody may be reached, and where they belong: store, owner, segment."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from crm.models import CHANNELS, PURPOSES
from crm.segments.conditions.declaring import Condition, ids, is_one_of, labelled
from crm.segments.params import Param

_ASKED = ("marketing", "profile", "personalisation")


@dataclass(frozen=True, kw_only=True)
class Consent(Condition):
    """What the newest entry of the ledger says, of one account or of them all.

    With a channel, what was said of that one; without, what was said of all together.
    """

    on, label, group = "consent", _("Consent"), "consent"
    params = (
        Param(
            "purpose",
            pgettext_lazy("a purpose", "to"),
            "choice",
            choices=labelled((each, PURPOSES[each]) for each in _ASKED),
            is_required=True,
        ),
        is_one_of(
            labelled(
                [
                    ("granted", _("was given")),
                    ("withdrawn", _("was withdrawn")),
                    ("unset", _("was never asked")),
                ]
            )
        ),
        Param("channel", _("by the way"), "choice", choices=labelled(CHANNELS.items())),
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
class Marketing(Condition):
    """Whether marketing may reach them at the moment, as the member list tells it."""

    on, label, group = "marketing", _("Marketing"), "consent"
    params = (
        is_one_of(
            labelled(
                [
                    ("may", _("may reach them")),
                    ("opted_out", _("they opted out")),
                    ("frozen", _("is frozen after a complaint")),
                ]
            )
        ),
    )
    is_personal = False

    is_: str


@dataclass(frozen=True, kw_only=True)
class Store(Condition):
    """Belongs to one of the units or, `with_below`, to one below it."""

    on, label, group = "store", _("Store"), "place"
    params = (
        ids("units", _("is one of"), "unit", is_required=True),
        Param("with_below", _("with those below"), "flag", default=True),
    )
    is_personal = False

    units: tuple[int, ...]
    with_below: bool = True


@dataclass(frozen=True, kw_only=True)
class Owner(Condition):
    """The colleague who looks after the member, if anybody does."""

    on, label, group = "owner", _("Owner"), "place"
    params = (
        is_one_of(labelled([("in", _("is one of")), ("nobody", _("is nobody"))])),
        ids(
            "staff",
            pgettext_lazy("colleagues", "people"),
            "staff",
            is_required=True,
            when={"is": ("in",)},
        ),
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
