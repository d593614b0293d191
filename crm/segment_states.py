"""How far a segment is computed, for lists and pages; and asking for it anew."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import F, Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from core import jobs
from core.models import Job
from crm.models import Segment
from crm.segments.computing import JOB
from staff.models import Staff

# Computed every night; a day and a bit later something is wrong with that.
STALE_AFTER = timedelta(hours=26)
RUNNING = (Job.State.QUEUED, Job.State.RUNNING)


@dataclass(frozen=True)
class State:
    """`tone` of core.templatetags.console.status; `job` while it is being computed."""

    name: str
    tone: str
    words: str
    detail: str = ""
    job: Job | None = None


def of(rows: Sequence[Segment], now: datetime | None = None) -> dict[int, State]:
    """The state of each, in one query for all."""
    computing = _computing([row.pk for row in rows])
    at = now or timezone.now()
    return {row.pk: _of(row, computing.get(row.pk), at) for row in rows}


def _computing(pks: list[int]) -> dict[int, Job]:
    found = Job.objects.filter(
        kind=JOB, state__in=RUNNING, params__segment__in=pks
    ).order_by("id")
    return {job.params["segment"]: job for job in found}


def _of(segment: Segment, job: Job | None, now: datetime) -> State:
    if segment.archived_at is not None:
        return State("archived", "idle", _("Archived"))
    if segment.kind != Segment.Kind.DYNAMIC:
        return State("fixed", "done", _("Fixed"))
    if job is not None:
        return State("computing", "part", _("Being computed"), job=job)
    if segment.error:
        return State("failed", "bad", pgettext("a segment", "Failed"), segment.error)
    if segment.computed_at is None:
        return State("new", "idle", _("Not computed yet"))
    if segment.computed_version != segment.version:
        words = _("The rule has changed since it was computed.")
        return State("stale", "part", _("Out of date"), words)
    if now - segment.computed_at > STALE_AFTER:
        return State("stale", "part", _("Out of date"), _("Computed long ago."))
    return State("fresh", "good", _("Up to date"))


def recompute(segment: Segment, *, actor: Staff) -> Job:
    """Have the members computed by a worker; the job that does it already, if any."""
    running = _computing([segment.pk]).get(segment.pk)
    if running is not None and running.state == Job.State.QUEUED:
        return running
    return jobs.start(JOB, {"segment": segment.pk}, actor=actor, label=segment.name)


def out_of_date(rows: QuerySet[Segment]) -> QuerySet[Segment]:
    """Dynamic ones whose members are those of an older rule, or computed long ago."""
    late = Q(computed_at__lt=timezone.now() - STALE_AFTER)
    other = ~Q(computed_version=F("version"))
    never = Q(computed_at__isnull=True)
    return rows.filter(late | other | never, kind=Segment.Kind.DYNAMIC)
