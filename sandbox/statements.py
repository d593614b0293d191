"""Ready-made statements for the calls that come by the hundred each second.

Building a query costs the ORM more than SQLite needs to answer it.
"""

import json
from collections.abc import Callable
from functools import cached_property
from typing import Any, Generic, TypeVar

from django.db import connection, models

M = TypeVar("M", bound=models.Model)


def _reader(field: Any) -> Callable[[Any], Any] | None:
    if isinstance(field, models.JSONField):
        return lambda value: None if value is None else json.loads(value)
    return bool if isinstance(field, models.BooleanField) else None


class Select(Generic[M]):
    """Rows of one model by a fixed condition with ``%s`` for its parameters.

    The condition may begin with a JOIN; the model's table is called ``t``.
    """

    def __init__(self, model: type[M], condition: str) -> None:
        self._model, self._condition = model, condition

    @cached_property
    def _names(self) -> list[str]:
        return [field.attname for field in self._model._meta.concrete_fields]

    @cached_property
    def _readers(self) -> list[tuple[int, Callable[[Any], Any]]]:
        fields = self._model._meta.concrete_fields
        readers = [(at, _reader(field)) for at, field in enumerate(fields)]
        return [(at, reader) for at, reader in readers if reader is not None]

    @cached_property
    def _sql(self) -> str:
        fields = self._model._meta.concrete_fields
        columns = ", ".join(f't."{field.column}"' for field in fields)
        table = self._model._meta.db_table
        return f'SELECT {columns} FROM "{table}" t {self._condition}'  # noqa: S608

    def all(self, *parameters: Any) -> list[M]:
        with connection.cursor() as cursor:
            cursor.execute(self._sql, parameters)
            found = [list(row) for row in cursor.fetchall()]
        for row in found:
            for at, reader in self._readers:
                row[at] = reader(row[at])
        return [self._model.from_db("default", self._names, row) for row in found]

    def first(self, *parameters: Any) -> M | None:
        return next(iter(self.all(*parameters)), None)


class Insert:
    """One row of a model; fields that are left out get their defaults."""

    def __init__(self, model: type[models.Model]) -> None:
        self._model = model

    @cached_property
    def _fields(self) -> "list[models.Field[Any, Any]]":
        return [one for one in self._model._meta.concrete_fields if not one.primary_key]

    @cached_property
    def _sql(self) -> str:
        columns = ", ".join(f'"{field.column}"' for field in self._fields)
        marks = ", ".join("%s" for _ in self._fields)
        table = self._model._meta.db_table
        return f'INSERT INTO "{table}" ({columns}) VALUES ({marks})'  # noqa: S608

    def __call__(self, **values: Any) -> int:
        """``values`` by column names; returns the new row's id."""
        row = [
            _written(field, values[field.attname])
            if field.attname in values
            else _written(field, field.get_default())
            for field in self._fields
        ]
        with connection.cursor() as cursor:
            cursor.execute(self._sql, row)
            return int(cursor.lastrowid)


def _written(field: Any, value: Any) -> Any:
    if value is not None and isinstance(field, models.JSONField):
        return json.dumps(value, ensure_ascii=False)
    return value


def run(sql: str, *parameters: Any) -> int:
    """How many rows the statement changed."""
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return int(cursor.rowcount)
