"""What holds on every address: reading changes nothing, secrets stay, no way outside."""

from __future__ import annotations

import json
import logging
import re
from typing import Any

import pytest
from django.db import connection, transaction
from django.test import Client

from core.models import AuditEntry
from privatedomain.processes import BASE_DIR
from staff import tokens
from tests.conftest import PASSWORD, build_staff
from tests.core.worlds import World
from tests.test_permission_matrix import _addresses, _path
from wechat.models import AccessToken, App

CANARY = "canary7f3a9"
WRITES = re.compile(r"(INSERT|UPDATE|DELETE)\b")
# Reading a page may note the session and the last use of a token, no more.
HARMLESS_WRITES = re.compile(
    r'(django_session|"core_heartbeat"|"staff_apitoken" SET "last_used_at")'
)
ELSEWHERE = [
    "//evil.example",
    "///evil.example",
    "\\\\evil.example",
    "/\\evil.example",
    "https:evil.example",
    "https://evil.example",
    "http:///evil.example",
    "javascript:alert(1)",
    "//evil.example/%2f..",
    "\t//evil.example",
    "https://testserver@evil.example/",
    "https://testserver.evil.example/",
]


@pytest.fixture
def world(db: None) -> World:
    made = World("Safe")
    made.viewer.is_superuser = True
    made.viewer.save(update_fields=["is_superuser"])
    return made


def readable(world: World) -> list[str]:
    return [
        _path(address, world)
        for address in _addresses()
        if not address.route.endswith(("(?P<url>.*)$", "<path:object_id>/"))
    ]


class Written:
    """What was changed meanwhile, but for what is harmless."""

    def __init__(self) -> None:
        self.statements: list[str] = []

    def __call__(self, execute: Any, sql: Any, *rest: Any) -> Any:
        text = str(sql)
        if WRITES.match(text) and not HARMLESS_WRITES.search(text):
            self.statements.append(text[:200])
        return execute(sql, *rest)


def test_reading_any_address_changes_nothing_and_shows_no_secret(client, world, caplog):
    """No page, no log and no history shows one."""
    caplog.set_level(logging.DEBUG)
    app = world.row(App)
    app.secret, app.token, app.aes_key = (f"{CANARY}-{n}" for n in range(3))
    app.save(update_fields=["secret", "token", "aes_key"])
    kept = world.row(AccessToken)
    kept.value = f"{CANARY}-access"
    kept.save(update_fields=["value"])
    token = tokens.issue(world.viewer, name="test", actor=world.viewer)
    headers = {"Authorization": f"Bearer {token}"}
    paths = readable(world)
    client.force_login(world.viewer)
    written, shown = [], []

    for path in paths:
        noted = Written()
        with transaction.atomic(), connection.execute_wrapper(noted):
            api = path.startswith("/api/")
            answer = client.get(path, headers=headers if api else {})
            body = b"".join(answer) if answer.streaming else answer.content
            transaction.set_rollback(True)
        text = body.decode(errors="replace")
        shown += [path for secret in (CANARY, token, PASSWORD) if secret in text]
        written += [f"{path}: {statement}" for statement in noted.statements]

    assert written == []
    assert shown == []
    assert CANARY not in caplog.text
    assert token not in caplog.text


def test_no_post_is_taken_from_another_site(world):
    client = Client(enforce_csrf_checks=True)
    client.force_login(world.viewer)
    taken = []

    for address in _addresses():
        if address.route.startswith("api/") or "app_label" in address.route:
            continue
        path = _path(address, world)
        with transaction.atomic():
            status = client.post(path, {"post": "yes"}).status_code
            transaction.set_rollback(True)
        if status not in {403, 404, 405}:
            taken.append(f"{path}: {status}")

    assert taken == []


