"""Nonsense in any parameter is refused or ignored; it never breaks a page."""

from __future__ import annotations

import logging
import re

import pytest
from django.db import transaction

from tests.core.worlds import World
from tests.test_permission_matrix import _addresses, _path

NAMES = (
    *("q", "s", "p", "o", "e", "page", "tab", "group", "before", "next", "seen"),
    *("state", "kind", "id", "id__exact", "_popup", "_to_field", "extended", "all"),
    *("app_label", "model_name", "field_name", "term", "language"),
)
POSTED = (
    *("text", "client_key", "reason", "staff", "status", "remark", "language", "next"),
    *("action", "_selected_action", "select_across", "index", "decision", "name"),
)
# What a list reads before the rest, alone, so that the rest doesn't hide it.
FIRST_READ = (("q", "s"), ("page", "p", "o"))
GARBAGE = ["\x00", "9" * 40, "'\"<%s>{{7*7}}💩"]


@pytest.fixture
def world(db: None) -> World:
    made = World("Calm")
    made.viewer.is_superuser = True
    made.viewer.save(update_fields=["is_superuser"])
    return made


def paths(world):
    return [
        _path(address, world)
        for address in _addresses()
        if not address.route.startswith("api/")
        and not address.route.endswith(("(?P<url>.*)$", "<path:object_id>/"))
    ]


def is_list(path):
    """Lists of the admin and pages of our own; not forms, histories and fragments."""
    return re.fullmatch(r"/admin/\w+/\w+/", path) or "search" in path


@pytest.mark.timeout(300)
@pytest.mark.parametrize("garbage", GARBAGE, ids=range(len(GARBAGE)))
def test_garbage_in_an_address_breaks_no_page(client, world, garbage, caplog):
    caplog.set_level(logging.CRITICAL)
    client.raise_request_exception = False
    client.force_login(world.viewer)
    broken = []

    for path in paths(world):
        for names in (NAMES, *(FIRST_READ if is_list(path) else ())):
            with transaction.atomic():
                answer = client.get(path, dict.fromkeys(names, garbage))
                transaction.set_rollback(True)
            if answer.status_code >= 500 and path != "/readyz":
                broken.append(f"{path} {names}")

    assert broken == []


@pytest.mark.parametrize("garbage", GARBAGE, ids=range(len(GARBAGE)))
def test_garbage_in_a_form_breaks_no_page(client, world, garbage, caplog):
    caplog.set_level(logging.CRITICAL)
    client.raise_request_exception = False
    client.force_login(world.viewer)
    broken = []

    for path in [*paths(world), *verbs(world)]:
        with transaction.atomic():
            answer = client.post(path, dict.fromkeys(POSTED, garbage))
            transaction.set_rollback(True)
        if answer.status_code >= 500:
            broken.append(path)

    assert sorted(set(broken)) == []


def verbs(world):
    from service.models import Conversation

    pk = world.row(Conversation).pk
    Conversation.objects.filter(pk=pk).update(state="open", assignee=world.viewer)
    names = ("claim", "reply", "picture", "note", "close", "requeue", "give")
    return [f"/admin/workspace/{pk}/do/{name}/" for name in names]
