"""Ids as addresses and forms carry them."""

from __future__ import annotations

from typing import Any, TypeVar

from django.db.models import Model, QuerySet
from django.http import Http404

# A bigint of PostgreSQL holds every number of so many digits; no sequence gets there.
MOST_DIGITS = 18

Row = TypeVar("Row", bound=Model)


def as_id(given: Any) -> int | None:
    """The id a text says; None for what is no id of a row ("", "１", "-1", "10 ** 30")."""
    text = str(given)
    is_id = text.isascii() and text.isdigit() and len(text) <= MOST_DIGITS
    return int(text) if is_id else None


def one_of(rows: QuerySet[Row], given: Any) -> Row:
    """The row of `rows` with the id an address names; Http404 without it."""
    pk = as_id(given)
    row = None if pk is None else rows.filter(pk=pk).first()
    if row is None:
        raise Http404
    return row
