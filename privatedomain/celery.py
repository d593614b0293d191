"""The Celery app: a doorbell. PostgreSQL rows are the queue."""

from __future__ import annotations

import os
from typing import Any

from celery import Celery
from celery.signals import worker_init

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "privatedomain.settings")
app = Celery("privatedomain")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@worker_init.connect
def _connect_without_pool(**_: Any) -> None:
    """Celery closes a process's pool after every task; its sweeps would lose theirs."""
    from django.conf import settings

    settings.DATABASES["default"]["OPTIONS"].pop("pool", None)
