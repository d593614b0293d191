"""What somebody was put into: tags, and the words computed of them (crm.value)."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.translation import gettext_lazy as _

from core.registry import Text
from crm.models import Member
from crm.segments.conditions.declaring import UNKNOWN, Condition, ids, labelled
from crm.segments.params import Param

_RFM = labelled([*Member.Rfm.choices, (UNKNOWN, _("not scored yet"))])


@dataclass(frozen=True, kw_only=True)
class Tags(Condition):
    """`any`: at least one of these, `all`: each, `none`: not one; what is given, holds."""

    on, label, group = "tags", _("Tags"), "tags"
    params = (
        ids("any", _("any of"), "tag"),
        ids("all", _("all of"), "tag"),
        ids("none", _("none of"), "tag"),
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
    """The lifecycle stage (crm.value.states)."""

    on, label, group = "stage", _("Lifecycle stage"), "tags"
    params = (
        Param(
            "in",
            _("is one of"),
            "choices",
            choices=labelled(Member.Stage.choices),
            is_required=True,
        ),
    )

    in_: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Rfm(Condition):
    """The RFM segment (crm.value.states); “unknown” is who was not scored."""

    on, label, group = "rfm", _("RFM segment"), "tags"
    params = (Param("in", _("is one of"), "choices", choices=_RFM, is_required=True),)

    in_: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Trust(Condition):
    """The trust level T0–T3 (crm.value.states)."""

    on, label, group = "trust", _("Trust"), "tags"
    params = (
        Param(
            "in",
            _("is one of"),
            "choices",
            choices=labelled(Member.Trust.choices),
            is_required=True,
        ),
    )

    in_: tuple[str, ...]
