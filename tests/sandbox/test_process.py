"""The process itself: quick to start, clean to stop, and nothing pending is lost."""

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.sandbox.conftest import free_port
from tests.sandbox.console import Console
from tests.sandbox.world import Process, World


@pytest.fixture
def own_console() -> Iterator[Console]:
    console = Console()
    yield console
    console.stop()


@contextlib.contextmanager
def running(folder: Path, port: int, url: str, **more: str) -> Iterator[World]:
    process = Process(port, folder, url, **more)
    world = World(process.url, None)  # type: ignore[arg-type]
    world.process = process  # type: ignore[attr-defined]
    world.accounts = {one["slug"]: one for one in world.get("accounts")}
    try:
        yield world
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.stop()


def test_a_demo_world_starts_in_seconds_and_is_kept(
    tmp_path: Path, own_console: Console
) -> None:
    folder, port = tmp_path / "data", free_port()
    with running(folder, port, own_console.url, SANDBOX_SEED="1") as world:
        people = world.get("people", limit=1000)
        assert len(people) == 120
        following = [
            one for one in people if one["accounts"]["lin-service"]["subscribed"]
        ]
        friends = [one for one in people if one["colleagues"]]
        assert 60 < len(following) < 120
        assert 30 < len(friends) < 110
        assert any(one["accounts"]["lin-service"]["scene"] for one in people)
        assert len(world.qy("externalcontact/get_follow_user_list")["follow_user"]) == 8
        world.person("后来的人")
    with running(folder, port, own_console.url, SANDBOX_SEED="1") as world:
        assert len(world.get("people", limit=1000)) == 121
        openids = {one["id"]: one["openid"] for one in world.get("people", limit=1000)}
        assert all(openids[one["id"]] == one["openid"] for one in people)


def test_pending_pushes_survive_a_kill(tmp_path: Path, own_console: Console) -> None:
    folder, port = tmp_path / "data", free_port()
    with running(folder, port, "http://127.0.0.1:1", SANDBOX_SEED="0") as world:
        world.post("push", retry_seconds=0.5, retries=20)
        person = world.person()
        world.do(person, "follow", account="lin-service")
        world.do(person, "say", account="lin-service", text="别忘了我")
        world.process.kill()  # type: ignore[attr-defined]
    assert own_console.received == []
    with running(folder, port, own_console.url, SANDBOX_SEED="0") as world:
        own_console.wait(2)
        time.sleep(0.3)
        assert [one["state"] for one in world.get("pushes")] == ["done", "done"]
        assert len(own_console.received) == 2


def test_a_stop_signal_ends_it_cleanly(tmp_path: Path, own_console: Console) -> None:
    process = Process(free_port(), tmp_path / "data", own_console.url)
    started = time.monotonic()
    assert process.stop() == 0
    assert time.monotonic() - started < 5
    assert "Traceback" not in process.log.read_text()


def test_a_held_call_does_not_keep_it_from_stopping(
    tmp_path: Path, own_console: Console
) -> None:
    process = Process(free_port(), tmp_path / "data", own_console.url)
    world = World(process.url, own_console)
    world.post("faults", path="*", fault="accept_then_timeout", hold_seconds=60)
    with pytest.raises(requests.Timeout):
        world.call("GET", "/mp/cgi-bin/tags/get", timeout=0.3)
    started = time.monotonic()
    process.stop()
    assert time.monotonic() - started < 10


def test_a_mass_send_goes_on_after_a_kill_and_reaches_nobody_twice(
    tmp_path: Path, own_console: Console
) -> None:
    folder, port = tmp_path / "data", free_port()
    with running(folder, port, own_console.url, SANDBOX_SEED="0") as world:
        world.post("limits", mass_people_per_minute=[60, 1, 1, 1, 1])
        openids = world.many(60)
        body = {"touser": openids, "msgtype": "text", "text": {"content": "慢慢发"}}
        msg_id = world.mp("message/mass/send", body)["msg_id"]
        world.process.kill()  # type: ignore[attr-defined]
    with running(folder, port, own_console.url, SANDBOX_SEED="0") as world:
        assert world.get(f"mass/{msg_id}")["state"] == "sending"
        world.advance(60)
        own_console.wait(1)
        found = world.get(f"mass/{msg_id}")
        assert (found["sent"], found["people"]) == (60, 60)
        assert found["most_per_person"] == 1
