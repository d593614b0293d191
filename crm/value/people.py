"""Whom a statement is about: a range of ids of one data controller, or a few of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from crm.models import Tag

# Tags that take somebody out of figures, raise them, or speak for and against us, by
# the built-in keys of crm/data/tag_taxonomy.csv, whatever they are called by now.
EXCLUDED = ("role.Employee", "role.Dealer", "role.Test")
TOP_LEVEL = ("level.VIP",)
UNHAPPY = ("service.Complaint open", "service.Detractor")
ADVOCATE = ("role.KOC", "role.Contributor", "service.Praiser")
RULING = frozenset((*EXCLUDED, *TOP_LEVEL, *UNHAPPY, *ADVOCATE))


@dataclass(frozen=True)
class People:
    """Members with ids from `first` to `last`, or exactly `ids`; of one controller."""

    controller_id: int
    first: int = 0
    last: int = 0
    ids: list[int] | None = field(default=None)

    def of(self, column: str) -> str:
        """SQL that narrows `column`; its parameters are those of `params`."""
        if self.ids is None:
            return f"{column} BETWEEN %(first)s AND %(last)s"
        return f"{column} = ANY(%(ids)s)"

    @property
    def params(self) -> dict[str, Any]:
        return {
            "controller": self.controller_id,
            "first": self.first,
            "last": self.last,
            "ids": self.ids,
        }


def tag_ids(builtin_keys: tuple[str, ...]) -> list[int]:
    """The tags behind these keys, archived ones too: who carries them is who they are."""
    rows = Tag.objects.filter(builtin_key__in=builtin_keys)
    return list(rows.order_by("id").values_list("id", flat=True))
