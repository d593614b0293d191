"""Doorbells: each drains what is due for a while and may run any number of times."""

from __future__ import annotations

from celery import shared_task


@shared_task(queue="realtime")
def drain_inbox() -> None:
    """Work off what the platforms pushed."""
    from wechat import inbox

    inbox.drain()
