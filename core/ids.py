"""Ids as addresses and forms carry them."""

from __future__ import annotations

from typing import Any

# A bigint of PostgreSQL holds every number of so many digits; no sequence gets there.
MOST_DIGITS = 18


def as_id(given: Any) -> int | None:
    """The id a text says; None for what is no id of a row ("", "１", "-1", "10 ** 30")."""
    text = str(given)
    is_id = text.isascii() and text.isdigit() and len(text) <= MOST_DIGITS
    return int(text) if is_id else None
