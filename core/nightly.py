"""What is done once a night, one step after another: whose turn it is.

A step begins when its hour has come and the step before it is over, however that one
ended: a failed step does not stop the night. For one that never ends, or never began,
the next waits until PATIENCE after its own hour, and no longer.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.db import transaction
from django.utils import timezone

from core import jobs
from core.models import Job, JobRun

if TYPE_CHECKING:
    from django.contrib.auth.base_user import AbstractBaseUser

PATIENCE = timedelta(hours=3)
# Of the day's slot: a step that waited until then begins, before the next day does.
LATEST = timedelta(hours=23, minutes=30)
OVER = (Job.State.DONE, Job.State.FAILED, Job.State.CANCELLED)


def start(kind: str, *, hour: int, actor: AbstractBaseUser, after: str = "") -> bool:
    """Start tonight's job when its turn has come; whoever rings, once a night.

    Args:
        kind: of the job; also the name the step is remembered under.
        hour: local, 0–23; not before it.
        after: the name of the step that should be over first.
    """
    with transaction.atomic():
        run = take_turn(kind, hour=hour, after=after)
        if run is not None:
            run.work = jobs.start(kind, actor=actor)
            run.save(update_fields=["work"])
    return run is not None


def take_turn(
    step: str, *, hour: int, after: str = "", now: datetime | None = None
) -> JobRun | None:
    """The right to do the step of tonight, to one caller a night; None to all others."""
    now = timezone.localtime(now)
    slot = now.replace(hour=0, minute=0, second=0, microsecond=0)
    if now < slot + timedelta(hours=hour):
        return None
    if after and now < latest(hour, slot) and not is_over(after, slot):
        return None
    run, is_new = JobRun.objects.get_or_create(job=step, slot=slot)
    return run if is_new else None


def latest(hour: int, slot: datetime) -> datetime:
    """From when on a step of that hour waits for none before it; `slot`: midnight."""
    return slot + min(timedelta(hours=hour) + PATIENCE, LATEST)


def is_over(step: str, slot: datetime) -> bool:
    """Whether the job of the step of that night has ended, well or not."""
    return JobRun.objects.filter(job=step, slot=slot, work__state__in=OVER).exists()
