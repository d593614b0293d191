"""Bulk COPY into the tables of members, with what slows it down put aside meanwhile."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import connection, models, transaction

# Statements that bring back what was put aside, for a run that was killed.
_PENDING = "crm_generating_pending"
_RESTORE_MEMORY = "512MB"


class Table:
    """Lines for COPY of one model: the columns given, then defaults of all the others."""

    def __init__(self, model: type[models.Model], *names: str) -> None:
        self.model = model
        fields = {field.name: field for field in model._meta.concrete_fields}
        rest = [
            field
            for name, field in fields.items()
            if name not in names and not (field.primary_key and field.is_relation)
        ]
        rest = [field for field in rest if not isinstance(field, models.AutoField)]
        columns = [fields[name].column for name in names]
        columns += [field.column for field in rest]
        self.name = model._meta.db_table
        self.columns = ", ".join(f'"{column}"' for column in columns)
        # Ends every line.
        self.rest = "".join(f"\t{_default(field)}" for field in rest) + "\n"
        self.lines: list[str] = []

    def flush(self) -> int:
        """Write the lines collected; returns how many."""
        count = len(self.lines)
        if count:
            statement = f"COPY {self.name} ({self.columns}) FROM STDIN"
            with connection.cursor() as cursor, cursor.copy(statement) as copy:
                copy.write("".join(self.lines).encode())
            self.lines.clear()
        return count


def text(value: str) -> str:
    """A value of COPY's text format."""
    value = value.replace("\\", "\\\\").replace("\t", "\\t")
    return value.replace("\n", "\\n").replace("\r", "\\r")


def array(values: Sequence[str]) -> str:
    """A text[] of COPY's text format."""
    quoted = (v.replace("\\", "\\\\").replace('"', '\\"') for v in values)
    return text("{" + ",".join(f'"{value}"' for value in quoted) + "}")


def blob(value: bytes) -> str:
    """A bytea of COPY's text format."""
    return f"\\\\x{value.hex()}"


def _default(field: Any) -> str:
    value = field.get_default()
    if getattr(field, "auto_now_add", False) or getattr(field, "auto_now", False):
        return "now"
    if value is None:
        return "\\N"
    if field.get_internal_type() == "BinaryField":
        return blob(b"")
    if isinstance(value, bool):
        return "t" if value else "f"
    if isinstance(value, (list, tuple)):
        return array(value)
    if isinstance(value, dict):
        return "{}"
    if isinstance(value, (str, int, float, Decimal, datetime)):
        return text(str(value))
    raise TypeError(f"{field}: no default for COPY")


@contextmanager
def bare(tables: Sequence[type[models.Model]]) -> Iterator[None]:
    """Foreign keys, secondary indexes and triggers of the tables off, then on again.

    Brought back also when the load fails; after a kill by the next `restore`.
    """
    restore()
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            f"CREATE TABLE {_PENDING} (id serial PRIMARY KEY, statement text NOT NULL)"
        )
        for model in tables:
            _strip(cursor, model._meta.db_table)
    try:
        yield
    finally:
        restore()


def restore() -> None:
    """Bring back what a load put aside; does nothing when nothing is missing."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass(%s)", [_PENDING])
        if cursor.fetchone()[0] is None:
            return
        cursor.execute(f"SELECT id, statement FROM {_PENDING} ORDER BY id")  # noqa: S608
        for key, statement in cursor.fetchall():
            with transaction.atomic():
                cursor.execute(f"SET LOCAL maintenance_work_mem = '{_RESTORE_MEMORY}'")
                cursor.execute(statement)
                cursor.execute(f"DELETE FROM {_PENDING} WHERE id = %s", [key])  # noqa: S608
        cursor.execute(f"DROP TABLE {_PENDING}")


_CONSTRAINTS = """
SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint
WHERE conrelid = %s::regclass AND contype = ANY(%s) ORDER BY contype DESC, conname
"""
_INDEXES = """
SELECT pg_get_indexdef(indexrelid), indexrelid::regclass::text
FROM pg_index WHERE indrelid = %s::regclass AND NOT indisprimary AND NOT indisunique
"""


def _strip(cursor: Any, table: str) -> None:
    cursor.execute(_CONSTRAINTS, [table, ["f", "u"]])
    for name, definition in cursor.fetchall():
        cursor.execute(f'ALTER TABLE {table} DROP CONSTRAINT "{name}"')
        _pend(cursor, f'ALTER TABLE {table} ADD CONSTRAINT "{name}" {definition}')
    cursor.execute(_INDEXES, [table])
    for definition, name in cursor.fetchall():
        cursor.execute(f"DROP INDEX {name}")
        # Of a partitioned table the partitions' indexes too.
        _pend(cursor, definition.replace(" ON ONLY ", " ON "))
    cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
    _pend(cursor, f"ALTER TABLE {table} ENABLE TRIGGER USER")


def _pend(cursor: Any, statement: str) -> None:
    cursor.execute(f"INSERT INTO {_PENDING} (statement) VALUES (%s)", [statement])  # noqa: S608


def free_ids(model: type[models.Model], count: int) -> int:
    """Set `count` primary keys of the model apart; the first of them."""
    table, column = model._meta.db_table, model._meta.pk.column
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"LOCK TABLE {table} IN SHARE ROW EXCLUSIVE MODE")
        cursor.execute(f"SELECT coalesce(max({column}), 0) + 1 FROM {table}")  # noqa: S608
        first = int(cursor.fetchone()[0])
        cursor.execute(
            "SELECT setval(pg_get_serial_sequence(%s, %s), %s)",
            [table, column, first + count],
        )
    return first
