"""Waking a worker. A lost ring costs seconds, never work: rows are the queue.

Rings go out from a thread of their own: nobody who commits waits for Redis, and of the
rings for the same task within RING_SECONDS one is sent, at their end.
"""

from __future__ import annotations

import atexit
import logging
import os
import threading
import time
from functools import partial
from typing import Any

from celery import Task
from django.db import transaction
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

logger = logging.getLogger(__name__)

RING_SECONDS = 0.05
# After a failure nobody rings for so long: the sweep finds the work meanwhile.
PAUSE_SECONDS = 3.0
# What a process that ends waits for its last rings at most.
FAREWELL_SECONDS = 2.0

Ring = tuple[Task[Any, Any], tuple[Any, ...]]


class _Bell:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._wanted = threading.Event()
        self._idle = threading.Event()
        self._idle.set()
        self._rings: dict[Ring, None] = {}
        self._thread: threading.Thread | None = None

    def ring(self, ring: Ring) -> None:
        with self._lock:
            self._rings[ring] = None
            self._idle.clear()
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._run, name="doorbell", daemon=True
                )
                self._thread.start()
        self._wanted.set()

    def wait(self, seconds: float) -> bool:
        """Whether every ring went out within that time."""
        return self._idle.wait(seconds)

    def _run(self) -> None:
        pause = threading.Event()
        while True:
            self._wanted.wait()
            self._wanted.clear()
            with self._lock:
                rings, self._rings = self._rings, {}
            for task, args in rings:
                _send(task, args)
            with self._lock:
                if not self._rings:
                    self._idle.set()
            pause.wait(RING_SECONDS)


_bell = _Bell()
_paused_until = 0.0


def _send(task: Task[Any, Any], args: tuple[Any, ...]) -> None:
    global _paused_until
    if time.monotonic() < _paused_until:
        return
    try:
        task.apply_async(args=args, retry=False, ignore_result=True, expires=60)
    except (OperationalError, RedisError, OSError) as error:
        _paused_until = time.monotonic() + PAUSE_SECONDS
        logger.warning("Doorbell is down, the sweep will find the work: %s", error)


def ring_now(task: Task[Any, Any], *args: Any) -> None:
    """Start `task` at once. Never raises and never waits."""
    _bell.ring((task, args))


def ring(task: Task[Any, Any], *args: Any) -> None:
    """Start `task` soon after the surrounding transaction commits."""
    transaction.on_commit(partial(ring_now, task, *args))


def _forget() -> None:
    # Threads do not survive a fork, and a lock may have been held at that moment.
    global _bell
    _bell = _Bell()


os.register_at_fork(after_in_child=_forget)
atexit.register(lambda: _bell.wait(FAREWELL_SECONDS))
