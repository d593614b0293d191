"""Figures an administrator may change, with their defaults and units."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

from core import snapshot
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
    row = snapshot.of(("core.system_settings", key), partial(_row, key))
    return default if row is None else row


def _row(key: str) -> Any:
    rows = SystemSetting.objects.filter(key=key)
    return rows.values_list("value", flat=True).first()
