"""Every admin page opens, and a longer list costs no more queries.

`tests/query_counts.json` pins the queries of each list at 1 and 20 rows and of each
form. After reading what changed: UPDATE_QUERY_COUNTS=1 ./script/test
tests/test_admin_smoke.py, then look at the difference before committing it.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from django.contrib import admin
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from tests.conftest import build_staff
from tests.core.worlds import World

TABLE = Path(__file__).with_name("query_counts.json")
UPDATES = bool(os.environ.get("UPDATE_QUERY_COUNTS"))
ADMINS = sorted(admin.site._registry.items(), key=lambda pair: pair[0]._meta.label)


def _address(model: Any, view: str, *args: Any) -> str:
    opts = model._meta
    return reverse(f"admin:{opts.app_label}_{opts.model_name}_{view}", args=args)


# A name a customer might choose; no page may print it as markup.
HOSTILE = "<i>Sm"


def _count(client: Client, address: str) -> int:
    with CaptureQueriesContext(
        connection,
    ) as queries:
        response = client.get(address)
    assert response.status_code == 200, address
    assert HOSTILE not in response.content.decode(), "A page prints a name unescaped"
    whole = [
        each["sql"]
        for each in queries
        if "COUNT(*)" in each["sql"] and " WHERE " not in each["sql"]
    ]
    assert not whole, "A page counts a whole table"
    return len(queries)


@pytest.mark.parametrize(
    ("model", "model_admin"),
    ADMINS,
    ids=[model._meta.label_lower for model, _a in ADMINS],
)
def test_lists_and_forms_open_at_a_fixed_number_of_queries(
    model: Any, model_admin: Any, db: None
) -> None:
    world = World(HOSTILE)
    person = build_staff("administrator", org_unit=world.root)
    client = Client()
    client.force_login(person)
    client.get(reverse("admin:me"))  # the session writes its times once

    row = world.row(model)
    # What is read once per process, such as content types.
    client.get(_address(model, "changelist"))
    client.get(_address(model, "change", row.pk))
    found = {"list of 1": _count(client, _address(model, "changelist"))}
    found["form"] = _count(client, _address(model, "change", row.pk))
    for _number in range(19):
        world.fresh(model)
    found["list of 20"] = _count(client, _address(model, "changelist"))

    expected = json.loads(TABLE.read_text()) if TABLE.exists() else {}
    if UPDATES:
        expected[model._meta.label_lower] = found
        TABLE.write_text(json.dumps(expected, indent=2, sort_keys=True) + "\n")
    assert found == expected.get(model._meta.label_lower)


@pytest.mark.parametrize(
    ("model", "model_admin"),
    ADMINS,
    ids=[model._meta.label_lower for model, _a in ADMINS],
)
def test_the_form_for_a_new_row_opens_where_rows_can_be_added(
    model: Any, model_admin: Any, db: None
) -> None:
    person = build_staff("administrator", org_unit=World(HOSTILE).root)
    client = Client()
    client.force_login(person)
    request = type("Request", (), {"user": person, "GET": {}, "POST": {}})()
    may_add = model_admin.has_add_permission(request)
    response = client.get(_address(model, "add"))
    assert response.status_code == (200 if may_add else 403)
