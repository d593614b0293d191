"""Doorbells of campaigns: each drains what is due and may run any number of times."""

from __future__ import annotations

from celery import shared_task

from campaigns import approving, attribution, feeding


@shared_task
def attribute_responses() -> None:
    attribution.catch_up()


@shared_task
def expire_approvals() -> None:
    approving.expire()


@shared_task
def drain_touches() -> None:
    """Start, feed and end touches."""
    feeding.drain()
