"""Tasks of the core: rings only, the rows say what to do."""

from __future__ import annotations

from celery import shared_task
from django.core.management import call_command

from core import jobs


# A job may last hours; it keeps its own lease and can be cancelled.
@shared_task(soft_time_limit=86_400)
def run_jobs() -> None:
    jobs.drain()


@shared_task
def clear_sessions() -> None:
    """Delete sessions that ended."""
    call_command("clearsessions")
