"""The page of one touch: write it, see who gets it, have it approved, watch it go out."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from campaigns import approving, asking, audience, counts, quiet, touches
from campaigns.forms import add_refusal
from campaigns.models import Campaign, Touch
from campaigns.pages import access, acts, facts, testing
from campaigns.touch_forms import NewTouchForm, TouchForm, initial_of
from content import markup
from content.models import Item, Version
from core.errors import AppError
from core.job_pages import job_url
from core.models import Job
from core.pages import console_page
from staff.requests import require, staff_of

State = Touch.State
EDITABLE = (State.DRAFT,)
# Looked at again and again while something happens.
MOVING = (State.APPROVED, State.SENDING, State.HELD)
# What the form asks for in one field.
BESIDE = {"account": "way", "channel": "way"}


def address(touch: Touch) -> str:
    return reverse("admin:campaigns_touch_change", args=[touch.pk])


# -- new


def add(request: HttpRequest) -> HttpResponse:
    """First the campaign, then name, phase and the account it goes out through."""
    staff = require(request, access.ADD_TOUCH)
    campaigns = Campaign.objects.visible_to(staff).open()
    key = request.POST.get("campaign") or request.GET.get("campaign", "")
    is_key = key.isascii() and key.isdigit() and len(key) < 19
    campaign = (
        campaigns.select_related("org_unit").filter(pk=int(key)).first()
        if is_key
        else None
    )
    form = None
    if campaign is not None:
        form = NewTouchForm(request.POST or None, staff=staff, campaign=campaign)
        if form.is_bound and form.is_valid():
            made = _create(campaign, form, request)
            if made is not None:
                return HttpResponseRedirect(address(made))
    return console_page(
        request,
        "campaigns/touch_new.html",
        title=_("New touch"),
        above=[campaign or Campaign],
        lead=_("One message to one audience: what, to whom and when come next."),
        context={
            "campaign": campaign,
            "campaigns": campaigns.order_by("-live_date")[:50] if not campaign else [],
            "form": form,
        },
        status=422 if form is not None and form.errors else 200,
    )


def _create(
    campaign: Campaign, form: NewTouchForm, request: HttpRequest
) -> Touch | None:
    channel, account = form.cleaned_data["way"]
    try:
        return touches.create(
            campaign,
            name=form.cleaned_data["name"],
            phase=form.cleaned_data["phase"],
            channel=channel,
            account=account,
            actor=staff_of(request),
        )
    except AppError as error:
        add_refusal(form, error, BESIDE)
        return None


# -- show and save


def show(request: HttpRequest, touch: Touch) -> HttpResponse:
    if request.method != "POST":
        return page(request, touch)
    staff = staff_of(request)
    if not staff.has_perm(access.CHANGE_TOUCH):
        raise PermissionDenied
    form = TouchForm(request.POST, staff=staff, touch=touch)
    if form.is_valid():
        try:
            touches.update(
                touch, access.read_revision(request), actor=staff, **form.values()
            )
        except AppError as error:
            add_refusal(form, error, BESIDE)
        else:
            messages.success(request, _("Saved."))
            return _after_saving(request, touch)
    fresh = access.visible_touch(request, touch.pk)
    return page(request, fresh, status=422, form=form, is_editing=True)


def _after_saving(request: HttpRequest, touch: Touch) -> HttpResponse:
    """Back to the page, asking for approval first where that button was pressed."""
    if request.POST.get("then") == "ask":
        fresh = access.visible_touch(request, touch.pk)
        try:
            outcome = asking.ask(fresh, actor=staff_of(request))
        except AppError as error:
            fresh = access.visible_touch(request, touch.pk)
            return page(request, fresh, status=409, problem=error.message)
        if isinstance(outcome, Job):
            return HttpResponseRedirect(job_url(outcome))
        messages.success(request, _("Approval was asked for."))
    return HttpResponseRedirect(address(touch))


def page(
    request: HttpRequest, touch: Touch, *, status: int = 200, **more: Any
) -> TemplateResponse:
    staff = staff_of(request)
    may_edit = staff.has_perm(access.CHANGE_TOUCH) and not touch.campaign.is_over
    is_wanted = "edit" in request.GET and touch.state in (
        State.IN_REVIEW,
        State.APPROVED,
        State.HELD,
    )
    is_editing = (
        may_edit and touch.has_not_begun and (touch.state in EDITABLE or is_wanted)
    )
    context = {
        "touch": touch,
        "campaign": touch.campaign,
        "actions": acts.possible(touch, staff),
        "why": facts.why(touch),
        "asking": approving.asking_job(touch),
        "may_test": staff.has_perm(access.CHANGE_TOUCH) and touch.has_not_begun,
        "starts_later": acts.starts_later(touch),
        "is_mine": acts.is_mine(touch, staff),
        "is_editing": is_editing,
        "may_edit": may_edit and touch.has_not_begun,
        "voids": touch.state != State.DRAFT,
        "quiet": quiet_words(touch.scheduled_at),
        "facts": facts.of(touch, staff),
        "phone": phone_of(touch.version),
        **testing.context(touch, staff),
        **progress_context(touch),
        **more,
    }
    if context["is_editing"] and "form" not in context:
        context["form"] = TouchForm(initial=initial_of(touch), staff=staff, touch=touch)
    return console_page(
        request,
        "campaigns/touch.html",
        title=touch.name,
        above=[touch.campaign],
        context=context,
        status=status,
    )


def quiet_words(at: datetime | None) -> str:
    """What happens to a time in quiet hours; "" when it is none."""
    if at is None:
        return ""
    allowed = quiet.next_allowed(at)
    if allowed == at:
        return ""
    from core.templatetags.console import moment

    return _("Quiet then: it would wait until %(at)s.") % {"at": moment(allowed)}


def phone_of(version: Version | None) -> dict[str, Any] | None:
    """What content's phone frame needs (content/item_phone.html)."""
    if version is None:
        return None
    is_article = version.item.kind == Item.Kind.ARTICLE
    return {
        "kind": version.item.kind,
        "version": version,
        "html": markup.to_html(version.body) if is_article else "",
    }


