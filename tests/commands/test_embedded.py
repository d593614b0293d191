"""The embedded servers: kept data, kill -9, two copies, nothing left behind."""

from __future__ import annotations

import os
import signal
import socket
import stat
import subprocess
import sys

import psycopg
import pytest
import redis

from privatedomain import embedded
from tests.stack import wait_until


@pytest.fixture
def start():
    running = []

    def start(server):
        process = embedded.start(server)
        running.append(process)
        return process

    yield start
    for process in running:
        embedded.stop(process)


def _postgres(folder, template):
    return embedded.prepare_postgres(folder, is_durable=False, copy_of=template)


def _main_pid(server):
    return int((server.data / "postmaster.pid").read_text().split()[0])


def test_postgres_keeps_its_data_through_kill_and_restart(open_folder, template, start):
    server = _postgres(open_folder, template)
    process = start(server)
    server.ensure_database()
    with psycopg.connect(server.url) as link:
        link.execute("CREATE TABLE kept AS SELECT 7 AS value")

    os.kill(_main_pid(server), signal.SIGKILL)
    assert process.wait(10) == 128 + signal.SIGKILL
    again = _postgres(open_folder, template)
    start(again)

    assert again.url == server.url
    with psycopg.connect(again.url) as link:
        assert link.execute("SELECT value FROM kept").fetchone() == (7,)


def test_postgres_starts_while_the_remains_of_a_killed_one_linger(
    open_folder, template, start
):
    server = _postgres(open_folder, template)
    process = start(server)
    # Without its launcher nobody clears up: the backends go by themselves, late.
    os.kill(process.pid, signal.SIGKILL)
    os.kill(_main_pid(server), signal.SIGKILL)

    start(server)

    assert server.is_ready()


def test_servers_refuse_a_connection_without_the_password(open_folder, template, start):
    server = _postgres(open_folder, template)
    start(server)
    doorbell = embedded.prepare_redis(open_folder)
    start(doorbell)

    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(f"postgres://postgres@127.0.0.1:{server.port}/postgres")
    with pytest.raises(redis.AuthenticationError):
        redis.Redis(port=doorbell.port).ping()
    assert redis.Redis.from_url(doorbell.url).ping()


def test_two_copies_run_side_by_side(open_folder, template, start):
    first = _postgres(open_folder / "one", template)
    second = _postgres(open_folder / "two", template)
    start(first)
    start(second)

    assert first.port != second.port
    for server in (first, second):
        server.ensure_database()
        with psycopg.connect(server.url) as link:
            (data,) = link.execute("SHOW port").fetchone()
            assert data == str(server.port)


def test_a_port_taken_by_another_program_is_given_up(open_folder, template):
    server = _postgres(open_folder, template)
    with socket.create_server(("127.0.0.1", server.port)):
        again = _postgres(open_folder, template)

    assert again.port != server.port


def test_settings_with_passwords_are_private(open_folder, template):
    server = _postgres(open_folder, template)
    doorbell = embedded.prepare_redis(open_folder)

    for path in (
        server.folder / "settings.json",
        doorbell.folder / "settings.json",
        doorbell.folder / "redis.conf",
    ):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert doorbell.password not in " ".join(doorbell.argv())


def test_the_server_is_never_root_and_owns_only_its_folder(
    open_folder, template, start
):
    server = _postgres(open_folder, template)
    start(server)

    owner = os.stat(f"/proc/{_main_pid(server)}").st_uid
    assert owner != 0
    assert server.folder.stat().st_uid == owner
    assert open_folder.stat().st_uid == os.geteuid()


def test_a_server_ends_with_the_process_that_started_it(open_folder, template):
    server = _postgres(open_folder, template)
    starter = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import subprocess, sys; subprocess.Popen(sys.argv[1:]); input()",
            *server.argv(),
        ],
        stdin=subprocess.PIPE,
    )
    wait_until(server.is_ready, 10, "PostgreSQL answers")
    pid = _main_pid(server)

    starter.kill()
    starter.wait()

    wait_until(lambda: not os.path.exists(f"/proc/{pid}"), 15, "PostgreSQL has ended")
