"""Figures an administrator may change, with their defaults and units."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from core.models import SystemSetting
from core.registry import Text


@dataclass(frozen=True)
class Declaration:
    """`unit` is shown beside the field; `minimum`/`maximum` bound whole numbers."""

    key: str
    label: Text
    default: Any
    unit: Text = ""
    help_text: Text = ""
    minimum: int | None = None
    maximum: int | None = None


declarations: dict[str, Declaration] = {}


def declare(declaration: Declaration) -> None:
    declarations[declaration.key] = declaration


def get(key: str) -> Any:
    """The value in force; KeyError for a key nobody declared."""
    default = declarations[key].default
    row = SystemSetting.objects.filter(key=key).values_list("value", flat=True).first()
    return default if row is None else row
