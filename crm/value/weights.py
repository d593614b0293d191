"""The numbers of the value rules: dated rows, the newest that has begun is in force.

crm/data/score_weights.csv names every key with its built-in value and its bounds.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cache
from pathlib import Path

from django.db.models import Q
from django.utils.translation import get_language

from crm.models import Category, ScoreWeight

DATA = Path(__file__).parent.parent / "data"
BEGINNING = date(2020, 1, 1)


@dataclass(frozen=True)
class Key:
    """A number of the rules; `by_category`: categories may have their own."""

    name: str
    value: Decimal
    minimum: Decimal
    maximum: Decimal
    is_whole: bool
    by_category: bool
    words: dict[str, str]

    @property
    def label(self) -> str:
        is_english = (get_language() or "").startswith("en")
        return self.words["name_en" if is_english else "name_zh"]


@cache
def keys() -> dict[str, Key]:
    """By name, in the order of the pages."""
    with (DATA / "score_weights.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return {
        row["key"]: Key(
            name=row["key"],
            value=Decimal(row["value"]),
            minimum=Decimal(row["minimum"]),
            maximum=Decimal(row["maximum"]),
            is_whole=row["whole"] == "1",
            by_category=row["by_category"] == "1",
            words=row,
        )
        for row in rows
    }


def plain(number: Decimal | int) -> str:
    """A number without needless zeros: "60", "0.5"."""
    text = f"{number:f}" if isinstance(number, Decimal) else str(number)
    return text.rstrip("0").rstrip(".") if "." in text else text


class Weights:
    """The numbers in force on a day for one data controller (one query).

    Its own row for the category beats its own for all, and that the shared ones.
    """

    def __init__(self, day: date, controller_id: int | None) -> None:
        rows = ScoreWeight.objects.filter(
            Q(controller=None) | Q(controller=controller_id), effective_from__lte=day
        )
        self._found = {
            (row.controller_id, row.category_id, row.key): row.value
            for row in rows.order_by("effective_from", "id")
        }
        self._owners = dict.fromkeys((controller_id, None))

    def get(self, key: str, category_id: int | None = None) -> Decimal:
        for owner in self._owners:
            for category in dict.fromkeys((category_id, None)):
                found = self._found.get((owner, category, key))
                if found is not None:
                    return found
        return keys()[key].value

    def whole(self, key: str, category_id: int | None = None) -> int:
        return int(self.get(key, category_id))


def load_builtin() -> None:
    """Add the categories and shared weights that are missing; changed ones stay."""
    with (DATA / "categories.csv").open(encoding="utf-8", newline="") as file:
        Category.objects.bulk_create(
            (
                Category(
                    code=row["code"],
                    name=row["name"],
                    cycle_days=int(row["cycle_days"]) if row["cycle_days"] else None,
                )
                for row in csv.DictReader(file)
            ),
            ignore_conflicts=True,
        )
    ScoreWeight.objects.bulk_create(
        (
            ScoreWeight(key=key.name, value=key.value, effective_from=BEGINNING)
            for key in keys().values()
        ),
        ignore_conflicts=True,
    )