@pytest.mark.parametrize("elsewhere", ELSEWHERE)
def test_no_way_leads_outside(client, db, elsewhere):
    person = build_staff("agent", username="walker")
    entry = {"username": "walker", "password": PASSWORD, "next": elsewhere}
    answers = [
        client.post("/admin/login/?next=", entry),
        client.post("/i18n/setlang/", {"language": "en", "next": elsewhere}),
    ]
    client.force_login(person)
    answers += [
        client.post("/admin/me/language/", {"language": "en", "next": elsewhere}),
        client.get("/admin/login/", {"next": elsewhere}),
        client.get(f"/{elsewhere}"),
        client.get(f"/admin/{elsewhere}"),
    ]

    for answer in answers:
        target = answer.headers.get("Location", "/")
        assert target.startswith("/"), target
        assert not target.startswith(("//", "/\\")), target


def test_cookies_are_closed_to_scripts_and_to_other_sites(client, db):
    build_staff("agent", username="walker")
    client.get("/admin/login/")
    client.post("/admin/login/", {"username": "walker", "password": PASSWORD})

    assert len(client.cookies) >= 2
    for morsel in client.cookies.values():
        assert morsel["httponly"], morsel.key
        assert morsel["samesite"] == "Lax", morsel.key
        assert morsel["domain"] == "", morsel.key


def test_a_session_gets_a_new_key_at_the_log_in(client, db):
    build_staff("agent", username="walker")
    client.get("/admin/login/")
    session = client.session
    session["planted"] = True
    session.save()
    before = session.session_key

    client.post("/admin/login/", {"username": "walker", "password": PASSWORD})

    assert client.session.session_key != before


def test_saving_an_account_leaves_its_secrets_out_of_the_trail(client, world):
    app = world.row(App)
    app.secret, app.token, app.aes_key = (f"{CANARY}-{n}" for n in range(3))
    app.save(update_fields=["secret", "token", "aes_key"])
    client.force_login(world.viewer)
    address = f"/admin/wechat/account/{app.account_id}/change/"

    page = client.get(address)
    form = dict(fields_of(page))
    form |= {"is_sandbox": "on"}  # the world gave it an address
    new = [name for name in form if name.endswith("new_secret")]
    form.update(dict.fromkeys(new, f"{CANARY}-new"))
    answer = client.post(address, form)
    assert answer.status_code == 302, answer.context["errors"]
    history = client.get(f"/admin/wechat/account/{app.account_id}/history/")

    assert CANARY not in history.content.decode()
    trail = json.dumps(
        list(AuditEntry.objects.values("before", "after", "reason", "target_label"))
    )
    assert CANARY not in trail
    app.refresh_from_db()
    assert app.secret == f"{CANARY}-new"


def test_only_an_administrator_may_send_the_calls_elsewhere(client, world):
    """The app's secret goes to that address."""
    account = world.row(App).account
    manager = build_staff("ops_manager", org_unit=world.root)
    address = f"/admin/wechat/account/{account.pk}/change/"

    def save(person):
        client.force_login(person)
        form = dict(fields_of(client.get(address)))
        form |= {"name": person.username, "is_sandbox": "on"}
        form["api_base_url"] = "http://169.254.169.254/"
        assert client.post(address, form).status_code == 302
        account.refresh_from_db()
        return account.name, account.api_base_url

    type(account).objects.update(api_base_url="")
    assert save(manager) == (manager.username, "")
    assert save(world.viewer) == (world.viewer.username, "http://169.254.169.254/")


def fields_of(page):
    """What a browser would send back unchanged: the main form and its inlines."""
    forms = [page.context["adminform"].form]
    for inline in page.context["inline_admin_formsets"]:
        forms += [inline.formset.management_form, *inline.formset.forms]
    for form in forms:
        for bound in form:
            value = bound.value()
            if value is not False:
                yield bound.html_name, "" if value is None else value


def test_every_package_of_the_stylesheet_is_checked_by_its_hash() -> None:
    lock = json.loads((BASE_DIR / "package-lock.json").read_text())
    packages = {name: each for name, each in lock["packages"].items() if name}
    assert packages
    assert [name for name, each in packages.items() if not each.get("integrity")] == []
