"""Changes of one campaign from its board: start, move, edit, end, tasks, gates."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from campaigns import chores, gates, plans
from campaigns.forms import CampaignForm, MoveForm, TaskForm, TaskStateForm, add_refusal
from campaigns.models import Campaign, GateItem, Task
from campaigns.pages import access, board
from core.errors import AppError
from core.pages import console_page
from staff.models import Staff
from staff.requests import require, staff_of


def back(campaign_id: int, anchor: str = "") -> HttpResponseRedirect:
    address = reverse("admin:campaigns_campaign_change", args=[campaign_id])
    return HttpResponseRedirect(f"{address}#{anchor}" if anchor else address)


@require_POST
def start(request: HttpRequest, campaign: Campaign) -> HttpResponse:
    actor = staff_of(request)
    try:
        plans.start(campaign, access.read_revision(request), actor=actor)
    except AppError as error:
        return _refused(request, campaign, error)
    messages.success(request, _("The campaign is running."))
    return back(campaign.pk)


def _refused(request: HttpRequest, campaign: Campaign, error: AppError) -> HttpResponse:
    campaign.refresh_from_db(fields=["state", "revision", "live_date"])
    return board.page(request, campaign, status=409, problem=error.message)


# -- move


def move(request: HttpRequest, campaign: Campaign) -> HttpResponse:
    """First which day, then what moves and what stays, then the change."""
    actor = staff_of(request)
    given = request.POST if request.method == "POST" else request.GET
    form = MoveForm(given or None, initial={"live_date": campaign.live_date})
    preview = None
    if form.is_bound and form.is_valid():
        live_date = form.cleaned_data["live_date"]
        if request.method == "POST":
            try:
                plans.shift(
                    campaign, access.read_revision(request), live_date, actor=actor
                )
            except AppError as error:
                add_refusal(form, error)
                campaign.refresh_from_db(fields=["state", "revision", "live_date"])
            else:
                messages.success(request, _("The live date was moved."))
                return back(campaign.pk)
        preview = plans.preview_shift(campaign, live_date)
    return console_page(
        request,
        "campaigns/move.html",
        title=_("Move the live date: %(name)s") % {"name": campaign.name},
        above=[campaign],
        lead=_("What has not gone out moves along; what went out stays as it was."),
        context={
            "campaign": campaign,
            "form": form,
            "preview": preview if preview and preview.days else None,
            "is_same": bool(preview and not preview.days),
        },
        status=409 if request.method == "POST" else 200,
    )


# -- edit


def edit(request: HttpRequest, campaign: Campaign) -> HttpResponse:
    actor = staff_of(request)
    initial = {
        "name": campaign.name,
        "goal": campaign.goal,
        "product_tie": campaign.product_tie,
        "owner": campaign.owner_id,
    }
    form = CampaignForm(
        request.POST or None, staff=actor, campaign=campaign, initial=initial
    )
    if form.is_bound and form.is_valid():
        try:
            plans.update(
                campaign,
                access.read_revision(request),
                actor=actor,
                **form.cleaned_data,
            )
        except AppError as error:
            add_refusal(form, error)
            campaign.refresh_from_db(fields=["state", "revision"])
        else:
            messages.success(request, _("The campaign was changed."))
            return back(campaign.pk)
    return console_page(
        request,
        "campaigns/edit.html",
        title=_("Edit: %(name)s") % {"name": campaign.name},
        above=[campaign],
        context={"campaign": campaign, "form": form},
        status=422 if form.is_bound else 200,
    )


# -- end


def end(request: HttpRequest, campaign: Campaign) -> HttpResponse:
    """Close or cancel, after seeing what is still open."""
    actor = staff_of(request)
    if campaign.is_over and request.method == "GET":
        return back(campaign.pk)
    problem: Any = ""
    reason = access.typed(request, "reason")
    if request.method == "POST":
        revision = access.read_revision(request)
        try:
            if request.POST.get("how") == "close":
                plans.close(campaign, revision, actor=actor, reason=reason)
                words = _("The campaign is closed.")
            else:
                plans.cancel(campaign, revision, actor=actor, reason=reason)
                words = _("The campaign is cancelled.")
        except AppError as error:
            problem = error.extra.get("fields", {}).get("reason") or error.message
            campaign.refresh_from_db(fields=["state", "revision"])
        else:
            messages.success(request, words)
            return back(campaign.pk)
    return console_page(
        request,
        "campaigns/end.html",
        title=_("End: %(name)s") % {"name": campaign.name},
        above=[campaign],
        context={
            "campaign": campaign,
            "left": plans.unfinished(campaign),
            "problem": problem,
            "reason": reason,
        },
        status=409 if problem else 200,
    )


# -- tasks and gates


@require_POST
def add_task(request: HttpRequest, campaign: Campaign) -> HttpResponse:
    actor = staff_of(request)
    if not actor.has_perm(chores.CHANGE):
        raise PermissionDenied
    form = TaskForm(request.POST)
    if form.is_valid():
        try:
            task = chores.add(campaign, actor=actor, **form.cleaned_data)
        except AppError as error:
            add_refusal(form, error)
        else:
            messages.success(request, _("The task was added."))
            return back(campaign.pk, f"task-{task.pk}")
    return board.page(request, campaign, status=422, task_form=form)


def _visible_task(staff: Staff, task_id: int) -> Task:
    if not staff.has_perm(access.VIEW):
        raise PermissionDenied
    rows = Task.objects.visible_to(staff).select_related("campaign")
    task: Task = get_object_or_404(rows, pk=task_id)
    if not chores.may_work_on(task, staff):
        raise PermissionDenied
    return task


@require_POST
def task_state(request: HttpRequest, task_id: int) -> HttpResponse:
    actor = staff_of(request)
    task = _visible_task(actor, task_id)
    form = TaskStateForm(request.POST)
    if not form.is_valid():
        return _task_refused(request, task, _("Try again."))
    try:
        chores.set_state(task, actor=actor, **form.cleaned_data)
    except AppError as error:
        words = error.extra.get("fields", {}).get("proof") or error.message
        return _task_refused(request, task, words)
    return back(task.campaign_id, f"task-{task.pk}")


def _task_refused(request: HttpRequest, task: Task, words: Any) -> HttpResponse:
    campaign = access.visible_campaign(request, task.campaign_id)
    return board.page(
        request,
        campaign,
        status=422,
        failed_task=task.pk,
        task_problem=words,
        problem=words,
        typed_proof=request.POST.get("proof", ""),
    )


@require_POST
def task_assign(request: HttpRequest, task_id: int) -> HttpResponse:
    actor = staff_of(request)
    if not actor.has_perm(chores.CHANGE):
        raise PermissionDenied
    task = _visible_task(actor, task_id)
    given = request.POST.get("assignee", "")
    person = next((p for p in chores.assignable(actor) if str(p.pk) == given), None)
    if given and person is None:
        raise Http404
    try:
        chores.assign(task, person, actor=actor)
    except AppError as error:
        return _task_refused(request, task, error.message)
    return back(task.campaign_id, f"task-{task.pk}")


@require_POST
def gate_point(request: HttpRequest, gate_item_id: int) -> HttpResponse:
    actor = require(request, "campaigns.change_gateitem")
    rows = GateItem.objects.visible_to(actor).select_related("campaign")
    item: GateItem = get_object_or_404(rows, pk=gate_item_id)
    try:
        if request.POST.get("tick") == "1":
            gates.tick(item, note=access.typed(request, "note"), actor=actor)
        else:
            gates.untick(item, actor=actor)
    except AppError as error:
        campaign = access.visible_campaign(request, item.campaign_id)
        fields = error.extra.get("fields", {})
        return board.page(
            request,
            campaign,
            status=409,
            problem=fields.get("note") or error.message,
            open_gate=item.code,
        )
    return back(item.campaign_id, f"gate-{item.code}")
