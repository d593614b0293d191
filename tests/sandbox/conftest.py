"""One sandbox process for the session, a fresh world for each test."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sandbox.console import Console
from tests.sandbox.world import Process, World


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@pytest.fixture(scope="session")
def console() -> Iterator[Console]:
    console = Console()
    yield console
    console.stop()


@pytest.fixture(scope="session")
def process(
    console: Console, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Process]:
    folder: Path = tmp_path_factory.mktemp("sandbox") / "data"
    process = Process(free_port(), folder, console.url, SANDBOX_SEED="0")
    yield process
    process.stop()


@pytest.fixture
def world(process: Process, console: Console) -> World:
    world = World(process.url, console)
    world.post("reset")
    console.clear()
    world.accounts = {one["slug"]: one for one in world.get("accounts")}
    return world
