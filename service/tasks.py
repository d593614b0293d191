"""What the desk does by the clock."""

from __future__ import annotations

from celery import shared_task

from service import presence


@shared_task(ignore_result=True, expires=30)
def mark_absent() -> None:
    """Show agents whose workspace is closed as offline."""
    presence.mark_absent()
