"""Rings: after the commit, never waiting for Redis, few of a kind."""

import time

import pytest
from django.db import transaction

from core import doorbell


class Task:
    """A task as the doorbell uses one; keeps what went out to the broker."""

    def __init__(self):
        self.found, self.calls, self.delay_seconds, self.error = [], 0, 0, None

    def apply_async(self, args, **options):
        self.calls += 1
        if self.error:
            raise self.error
        time.sleep(self.delay_seconds)
        self.found.append(args)


@pytest.fixture
def task(monkeypatch):
    monkeypatch.setattr(doorbell, "_bell", doorbell._Bell())
    monkeypatch.setattr(doorbell, "_paused_until", 0.0)
    return Task()


def abandoned(task):
    with transaction.atomic():
        doorbell.ring(task)
        raise ValueError("no")


def test_it_rings_after_the_commit_only(transactional_db, task):
    with pytest.raises(ValueError, match="no"):
        abandoned(task)
    with transaction.atomic():
        doorbell.ring(task, 7)
        assert doorbell._bell.wait(0)
    assert doorbell._bell.wait(5)
    assert task.found == [(7,)]


def test_many_rings_are_few_calls_and_the_last_one_is_heard(task):
    for _ in range(200):
        doorbell.ring_now(task)
    assert doorbell._bell.wait(5)
    assert 1 <= len(task.found) <= 5


def test_a_hanging_broker_holds_nobody_up(task):
    task.delay_seconds = 0.5
    begun = time.monotonic()
    for number in range(3):
        doorbell.ring_now(task, number)
    assert time.monotonic() - begun < 0.4
    task.delay_seconds = 0
    assert doorbell._bell.wait(5)
    assert sorted(task.found) == [(0,), (1,), (2,)]


def test_a_broker_that_fails_is_left_alone_for_a_while(task, monkeypatch):
    task.error = OSError("connection refused")
    for _ in range(3):
        doorbell.ring_now(task)
        assert doorbell._bell.wait(5)
    assert task.calls == 1
    monkeypatch.setattr(doorbell, "_paused_until", 0.0)
    doorbell.ring_now(task)
    assert doorbell._bell.wait(5)
    assert task.calls == 2


def test_every_route_names_a_task_and_no_task_names_its_queue(settings):
    from privatedomain.celery import app

    app.loader.import_default_modules()
    assert set(settings.CELERY_TASK_ROUTES) <= set(app.tasks)
    ours = [task for name, task in app.tasks.items() if not name.startswith("celery.")]
    assert [task.name for task in ours if getattr(task, "queue", None)] == []
