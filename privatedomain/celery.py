"""The Celery app: a doorbell. PostgreSQL rows are the queue."""

from __future__ import annotations

import os
from typing import Any

import billiard.pool
from celery import Celery
from celery.signals import task_prerun, worker_init

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "privatedomain.settings")
app = Celery("privatedomain")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


# A child that ends waits until the parent has read every answer; the parent reads none
# while it stops. Answers are thrown away here, so half a minute of it is for nothing.
billiard.pool.GUARANTEE_MESSAGE_CONSUMPTION_RETRY_LIMIT = 10

# How long the tasks of a process share a connection at most.
CONNECTION_SECONDS = 300


@worker_init.connect
def _connect_without_pool(**_: Any) -> None:
    """Celery closes a process's pool after every task; its sweeps would lose theirs."""
    from django.conf import settings

    settings.DATABASES["default"]["OPTIONS"].pop("pool", None)
    settings.DATABASES["default"]["CONN_MAX_AGE"] = CONNECTION_SECONDS


@worker_init.connect
def _settle_heap(**_: Any) -> None:
    from privatedomain import heap

    heap.settle()


@task_prerun.connect
def _look_at_connection(**_: Any) -> None:
    """Replace a connection that is old or that PostgreSQL's restart broke."""
    from django.db import close_old_connections

    close_old_connections()
