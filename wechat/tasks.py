"""Doorbells: each drains what is due for a while and may run any number of times."""

from __future__ import annotations

from celery import shared_task

from wechat import media, reaping, sending


@shared_task(queue="realtime")
def drain_inbox() -> None:
    """Work off what the platforms pushed."""
    from wechat import inbox

    inbox.drain()


@shared_task(queue="realtime")
def drain_outbox() -> None:
    """Send what is due in the realtime lane: welcomes, greetings, agents' replies."""
    sending.drain("realtime")


@shared_task(queue="bulk")
def drain_bulk() -> None:
    """Send what is due in the bulk lane."""
    sending.drain("bulk")


@shared_task(queue="default")
def fetch_media() -> None:
    """Fetch incoming pictures before the platform drops them."""
    media.fetch_wanted()


@shared_task(queue="default")
def reap_outbox() -> None:
    """Settle what dead workers left behind."""
    reaping.sweep()
