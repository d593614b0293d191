"""COPY of rows the ORM describes: every column with its default, encrypted where it is."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from django.db import connection, models

from core.encryption import EncryptedBytesField, EncryptedTextField


@dataclass(frozen=True)
class Columns:
    """The columns of a table; `row` gives the values of one line in their order."""

    table: str
    names: tuple[str, ...]
    defaults: dict[str, Any]
    makers: dict[str, Callable[[], Any]]
    prepare: dict[str, Callable[[Any], Any]]

    @staticmethod
    @lru_cache(maxsize=16)
    def of(model: type[models.Model]) -> Columns:
        fields = model._meta.concrete_fields
        prepare: dict[str, Callable[[Any], Any]] = {
            str(field.column): field.get_prep_value
            for field in fields
            if isinstance(field, (EncryptedTextField, EncryptedBytesField))
        }
        plain, makers = {}, {}
        for field in fields:
            name = str(field.column)
            if callable(field.default) and field.default is not list:
                makers[name] = field.get_default
            else:
                value = field.get_default()
                plain[name] = prepare[name](value) if name in prepare else value
        names = tuple(str(field.column) for field in fields)
        return Columns(model._meta.db_table, names, plain, makers, prepare)

    def row(self, **given: Any) -> list[Any]:
        given = self.prepared(given)
        return [
            _text(given[name])
            if name in given
            else self.makers[name]()
            if name in self.makers
            else self.defaults[name]
            for name in self.names
        ]

    def prepared(self, given: dict[str, Any]) -> dict[str, Any]:
        return {
            name: self.prepare[name](value) if name in self.prepare else value
            for name, value in given.items()
        }

    def copy(self, rows: Iterable[list[Any]]) -> None:
        copy(self.table, self.names, rows)


def _text(value: Any) -> Any:
    """A list as PostgreSQL writes arrays: many times quicker than adapting it."""
    if not isinstance(value, list):
        return value
    quoted = (
        each.replace("\\", "\\\\").replace('"', '\\"') for each in map(str, value)
    )
    return "{" + ",".join(f'"{each}"' for each in quoted) + "}"


def copy(table: str, names: Iterable[str], rows: Iterable[Iterable[Any]]) -> None:
    """Write the rows into the table, in the transaction at hand."""
    columns = ", ".join(f'"{name}"' for name in names)
    statement = f'COPY "{table}" ({columns}) FROM STDIN'
    with connection.cursor() as cursor, cursor.copy(statement) as stream:
        for row in rows:
            stream.write_row(row)


def next_ids(model: type[models.Model], count: int) -> list[int]:
    """Ids of rows to come, taken from the table's own sequence."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT nextval(pg_get_serial_sequence(%s, 'id')) FROM generate_series(1, %s)",
            [model._meta.db_table, count],
        )
        return [row[0] for row in cursor.fetchall()]
