"""Beat entries: made by name once, afterwards only their task and queue are kept."""

from __future__ import annotations

from datetime import timedelta

from django.db import transaction
from django_celery_beat.models import IntervalSchedule, PeriodicTask, PeriodicTasks

from core import registry

# Marks the rows this file may remove when the code no longer knows them.
OURS = "Kept by sync_periodic_tasks"


def _schedule(seconds: int) -> IntervalSchedule:
    found, _created = IntervalSchedule.objects.get_or_create(
        every=seconds, period=IntervalSchedule.SECONDS
    )
    return found


@transaction.atomic
def sync_periodic_tasks() -> None:
    """Bring django-celery-beat's rows in line with core.registry.periodic_tasks.

    `enabled` and the interval belong to operators once the row stands.
    """
    for wanted in registry.periodic_tasks:
        # A ring nobody heard within the interval is worth nothing: the next one comes.
        expires = int(timedelta(seconds=max(wanted.every_seconds, 5)).total_seconds())
        row = PeriodicTask.objects.filter(name=wanted.name).first()
        if row is None:
            row = PeriodicTask(
                name=wanted.name, interval=_schedule(wanted.every_seconds)
            )
        row.task, row.args, row.queue = wanted.task, "[]", wanted.queue
        row.expire_seconds = expires
        row.save()
    names = [task.name for task in registry.periodic_tasks]
    PeriodicTask.objects.exclude(name__in=names).exclude(
        name="celery.backend_cleanup"
    ).filter(description=OURS).delete()
    PeriodicTask.objects.filter(name__in=names).update(description=OURS)
    PeriodicTasks.update_changed()
