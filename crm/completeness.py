"""How much of a member's profile is known, and what to ask for next."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from core.registry import Text
from crm.models import Member


@dataclass(frozen=True)
class Part:
    """One thing worth knowing; `field` is that of the form it is filled in with."""

    name: str
    label: Text
    is_known: Callable[[Member], bool]
    field: str = ""


PARTS = (
    Part(
        "name",
        pgettext_lazy("a member", "name"),
        lambda member: bool(member.remark) or not member.is_placeholder_name,
        "remark",
    ),
    Part("phone", _("phone"), lambda member: bool(member.phone_hash), "phone"),
    Part("gender", _("gender"), lambda member: bool(member.gender), "gender"),
    Part(
        "birthday",
        _("birthday"),
        lambda member: member.birthday is not None,
        "birthday",
    ),
    Part("city", _("city"), lambda member: bool(member.city), "city"),
    Part(
        "store", _("store"), lambda member: member.org_unit_id is not None, "org_unit"
    ),
    Part(
        "owner",
        pgettext_lazy("a member", "owner"),
        lambda member: member.owner_id is not None,
        "owner",
    ),
    Part(
        "channel", _("a channel that reaches them"), lambda member: member.is_reachable
    ),
)


@dataclass(frozen=True)
class Completeness:
    """`percent` of the parts are known; `missing` are the others."""

    percent: int
    missing: tuple[Part, ...]


def of(member: Member) -> Completeness:
    """Worked out from the row as it stands, so every edit counts at once."""
    missing = tuple(part for part in PARTS if not part.is_known(member))
    known = len(PARTS) - len(missing)
    return Completeness(100 * known // len(PARTS), missing)
