"""Long work a person started: claimed by a worker, told as it goes, cancellable.

An app registers one function per kind in AppConfig.ready():

    jobs.register("wechat.sync_contacts", _("Contacts sync"), sync_contacts)

and starts it with `jobs.start("wechat.sync_contacts", {"app": 3}, actor=staff)`. The
function gets a `Progress`, calls `step` now and then (which raises `Cancelled` when the
person asked for it, and `LostJob` when another worker took over), and returns a JSON
result. With `is_resumable` it is called again from the start when its worker died, so it
must skip what is done; otherwise the job fails and says so.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import DatabaseError, connections, models, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from core import audit, doorbell, live
from core.errors import AppError
from core.models import Job
from core.registry import Text

if TYPE_CHECKING:
    from django.contrib.auth.base_user import AbstractBaseUser

logger = logging.getLogger(__name__)

# A step of a job takes longer than one message.
LEASE_SECONDS = 2 * settings.LEASE_SECONDS
WRITE_EVERY_SECONDS = 0.5
MAX_ERRORS = 200


class Cancelled(Exception):
    """The person who started the job wants no more of it."""


class LostJob(Exception):
    """The lease ran out and another worker has the job: stop at once."""


@dataclass(frozen=True)
class Kind:
    name: str
    label: Text
    run: Callable[[Progress], dict[str, Any] | None]
    is_resumable: bool = False
    link: Callable[[Job], str] | None = None


kinds: dict[str, Kind] = {}


def register(
    name: str,
    label: Text,
    run: Callable[[Progress], dict[str, Any] | None],
    *,
    is_resumable: bool = False,
    link: Callable[[Job], str] | None = None,
) -> None:
    """Name a kind of job. `link(job)`: the page the job is about, offered beside it."""
    kinds[name] = Kind(name, label, run, is_resumable, link)


def start(
    kind: str,
    params: dict[str, Any] | None = None,
    *,
    actor: AbstractBaseUser,
    label: str = "",
) -> Job:
    """Write the job and wake a worker after the commit. `params`: ids only."""
    from core.tasks import run_jobs

    with transaction.atomic():
        job = Job.objects.create(
            kind=kinds[kind].name,
            label=label,
            params=params or {},
            requested_by=actor,  # type: ignore[misc]
        )
        audit.record("core.job.started", job, actor=actor, after={"kind": kind})
        doorbell.ring(run_jobs)
    return job


def cancel(job: Job, *, actor: AbstractBaseUser) -> None:
    """Ask a job to stop; one that waits ends at once. Raises AppError when it is over."""
    now = timezone.now()
    with transaction.atomic():
        waiting = Job.objects.filter(pk=job.pk, state=Job.State.QUEUED).update(
            state=Job.State.CANCELLED, cancel_requested_at=now, finished_at=now
        )
        running = Job.objects.filter(pk=job.pk, state=Job.State.RUNNING).update(
            cancel_requested_at=now
        )
        if not waiting and not running:
            raise AppError(_("The job is over already."), code="job_over")
        audit.record("core.job.cancelled", job, actor=actor)
        live.notify(f"job.{job.pk}", job=job.pk)


def claim(now: datetime | None = None) -> tuple[Job, str] | None:
    """The oldest waiting job, now ours, and the name it is ours under."""
    now = now or timezone.now()
    owner = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
    with transaction.atomic():
        job = (
            Job.objects.select_for_update(skip_locked=True)
            .filter(state=Job.State.QUEUED)
            .order_by("id")
            .first()
        )
        if job is None:
            return None
        job.state, job.owner = Job.State.RUNNING, owner
        job.started_at = job.started_at or now
        job.lease_until = now + timedelta(seconds=LEASE_SECONDS)
        job.save(update_fields=["state", "owner", "started_at", "lease_until"])
    return job, owner


def release_lost(now: datetime | None = None) -> int:
    """Settle jobs whose worker died: resumable ones wait again, others have failed."""
    now = now or timezone.now()
    lost = Job.objects.filter(state=Job.State.RUNNING, lease_until__lt=now)
    resumable = [kind.name for kind in kinds.values() if kind.is_resumable]
    again = lost.filter(kind__in=resumable, cancel_requested_at__isnull=True).update(
        state=Job.State.QUEUED, owner="", lease_until=None
    )
    failed = lost.update(
        state=Job.State.FAILED,
        finished_at=now,
        error=_("The worker died before the job was done."),
    )
    return again + failed


def drain(seconds: float = 20) -> int:
    """Run waiting jobs one after another; starts none after `seconds`."""
    release_lost()
    until, count = time.monotonic() + seconds, 0
    while time.monotonic() < until:
        claimed = claim()
        if claimed is None:
            break
        _run(*claimed)
        count += 1
    return count


def _run(job: Job, owner: str) -> None:
    progress = Progress(job, owner)
    kind = kinds.get(job.kind)
    state, error, result = Job.State.DONE, "", None
    try:
        if kind is None:
            raise AppError(_("Nothing here knows this kind of job any more."))
        with _kept_alive(progress):
            result = kind.run(progress)
    except LostJob:
        logger.warning("Job %s was taken over by another worker", job.pk)
        return
    except Cancelled:
        state = Job.State.CANCELLED
    except AppError as refusal:
        state, error = Job.State.FAILED, str(refusal.message)
    except Exception:
        # One broken job must not stop the others; the person sees that it failed.
        logger.exception("Job %s (%s) failed", job.pk, job.kind)
        state, error = Job.State.FAILED, _("An unexpected error; the log knows more.")
    progress.finish(state, error=error, result=result)


@contextlib.contextmanager
def _kept_alive(progress: Progress) -> Iterator[None]:
    """Renew the lease while one statement takes longer than the lease."""
    is_over = threading.Event()

    def renew() -> None:
        try:
            while not is_over.wait(LEASE_SECONDS / 4):
                progress.renew()
        finally:
            connections.close_all()

    beating = threading.Thread(target=renew, daemon=True, name="job-lease")
    beating.start()
    try:
        yield
    finally:
        is_over.set()
        beating.join()


class Progress:
    """What a job says while it runs, written at most twice a second."""

    def __init__(self, job: Job, owner: str) -> None:
        self.job = job
        self.params: dict[str, Any] = job.params
        self._owner = owner
        self._done, self._total = 0, job.total
        self._errors: list[str] = []
        self._written_at = 0.0

    @property
    def _mine(self) -> models.QuerySet[Job]:
        return Job.objects.filter(
            pk=self.job.pk, state=Job.State.RUNNING, owner=self._owner
        )

    def total(self, count: int) -> None:
        """How many steps there will be."""
        self._total = count
        self._write()

    def step(self, count: int = 1) -> None:
        """Tell that `count` more are done. Raises Cancelled, LostJob."""
        self._done += count
        if time.monotonic() - self._written_at >= WRITE_EVERY_SECONDS:
            self._write()

    @property
    def kept(self) -> dict[str, Any]:
        """What `keep` wrote last, also by a worker that died since; {} at first."""
        found: dict[str, Any] = self.params.get("kept", {})
        return found

    def keep(self, **state: Any) -> None:
        """Write how far it is, in the transaction of the work itself. Raises LostJob."""
        params = {**self.params, "kept": state}
        if not self._mine.update(params=params):
            raise LostJob
        self.params = params

    def forget(self, name: str) -> None:
        """Drop a parameter that must not outlive the work; `kept` stays."""
        self.params = {key: self.params[key] for key in self.params if key != name}
        self._mine.update(params=self.params)

    def error(self, text: str) -> None:
        """Tell of one thing that went wrong; the job goes on."""
        self._errors.append(text)
        self._write()

    def _write(self) -> None:
        self._written_at = time.monotonic()
        changed = self._mine.update(
            **self._figures(),
            lease_until=timezone.now() + timedelta(seconds=LEASE_SECONDS),
        )
        if not changed:
            raise LostJob
        live.notify(f"job.{self.job.pk}", job=self.job.pk)
        if self._mine.filter(cancel_requested_at__isnull=False).exists():
            raise Cancelled

    def renew(self) -> None:
        """Keep the job ours; called beside the work, from a thread of its own."""
        try:
            self._mine.update(
                lease_until=timezone.now() + timedelta(seconds=LEASE_SECONDS)
            )
        except DatabaseError:
            logger.exception("The lease of job %s was not renewed", self.job.pk)

    def _figures(self) -> dict[str, Any]:
        return {
            "done": self._done,
            "total": self._total,
            "errors": self._errors[:MAX_ERRORS],
        }

    def finish(self, state: str, *, error: str, result: Any) -> None:
        with transaction.atomic():
            self._mine.update(
                **self._figures(),
                state=state,
                error=error,
                result=result,
                finished_at=timezone.now(),
                lease_until=None,
            )
            live.notify(f"job.{self.job.pk}", job=self.job.pk)
