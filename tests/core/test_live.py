"""The live process, as a page meets it: a real server, real sockets, real Redis."""

from __future__ import annotations

import json
import os
import signal
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore
from django.test import RequestFactory, override_settings
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from core import live
from tests.conftest import build_staff
from tests.stack import Stack, wait_until

pytestmark = [pytest.mark.processes]


def log_in(person: Any) -> str:
    """A session as the login page makes it; returns its key."""
    session = SessionStore()
    session[SESSION_KEY] = str(person.pk)
    session[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
    session[HASH_SESSION_KEY] = person.get_session_auth_hash()
    session.create()
    return str(session.session_key)


def open_socket(
    stack: Stack, session_key: str, origin: str | None = None
) -> ClientConnection:
    name = f"pd-{stack.environment['INSTANCE']}-session"
    return connect(
        f"{stack.live_url}/ws/",
        origin=origin or stack.url,
        additional_headers={"Cookie": f"{name}={session_key}"},
    )


def next_frame(
    socket: ClientConnection, what: str, seconds: float = 5
) -> dict[str, Any]:
    while True:
        frame = json.loads(socket.recv(timeout=seconds))
        if frame["what"] == what:
            return frame


def closed_with(socket: ClientConnection, seconds: float = 5) -> int:
    try:
        while True:
            socket.recv(timeout=seconds)
    except ConnectionClosed as end:
        return end.rcvd.code if end.rcvd else 0


@contextmanager
def as_part_of(stack: Stack) -> Iterator[None]:
    """Publish from this process as the copy's own processes do."""
    layers = deepcopy(settings.CHANNEL_LAYERS)
    layers["default"]["CONFIG"]["prefix"] = f"{stack.environment['INSTANCE']}:live"
    with (
        stack.orm(),
        override_settings(CHANNEL_LAYERS=layers, REDIS_URL=stack.redis_url),
    ):
        live._redis.cache_clear()
        yield
    live._redis.cache_clear()


@pytest.fixture(scope="module")
def live_stack(make_stack: Callable[..., Stack]) -> Stack:
    stack = make_stack(own_servers=True)
    stack.start("live")
    wait_until(lambda: _answers(stack), 20, "live answers")
    return stack


def _answers(stack: Stack) -> bool:
    address = f"{stack.live_url.replace('ws', 'http', 1)}/ws/health"
    try:
        with urllib.request.urlopen(address, timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


@pytest.fixture
def person(live_stack: Stack) -> Any:
    with live_stack.orm():
        return build_staff()


@pytest.fixture
def session_key(live_stack: Stack, person: Any) -> str:
    with live_stack.orm():
        return log_in(person)


def test_a_page_hears_of_a_change_within_a_second(
    live_stack: Stack, person: Any, session_key: str
) -> None:
    with open_socket(live_stack, session_key) as socket:
        next_frame(socket, "hello")
        with as_part_of(live_stack):
            live.notify(f"staff.{person.pk}", job=7)
        frame = next_frame(socket, "changed", seconds=1)
        assert frame["ids"] == {"job": 7}


def test_a_page_cannot_listen_to_somebody_else(
    live_stack: Stack, person: Any, session_key: str
) -> None:
    with open_socket(live_stack, session_key) as socket:
        other = f"staff.{person.pk + 1}"
        names = [other, "nonsense", "queue.x", "conversation.99999"]
        socket.send(json.dumps({"do": "subscribe", "groups": names}))
        frame = next_frame(socket, "subscribed")
        assert frame["refused"] == names
        with as_part_of(live_stack):
            live.notify(other, job=1)
            live.notify(f"staff.{person.pk}", job=2)
        assert next_frame(socket, "changed")["ids"] == {"job": 2}


def test_without_a_session_the_socket_says_so_and_closes(live_stack: Stack) -> None:
    with open_socket(live_stack, "no-such-session") as socket:
        assert closed_with(socket) == 4401


@pytest.mark.parametrize("origin", ["http://evil.example", "http://127.0.0.1:9"])
def test_a_page_of_another_origin_is_refused(
    live_stack: Stack, session_key: str, origin: str
) -> None:
    with pytest.raises(InvalidStatus) as refusal:
        open_socket(live_stack, session_key, origin)
    assert refusal.value.response.status_code == 403


def test_a_page_opened_under_the_machines_other_name_is_live_too(
    live_stack: Stack, session_key: str
) -> None:
    own = f"http://localhost:{live_stack.environment['PORT']}"
    with open_socket(live_stack, session_key, own) as socket:
        assert next_frame(socket, "hello")
    with override_settings(LIVE_URL="http://127.0.0.1:8002"):
        for name in ("localhost", "127.0.0.1"):
            request = RequestFactory().get("/", HTTP_HOST=f"{name}:8000")
            assert live.address(request) == f"http://{name}:8002"
    with override_settings(LIVE_URL="https://console.example.com"):
        request = RequestFactory().get("/", HTTP_HOST="127.0.0.1:8000")
        assert live.address(request) == "https://console.example.com"


def test_a_socket_dies_with_its_session(
    live_stack: Stack, person: Any, session_key: str
) -> None:
    with open_socket(live_stack, session_key) as socket:
        next_frame(socket, "hello")
        with as_part_of(live_stack):
            SessionStore(session_key).delete()
            live.notify(f"staff.{person.pk}", session="ended")
        assert closed_with(socket, seconds=2) == 4401


def test_a_socket_of_a_deactivated_person_dies_even_when_nobody_tells_it(
    live_stack: Stack, person: Any, session_key: str
) -> None:
    with open_socket(live_stack, session_key) as socket:
        next_frame(socket, "hello")
        with live_stack.orm():
            type(person).objects.filter(pk=person.pk).update(is_active=False)
        assert closed_with(socket, seconds=15) == 4401


@pytest.mark.parametrize("text", ["{", "[]", "1", "x" * 9000])
def test_garbage_closes_the_socket_and_nothing_else(
    live_stack: Stack, session_key: str, text: str
) -> None:
    with (
        open_socket(live_stack, session_key) as good,
        open_socket(live_stack, session_key) as bad,
    ):
        next_frame(bad, "hello")
        bad.send(text)
        assert closed_with(bad) in {1003, 1009}
        next_frame(good, "hello")
        good.send(json.dumps({"do": "ping"}))
        next_frame(good, "pong")


def test_pages_are_told_when_redis_hangs_and_when_it_is_back(
    live_stack: Stack, person: Any, session_key: str
) -> None:
    with open_socket(live_stack, session_key) as socket:
        next_frame(socket, "hello")
        os.kill(live_stack.pid("redis"), signal.SIGSTOP)
        try:
            next_frame(socket, "degraded", seconds=10)
        finally:
            os.kill(live_stack.pid("redis"), signal.SIGCONT)
        next_frame(socket, "restored", seconds=15)
        with as_part_of(live_stack):
            live.notify(f"staff.{person.pk}", job=3)
        assert next_frame(socket, "changed")["ids"] == {"job": 3}


def test_pages_hear_again_after_redis_was_killed(
    live_stack: Stack, person: Any, session_key: str
) -> None:
    with open_socket(live_stack, session_key) as socket:
        next_frame(socket, "hello")
        live_stack.kill("redis")
        next_frame(socket, "degraded", seconds=10)
        live_stack.start("redis")
        next_frame(socket, "restored", seconds=15)
        with as_part_of(live_stack):
            live.notify(f"staff.{person.pk}", job=4)
        assert next_frame(socket, "changed")["ids"] == {"job": 4}
