"""Who may open what: every address × every role → the status kept in the table.

`tests/permission_matrix.csv` is the reviewed truth. A new address without a row fails.
After reading what changed: UPDATE_PERMISSION_MATRIX=1 ./script/test
tests/test_permission_matrix.py, then look at the difference before committing it.
"""

from __future__ import annotations

import copy
import csv
import os
import re
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.db import connection, transaction
from django.test import Client
from django.urls import get_resolver

from staff import tokens
from staff.roles import ROLES
from tests.conftest import build_staff
from tests.core.worlds import World
from tests.urlconf import Address, all_views

TABLE = Path(__file__).with_name("permission_matrix.csv")
UPDATES = bool(os.environ.get("UPDATE_PERMISSION_MATRIX"))
COLUMNS = ["anonymous", *(role.name for role in ROLES)]

# Answered without a log-in, and why.
OPEN = {
    "GET readyz": "Probes of the machine itself; says which part is not well, no more.",
    "GET admin/login/": "The log-in page.",
    "GET admin/jsi18n/": "Words of the date picker, which the log-in page may load.",
    "GET api/v1/schema/": "The API's description; it names no row.",
    "GET api/v1/docs/": "The same, drawn.",
    "POST i18n/setlang/": "The language of the log-in page; 302, a cookie.",
    "GET l/<str:token>": "Links in messages; a signed token or 404.",
    "GET l/<str:token>/who": "The platform sends back here; a signed token or 404.",
}
# Views outside the CSRF check: they know their callers otherwise.
# By token, never by cookie.
CSRF_EXEMPT_PREFIXES = ("api/v1/", "p/<str:token>", "r/<str:token>")

# The admin's catch-all, and its redirect of the addresses of Django 1.8.
SKIPPED = ("(?P<url>.*)$", "<path:object_id>/")

# Views that answer GET with 405.
POST_ONLY = (
    *("setlang/$", "logout/$", "sessions/end/$", "cancel/$", "language/$"),
    *(
        "/remark/$",
        "/reveal/$",
        "member/.*/(tags|notes)/$",
        "member/.*/(consent|complaint|links|buyer)/$",
        "workspace/.*/do/",
        "workspace/(here|status)/$",
    ),
    *("matchreview/.*/decide/$", "crm/merge/.*/undo/$"),
    "reports/campaigns/.*/(refresh|lock|learnings)/$",
    *("campaign/.*/(start|add-task)/$", "campaigns/(tasks|gate-points)/"),
    "campaigns/touch/.*/(do|audience)/$",
    *("/item/.*/(submit|approve|return|withdraw|archive|restore|plan)/$",),
    *("slots/.*/(move|cancel|publish|exchange)/$", "content/preview/$"),
    *("crm/(imports|exports)/.*/do/$", "crm/exports/.*/file/$"),
    *("rotate-keys/$", "^api/.*/(claim|reply|close|pause|resume|stop|refunds)/?$"),
    *("member/views/", "crm/segment/.*/(do|restore)/$", "segments?/(estimate|why)/?$"),
    *("tags/(run|.*/archive)/$", "value/recompute/$"),
)

# Which model a parameter of our own addresses means.
MODELS = {
    "api/v1/segments": "crm.Segment",
    "api/v1/orders": "crm.Order",
    "members": "crm.Member",
    "member_id": "crm.Member",
    "conversations": "service.Conversation",
    "conversation_id": "service.Conversation",
    "job_id": "core.Job",
    "import_id": "crm.Import",
    "export_id": "crm.Export",
    "account_id": "wechat.Account",
    "media": "wechat.Media",
    "workspace": "service.Conversation",
    "api/v1/campaigns": "campaigns.Campaign",
    "api/v1/touches": "campaigns.Touch",
    "campaign_id": "campaigns.Campaign",
    "task_id": "campaigns.Task",
    "gate_item_id": "campaigns.GateItem",
    "items": "content.Item",
    "slot_id": "content.Slot",
    "picture_id": "content.Picture",
}
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
}


def _addresses() -> list[Address]:
    found = {each.route: each for each in all_views()}
    return [each for _route, each in sorted(found.items())]


def _method(address: Address) -> str:
    """GET, but POST where the view takes nothing else."""
    if any(re.search(pattern, address.route) for pattern in POST_ONLY):
        return "POST"
    actions = getattr(address.callback, "actions", None)
    if actions and "get" not in actions:
        return str(next(iter(actions))).upper()
    return "GET"


def _key(address: Address, method: str) -> str:
    route = address.route
    if "app_label" in route:
        route = "admin/<app_label>/"  # the pattern lists the apps that have admins
    return f"{method} {route}"


def _path(address: Address, world: World) -> str:
    """The address with every parameter filled with a row of the world."""
    route = address.route.replace("^", "").replace("$", "").replace("\\", "")
    if "(?P<" in address.route:
        return "/" + _regex_sample(address.route)

    def fill(match: re.Match[str]) -> str:
        return str(_sample(match[0], match[1], route, world))

    return "/" + re.sub(r"<(?:\w+:)?(\w+)>", fill, route)


def _regex_sample(route: str) -> str:
    if "verify" in route:
        return "MP_verify_nothing.txt"
    if "app_label" in route:
        return "admin/staff/"
    return re.sub(r"\(\?P<\w+>[^)]*\)", "nothing", route.strip("^$").replace("\\", ""))


