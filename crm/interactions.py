"""What counts as an interaction: C08, the one definition that reports and values share.

Source: key-figure dictionary C08 "Σ customer-initiated events, each once, at most 50 a
day and person". Following and scanning are automatic events and not counted (C09).
Every line of a history stands once (UNIQUE(key, at)), so counting lines is enough.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

# Kinds of lines that customers cause by tapping; every "message.…" is one too.
acts: list[str] = ["click", "view", "miniprogram", "menu"]
MESSAGES = "message.%"
DEFAULT_CAP = 50

_caps: list[Callable[[date], int]] = []


def add_act(kind: str) -> None:
    """Count lines of `kind` too; apps above add theirs in AppConfig.ready()."""
    if kind not in acts:
        acts.append(kind)


def read_cap_from(cap_on: Callable[[date], int]) -> None:
    """Have the cap a person and day told by `cap_on(day)`."""
    _caps[:] = [cap_on]


def cap_on(day: date) -> int:
    """How many interactions of one person count on `day`."""
    return _caps[0](day) if _caps else DEFAULT_CAP
