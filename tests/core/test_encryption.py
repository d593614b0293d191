"""Secrets are unreadable in the database and survive a change of keys."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.core.management import call_command
from django.db import connection
from psycopg import sql

from core.encryption import Undecryptable, blind_index, decrypt, encrypt
from core.rotation import encrypted_fields
from tests.core.worlds import World

OLD, NEW = Fernet.generate_key().decode(), Fernet.generate_key().decode()


def _stored(model: Any, column: str, pk: int) -> bytes:
    with connection.cursor() as cursor:
        cursor.execute(
            sql.SQL("SELECT {} FROM {} WHERE id = %s").format(
                sql.Identifier(column), sql.Identifier(model._meta.db_table)
            ),
            [pk],
        )
        return bytes(cursor.fetchone()[0])


def test_every_encrypted_field_is_found_and_turned_to_the_first_key(
    db: None, settings: Any
) -> None:
    settings.FIELD_KEYS = [OLD]
    world = World("Kept")
    rows = {model: world.row(model) for model, _columns in encrypted_fields()}
    assert len(rows) >= 3
    settings.FIELD_KEYS = [NEW, OLD]
    call_command("rotate_field_keys", verbosity=0)
    settings.FIELD_KEYS = [NEW]
    for model, columns in encrypted_fields():
        fresh = model._base_manager.get(pk=rows[model].pk)
        for column in columns:
            assert _stored(model, column, fresh.pk) != getattr(rows[model], column)
            value = getattr(fresh, column)
            assert value == getattr(rows[model], column)
    assert call_command("rotate_field_keys", verbosity=0) is None


def test_a_value_changed_during_the_rotation_is_not_overwritten(
    db: None, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from core import rotation

    settings.FIELD_KEYS = [OLD]
    model, columns = encrypted_fields()[0]
    row = World("Race").row(model)
    settings.FIELD_KEYS = [NEW, OLD]
    original = rotation._replace

    def race(model: Any, column: str, key: Any, old: bytes) -> int:
        with connection.cursor() as cursor:
            cursor.execute(
                sql.SQL("UPDATE {} SET {} = %s WHERE id = %s").format(
                    sql.Identifier(model._meta.db_table), sql.Identifier(column)
                ),
                [encrypt(b"newer"), key],
            )
        return original(model, column, key, old)

    monkeypatch.setattr(rotation, "_replace", race)
    assert rotation.rotate_all(lambda _count: None)["changed"] == 0
    assert decrypt(_stored(model, columns[0], row.pk)) == b"newer"


def test_a_lost_key_is_said_clearly(settings: Any) -> None:
    settings.FIELD_KEYS = [OLD]
    token = encrypt(b"secret")
    settings.FIELD_KEYS = [NEW]
    with pytest.raises(Undecryptable):
        decrypt(token)


def test_look_up_hashes_depend_on_key_and_purpose(settings: Any) -> None:
    settings.SEARCH_KEY = "one"
    first = blind_index("13800000000", purpose="phone")
    assert first == blind_index("13800000000", purpose="phone")
    assert first != blind_index("13800000000", purpose="tail")
    settings.SEARCH_KEY = "two"
    assert first != blind_index("13800000000", purpose="phone")
