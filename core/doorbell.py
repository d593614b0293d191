"""Waking a worker. A lost ring costs seconds, never work: rows are the queue."""

from __future__ import annotations

import logging
from functools import partial
from typing import Any

from celery import Task
from django.db import transaction
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

logger = logging.getLogger(__name__)


def _ring(task: Task[Any, Any], args: tuple[Any, ...]) -> None:
    try:
        task.apply_async(args=args, retry=False, ignore_result=True, expires=60)
    except (OperationalError, RedisError, OSError) as error:
        logger.warning("Doorbell is down, the sweep will find the work: %s", error)


def ring(task: Task[Any, Any], *args: Any) -> None:
    """Start `task` soon after the surrounding transaction commits."""
    transaction.on_commit(partial(_ring, task, args))
