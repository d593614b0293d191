"""The page of one job: progress as it goes, errors as they come, a way to cancel."""

from __future__ import annotations

from datetime import timedelta

from django.contrib import messages
from django.db import models
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from core import jobs
from core.errors import AppError
from core.models import Job
from core.pages import console_page
from core.registry import Text
from core.templatetags.console import job_tone


def _job(request: HttpRequest, job_id: int) -> Job:
    return get_object_or_404(Job.objects.visible_to(request.user), pk=job_id)


def _about(job: Job) -> str:
    """The address of what the job is about; "" when its kind names none."""
    kind = jobs.kinds.get(job.kind)
    return kind.link(job) if kind and kind.link else ""


def _title(job: Job) -> str:
    kind = jobs.kinds.get(job.kind)
    return job.label or (str(kind.label) if kind else job.kind)


@require_safe
def page(request: HttpRequest, job_id: int) -> TemplateResponse:
    job = _job(request, job_id)
    return console_page(
        request,
        "console/job.html",
        title=_title(job),
        above=[(_("Jobs"), reverse("admin:jobs"))],
        context={"job": job, "about": _about(job)},
    )


@require_safe
def progress(request: HttpRequest, job_id: int) -> TemplateResponse:
    """The part that changes; the open page asks every second until the job is over."""
    job = _job(request, job_id)
    context = {"job": job, "about": _about(job)}
    return TemplateResponse(request, "console/job_progress.html", context)


@require_POST
def cancel(request: HttpRequest, job_id: int) -> HttpResponse:
    job = _job(request, job_id)
    try:
        jobs.cancel(job, actor=request.user)  # type: ignore[arg-type]
    except AppError as refusal:
        messages.warning(request, str(refusal.message))
    return HttpResponseRedirect(job_url(job))


@require_safe
def mine(request: HttpRequest) -> TemplateResponse:
    found = Job.objects.visible_to(request.user).select_related("requested_by")[:100]
    return console_page(
        request,
        "console/jobs.html",
        title=_("Jobs"),
        lead=_(
            "Long work you started: how far it is, what went wrong, what came of it."
        ),
        context={"jobs": [(job, _title(job)) for job in found]},
    )


def home_lines(request: HttpRequest) -> list[tuple[Text, str, int, str]]:
    """One's own jobs that run, and those that failed since yesterday."""
    since = timezone.now() - timedelta(days=1)
    waiting = models.Q(state__in=[Job.State.QUEUED, Job.State.RUNNING])
    failed = models.Q(state=Job.State.FAILED, finished_at__gte=since)
    found = Job.objects.filter(waiting | failed, requested_by=request.user.pk)[:5]
    return [
        (
            f"{_title(job)} · {job.get_state_display()}",
            job_url(job),
            len(job.errors),
            job_tone(job.state),
        )
        for job in found
    ]


def job_url(job: Job) -> str:
    return reverse("admin:job", args=[job.pk])
