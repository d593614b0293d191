"""Doorbells of reports; each may run any number of times."""

from __future__ import annotations

from celery import shared_task

from reports import rollups


@shared_task
def add_up() -> None:
    rollups.catch_up()
