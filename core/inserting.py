"""Inserting a row that may stand already, in one statement and without a savepoint."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from django.db import connection, models


def insert_new(row: models.Model) -> bool:
    """INSERT … ON CONFLICT DO NOTHING: True when the row is new, and `pk` is set then.

    False when a unique constraint says that it stands; the row at hand stays unsaved.
    Like `bulk_create` it sends no signals. In a transaction it waits for another one
    that is inserting the same.
    """
    fields, sql = _statement(type(row))
    values = [
        field.get_db_prep_save(field.pre_save(row, add=True), connection)
        for field in fields
    ]
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        found = cursor.fetchone()
    if found is None:
        return False
    row.pk = found[0]
    row._state.adding, row._state.db = False, connection.alias
    return True


@lru_cache(maxsize=64)
def _statement(model: type[models.Model]) -> tuple[list[models.Field[Any, Any]], str]:
    meta = model._meta
    assert meta.pk is not None
    fields = [field for field in meta.concrete_fields if not field.primary_key]
    quote = connection.ops.quote_name
    columns = ", ".join(quote(str(field.column)) for field in fields)
    marks = ", ".join(_mark(field) for field in fields)
    return fields, (
        f"INSERT INTO {quote(meta.db_table)} ({columns}) VALUES ({marks})"  # noqa: S608
        f" ON CONFLICT DO NOTHING RETURNING {quote(str(meta.pk.column))}"
    )


def _mark(field: models.Field[Any, Any]) -> str:
    """Where the value goes; fields of some types (arrays) name it for PostgreSQL."""
    placeholder = getattr(field, "get_placeholder", None)
    return str(placeholder(None, None, connection)) if placeholder else "%s"
