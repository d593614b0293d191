"""Waking a worker. A lost ring costs seconds, never work: rows are the queue."""

from __future__ import annotations

import logging
import time
from functools import partial
from typing import Any

from celery import Task
from django.db import transaction
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

logger = logging.getLogger(__name__)

# After a failure nobody rings for so long: a hung Redis must not cost every commit its
# time-out. The sweep finds the work meanwhile.
PAUSE_SECONDS = 3.0
_paused_until = 0.0


def ring_now(task: Task[Any, Any], args: tuple[Any, ...] = ()) -> None:
    """Start `task` at once. Never raises; waits for Redis at most its time-out."""
    global _paused_until
    if time.monotonic() < _paused_until:
        return
    try:
        task.apply_async(args=args, retry=False, ignore_result=True, expires=60)
    except (OperationalError, RedisError, OSError) as error:
        _paused_until = time.monotonic() + PAUSE_SECONDS
        logger.warning("Doorbell is down, the sweep will find the work: %s", error)


def ring(task: Task[Any, Any], *args: Any) -> None:
    """Start `task` soon after the surrounding transaction commits."""
    transaction.on_commit(partial(ring_now, task, args))
