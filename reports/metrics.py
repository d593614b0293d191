"""The one definition of every figure that is shown: reports/data/metrics.csv.

Codes C… and their formulas are those of the key-figure dictionary of the domain; T… are
the counts of a touch, F… are for reference only.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from django.utils.translation import get_language

DATA = Path(__file__).parent / "data"
FIELDS = ("name", "formula", "grain", "unit", "source", "pitfall")


@dataclass(frozen=True)
class Metric:
    """A figure's definition, in the reader's language."""

    code: str
    words: dict[str, str]

    @property
    def name(self) -> str:
        return self._say("name")

    @property
    def formula(self) -> str:
        return self._say("formula")

    @property
    def grain(self) -> str:
        return self._say("grain")

    @property
    def unit(self) -> str:
        return self._say("unit")

    @property
    def source(self) -> str:
        return self._say("source")

    @property
    def pitfall(self) -> str:
        return self._say("pitfall")

    def _say(self, field: str) -> str:
        return self.words[f"{field}_{_language()}"]


@dataclass(frozen=True)
class WeightName:
    """A weight a formula uses, with its built-in value."""

    metric: str
    name: str
    value: str
    effective_from: str
    name_zh: str
    name_en: str

    @property
    def label(self) -> str:
        return self.name_zh if _language() == "zh" else self.name_en


def _language() -> str:
    return "en" if (get_language() or "").startswith("en") else "zh"


@cache
def all_metrics() -> dict[str, Metric]:
    """By code, in the order of the dictionary."""
    with (DATA / "metrics.csv").open(encoding="utf-8", newline="") as file:
        return {row["code"]: Metric(row["code"], row) for row in csv.DictReader(file)}


@cache
def weight_names() -> dict[tuple[str, str], WeightName]:
    with (DATA / "weights.csv").open(encoding="utf-8", newline="") as file:
        rows = [WeightName(**row) for row in csv.DictReader(file)]
    return {(row.metric, row.name): row for row in rows}
