"""Re-encrypting every stored secret under the first key of FIELD_KEYS, online.

Rows are read in batches and written back only when they still hold what was read: a
value changed meanwhile was already encrypted under the first key.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from cryptography.fernet import Fernet, InvalidToken
from django.apps import apps
from django.conf import settings
from django.db import connection, models
from psycopg import sql

from core.encryption import EncryptedBytesField, EncryptedTextField, rotate

BATCH_ROWS = 500
Step = Callable[[int], None]


def encrypted_fields() -> list[tuple[type[models.Model], list[str]]]:
    """Every model of the installation with its encrypted columns."""
    found = []
    for model in apps.get_models():
        columns = [
            str(field.column)
            for field in model._meta.local_concrete_fields
            if isinstance(field, (EncryptedBytesField, EncryptedTextField))
        ]
        if columns:
            found.append((model, columns))
    return found


def rotate_all(step: Step) -> dict[str, int]:
    """Re-encrypt what is not under the first key; `step(rows)` after every batch.

    Returns {"rows": looked at, "changed": values written anew}. Raises Undecryptable
    when no key opens a value (core.encryption).
    """
    first = Fernet(settings.FIELD_KEYS[0])
    rows = changed = 0
    for model, columns in encrypted_fields():
        for batch in _batches(model, columns):
            for key, *values in batch:
                for column, value in zip(columns, values, strict=True):
                    if value and not _is_current(first, bytes(value)):
                        changed += _replace(model, column, key, bytes(value))
            rows += len(batch)
            step(len(batch))
    return {"rows": rows, "changed": changed}


def _is_current(first: Fernet, token: bytes) -> bool:
    try:
        first.decrypt(token)
    except InvalidToken:
        return False
    return True


def _batches(
    model: type[models.Model], columns: list[str]
) -> Iterator[list[tuple[Any, ...]]]:
    key = str(model._meta.pk.column)
    fields = sql.SQL(", ").join(map(sql.Identifier, [key, *columns]))
    table = sql.Identifier(model._meta.db_table)
    first = sql.SQL("SELECT {} FROM {} ORDER BY {} LIMIT {}").format(
        fields, table, sql.Identifier(key), BATCH_ROWS
    )
    following = sql.SQL("SELECT {} FROM {} WHERE {} > %s ORDER BY {} LIMIT {}").format(
        fields, table, sql.Identifier(key), sql.Identifier(key), BATCH_ROWS
    )
    last: Any = None
    while True:
        with connection.cursor() as cursor:
            if last is None:
                cursor.execute(first)
            else:
                cursor.execute(following, [last])
            batch = cursor.fetchall()
        if not batch:
            return
        yield batch
        last = batch[-1][0]


def _replace(model: type[models.Model], column: str, key: Any, old: bytes) -> int:
    statement = sql.SQL("UPDATE {} SET {} = %s WHERE {} = %s AND {} = %s").format(
        sql.Identifier(model._meta.db_table),
        sql.Identifier(column),
        sql.Identifier(str(model._meta.pk.column)),
        sql.Identifier(column),
    )
    with connection.cursor() as cursor:
        cursor.execute(statement, [rotate(old), key, old])
        return int(cursor.rowcount)
