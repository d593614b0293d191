"""Empties the database after a test that commits.

Django's own flush truncates some hundred tables and makes every permission anew, 0.2 s a
test; here only what holds rows is deleted. Content types, permissions and roles stay.
"""

from __future__ import annotations

from django.db import connection
from django.test import TransactionTestCase

from staff.accounts import forget_writers

# Without triggers: a trail that refuses to be changed goes too, and rows in any order.
_EMPTY = """
DO $$
DECLARE
    name text;
    filled boolean;
BEGIN
    SET LOCAL session_replication_role = replica;
    FOR name IN
        SELECT format('%I.%I', schemaname, tablename) FROM pg_tables
        WHERE schemaname = 'public' AND tablename NOT IN
            ('django_migrations', 'django_content_type', 'auth_permission',
            'auth_group', 'auth_group_permissions')
    LOOP
        EXECUTE 'SELECT EXISTS (SELECT FROM ' || name || ')' INTO filled;
        IF filled THEN
            EXECUTE 'DELETE FROM ' || name;
        END IF;
    END LOOP;
END $$
"""


def install() -> None:
    """Let Django's tests that commit end this way."""
    TransactionTestCase._fixture_teardown = _empty  # type: ignore[method-assign]


def _empty(self: TransactionTestCase) -> None:
    with connection.cursor() as cursor:
        cursor.execute(_EMPTY)
    forget_writers()