def _sample(whole: str, name: str, route: str, world: World) -> Any:
    model = _admin_model(route) or _own_model(name, route)
    if model is not None:
        return world.row(model).pk
    return 999_999 if "int:" in whole else "nothing"


def _admin_model(route: str) -> Any:
    found = re.match(r"admin/(\w+)/(\w+)/", route)
    if found is None:
        return None
    try:
        return apps.get_model(found[1], found[2])
    except LookupError:
        return None


def _own_model(name: str, route: str) -> Any:
    if name in MODELS:
        return apps.get_model(MODELS[name])
    for part, label in MODELS.items():
        if f"/{part}/" in f"/{route}":
            return apps.get_model(label)
    return None


def _client(role: str, world: World) -> tuple[Client, Any, dict[str, str]]:
    client = Client(raise_request_exception=False)
    if role == "anonymous":
        return client, None, {}
    person = build_staff(role, username=f"matrix-{role}", org_unit=world.root)
    token = tokens.issue(person, name="matrix", actor=person)
    return client, person, {"HTTP_AUTHORIZATION": f"Bearer {token}"}


def _walk(role: str) -> tuple[dict[str, str], list[str]]:
    """ "METHOD route" → status, and what was wrong with headers."""
    world = World("Matrix")
    client, person, token = _client(role, world)
    if person is not None:
        client.force_login(person)
    cookies = copy.deepcopy(client.cookies)
    found: dict[str, str] = {}
    wrong: list[str] = []
    for address in _addresses():
        if address.route.endswith(SKIPPED):
            continue
        method = _method(address)
        is_api = address.route.startswith("api/")
        path = _path(address, world)
        client.cookies = copy.deepcopy(cookies)  # as after the log-in
        written = _Written()
        with transaction.atomic(), connection.execute_wrapper(written):
            response = client.generic(
                method,
                path,
                content_type="application/json" if is_api else "text/plain",
                **(token if is_api else {}),
            )
            transaction.set_rollback(True)
        key = _key(address, method)
        found[key] = str(response.status_code)
        wrong += [f"{key}: {line}" for line in _headers(response, person)]
        if method == "GET":
            wrong += [f"{key} writes: {line}" for line in written.statements]
    return found, wrong


# Clocks: of the session, of the token; of the agent at the desk and what they have read.
CLOCKS = (
    *("django_session", "staff_apitoken"),
    *("service_agentstate", "service_conversation"),
)


class _Written:
    """What a GET changed, but for clocks."""

    def __init__(self) -> None:
        self.statements: list[str] = []

    def __call__(self, execute: Any, sql: Any, *rest: Any) -> Any:
        text = str(sql)
        if text.startswith(("INSERT", "UPDATE", "DELETE")) and not any(
            table in text for table in CLOCKS
        ):
            self.statements.append(text[:120])
        return execute(sql, *rest)


def _headers(response: Any, person: Any) -> list[str]:
    wrong = [
        f"{name} is {response.headers.get(name)!r}"
        for name, value in HEADERS.items()
        if response.headers.get(name) != value
    ]
    policy = response.headers.get("Content-Security-Policy", "")
    if "default-src" not in policy or "'unsafe-inline'" in policy.split("style-src")[0]:
        wrong.append(f"Content-Security-Policy is {policy!r}")
    is_page = response.status_code == 200 and person is not None
    if is_page and "no-store" not in response.headers.get("Cache-Control", ""):
        wrong.append(f"Cache-Control is {response.headers.get('Cache-Control')!r}")
    return wrong


def _table() -> dict[str, dict[str, str]]:
    if not TABLE.exists():
        return {}
    with TABLE.open(newline="") as file:
        return {row["address"]: row for row in csv.DictReader(file)}


def _write(role: str, column: dict[str, str]) -> None:
    known = _table()
    with TABLE.open("w", newline="") as file:
        writer = csv.DictWriter(file, ["address", *COLUMNS], lineterminator="\n")
        writer.writeheader()
        for key in sorted(column):
            row = {name: known.get(key, {}).get(name, "") for name in COLUMNS}
            writer.writerow({**row, "address": key, role: column[key]})


@pytest.mark.parametrize("role", COLUMNS)
def test_every_address_answers_every_role_as_the_table_says(
    role: str, db: None
) -> None:
    found, wrong = _walk(role)
    if UPDATES:
        _write(role, found)
    expected = {key: row[role] for key, row in _table().items()}
    assert found == expected
    assert wrong == []
    broken = {key for key, status in found.items() if status.startswith("5")}
    assert broken <= {"GET readyz"}  # no worker runs beside this test


def test_nothing_is_open_to_strangers_but_what_has_a_reason() -> None:
    opened = {key for key, row in _table().items() if row["anonymous"] == "200"}
    assert opened <= OPEN.keys()


def test_only_callers_known_otherwise_skip_the_csrf_check() -> None:
    exempt = [
        each.route
        for each in all_views(get_resolver())
        if getattr(each.callback, "csrf_exempt", False)
        and not each.route.startswith(CSRF_EXEMPT_PREFIXES)
    ]
    assert exempt == []
