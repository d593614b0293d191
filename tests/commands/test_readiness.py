"""/readyz: 200 when every part is well, else 503 naming those that are not."""

from __future__ import annotations

import os
import signal
import time

import pytest

from tests.stack import wait_until

pytestmark = pytest.mark.processes


@pytest.fixture(scope="module")
def copy(make_stack):
    stack = make_stack(own_servers=True, DEMO="1")
    stack.start("sandbox")
    stack.start()
    stack.wait_ready()
    return stack


def _bad_parts(stack):
    started = time.monotonic()
    status, answer = stack.readyz()
    assert time.monotonic() - started < 2.5
    assert (status == 200) == answer["ready"]
    return {name for name, part in answer["parts"].items() if part["ok"] is False}


@pytest.mark.parametrize("name", ["live", "sandbox"])
def test_a_killed_part_is_named_and_forgotten_when_it_is_back(copy, name):
    copy.kill(name)
    assert _bad_parts(copy) == {name}

    copy.start(name)
    copy.wait_ready()


@pytest.mark.parametrize("name", ["worker", "worker-realtime", "beat"])
def test_a_silent_worker_or_timer_is_named(copy, name):
    copy.kill(name)
    with copy.orm():
        from datetime import timedelta

        from django.utils import timezone

        from core.models import Heartbeat

        # Thirty seconds pass.
        late = timezone.now() - timedelta(seconds=31)
        Heartbeat.objects.filter(name=name).update(at=late)
    assert _bad_parts(copy) == {name}

    copy.start(name)
    copy.wait_ready()


def test_a_hung_redis_is_named_within_two_seconds(copy):
    os.kill(copy.pid("redis"), signal.SIGSTOP)
    try:
        assert _bad_parts(copy) == {"redis"}
    finally:
        os.kill(copy.pid("redis"), signal.SIGCONT)
    copy.wait_ready()


def test_a_missing_migration_is_named(copy):
    with copy.orm():
        from django.db.migrations.recorder import MigrationRecorder

        row = MigrationRecorder.Migration.objects.filter(app="core").latest("id")
        row.delete()
        assert _bad_parts(copy) == {"migrations"}
        row.save(force_insert=True)
    copy.wait_ready()


def test_a_killed_postgres_is_named_and_found_again(copy):
    copy.kill("postgres")
    assert "database" in _bad_parts(copy)

    copy.start("postgres")
    copy.wait_ready()


def test_a_killed_web_process_leaves_its_port_free(copy):
    copy.kill("web")
    assert copy.get("/readyz") == (0, b"")

    copy.start("web")
    wait_until(lambda: copy.readyz()[0] == 200, 20, "web answers again")
