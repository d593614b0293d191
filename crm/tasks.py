"""Doorbells of crm: each drains what is due and may run any number of times."""

from __future__ import annotations

from celery import shared_task

from crm import partitions


@shared_task
def make_partitions() -> None:
    partitions.make_ahead()
