"""Signs of life of the processes that answer no requests.

A worker's comes from a task that beat sends through Redis every ten seconds, so it
proves the whole path; the first one is written when the worker is up. Beat writes its
own while it ticks.
"""

from __future__ import annotations

import os
import time
from typing import Any

from celery import shared_task
from celery.signals import worker_ready
from django.db import DatabaseError, connection
from django.utils import timezone
from django_celery_beat.schedulers import DatabaseScheduler, logger

from core.models import Heartbeat
from core.registry import PeriodicTask, periodic_tasks

EVERY_SECONDS = 10
# The queue whose task shows that the worker serving it lives.
WORKERS = {"realtime": "worker-realtime", "default": "worker"}


def beat_once(name: str) -> None:
    """Write that the process `name` is alive now."""
    Heartbeat.objects.update_or_create(
        name=name, defaults={"at": timezone.now(), "detail": {"pid": os.getpid()}}
    )


@shared_task(bind=True, ignore_result=True, expires=EVERY_SECONDS)
def show_life(self: Any) -> None:
    """Write the heartbeat of the worker that runs this task."""
    queue = (self.request.delivery_info or {}).get("routing_key")
    if queue in WORKERS:
        beat_once(WORKERS[queue])


@worker_ready.connect
def _show_first_life(sender: Any, **_: Any) -> None:
    for queue in sender.app.amqp.queues.consume_from:
        if queue in WORKERS:
            beat_once(WORKERS[queue])
    connection.close()


class Scheduler(DatabaseScheduler):
    """The database's schedule, with beat's own heartbeat."""

    _shown_at = 0.0

    def tick(self, *args: Any, **kwargs: Any) -> Any:
        if time.monotonic() - self._shown_at > EVERY_SECONDS / 2:
            self._shown_at = time.monotonic()
            try:
                beat_once("beat")
            except DatabaseError as error:
                logger.warning("PostgreSQL is away, beat goes on: %s", error)
                connection.close()
        return super().tick(*args, **kwargs)


def register() -> None:
    """Ask beat for a sign of life of each worker; called once, by ready()."""
    task = "privatedomain.heartbeats.show_life"
    for queue, name in WORKERS.items():
        periodic_tasks.append(
            PeriodicTask(f"heartbeat {name}", task, EVERY_SECONDS, queue)
        )
