"""Empties the database after a test that commits.

Django's own flush truncates some hundred tables and makes every permission anew, 0.2 s a
test; here only what holds rows is deleted. Content types, permissions and roles stay,
groups that are no role go.
"""

from __future__ import annotations

from django.db import connection
from django.test import TransactionTestCase

from staff.accounts import forget_writers
from staff.roles import ROLES

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
_STRANGERS = """
WITH stranger AS (DELETE FROM auth_group WHERE name <> ALL(%s) RETURNING id)
DELETE FROM auth_group_permissions WHERE group_id IN (SELECT id FROM stranger)
"""


def install() -> None:
    """Let Django's tests that commit end this way."""
    TransactionTestCase._fixture_teardown = lambda _case: empty()  # type: ignore[method-assign]


def empty() -> None:
    """Delete what is there, but for roles and what Django knows of models."""
    with connection.cursor() as cursor:
        cursor.execute(_EMPTY)
        cursor.execute(_STRANGERS, [[role.name for role in ROLES]])
    forget_writers()
