"""The Celery app: a doorbell. PostgreSQL rows are the queue."""

from __future__ import annotations

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "privatedomain.settings")
app = Celery("privatedomain")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