# -- fragments


@require_POST
def preview(request: HttpRequest, touch: Touch) -> HttpResponse:
    """Who would get it as the form stands; for the open page, while it is edited."""
    staff = staff_of(request)
    if not staff.has_perm(access.CHANGE_TOUCH):
        raise PermissionDenied
    form = TouchForm(request.POST, staff=staff, touch=touch)
    form.is_valid()
    found, problem = None, ""
    way = form.cleaned_data.get("way")
    at = form.cleaned_data.get("scheduled_at")
    if any(name in form.errors for name in ("way", "seen_within_days")):
        problem = _("Correct the marked fields, then the count comes back.")
    elif way is not None:
        draft = Touch(
            pk=touch.pk,
            campaign=touch.campaign,
            channel=way[0],
            account=way[1],
            topic=form.cleaned_data.get("topic"),
            audience=form.rule(),
            scheduled_at=at,
            valid_until=form.cleaned_data.get("valid_until"),
            batch_size=form.cleaned_data.get("batch_size"),
        )
        try:
            found = audience.preview(draft, staff)
        except AppError as error:
            problem = str(error.message)
    context = {
        "touch": touch,
        "preview": found,
        "left_out": found.total - found.sendable if found else 0,
        "reasons": facts.excluded(found.excluded) if found else [],
        "problem": problem,
        "quiet": quiet_words(at),
    }
    return TemplateResponse(request, "campaigns/reach.html", context)


@require_GET
def content_preview(request: HttpRequest, touch: Touch) -> HttpResponse:
    """The chosen content as on a phone; a fragment."""
    staff = staff_of(request)
    given = request.GET.get("version", "")
    version = None
    if given.isascii() and given.isdigit() and len(given) < 19:
        rows = Version.objects.visible_to(staff).approved()
        version = rows.select_related("item", "picture").filter(pk=int(given)).first()
        if version is None:
            raise Http404
    return TemplateResponse(
        request, "campaigns/phone.html", {"phone": phone_of(version)}
    )


@require_GET
def progress(request: HttpRequest, touch: Touch) -> HttpResponse:
    """The bars; asks the page to come again as a whole when the state has changed."""
    response = TemplateResponse(
        request, "campaigns/progress.html", progress_context(touch)
    )
    if request.GET.get("state") not in (None, touch.state):
        response["HX-Refresh"] = "true"
    response["Cache-Control"] = "no-store"
    return response


def progress_context(touch: Touch) -> dict[str, Any]:
    found = counts.of([touch.pk]).get(touch.pk) if touch.snapshot_at else None
    return {
        "touch": touch,
        "counts": found,
        "bars": facts.bars(found) if found else [],
        "reasons": facts.reasons(found) if found else [],
        "is_moving": touch.state in MOVING,
        "is_whole_base": facts.is_whole_base(touch, found),
        "as_of": timezone.now(),
    }
