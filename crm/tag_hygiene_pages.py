"""The page that shows which tags to clean up, and the button that runs the rules."""

from __future__ import annotations

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST, require_safe

from core import navigation
from core.errors import AppError
from core.job_pages import job_url
from core.pages import console_page
from core.registry import NavItem, nav_items, site_urls
from crm import tag_hygiene, tagging
from crm.auto_tags import running
from crm.models import Tag
from staff.requests import require

VIEW, CHANGE = "crm.view_tag", tag_hygiene.CHANGE


@require_safe
def show(request: HttpRequest) -> HttpResponse:
    """The tags that could go, by reason."""
    staff = require(request, VIEW)
    return console_page(
        request,
        "crm/tag_hygiene.html",
        title=_("Tag hygiene"),
        lead=_("Tags nobody uses, that say the same, or that say nothing any more."),
        context={
            "found": tag_hygiene.look(staff),
            "may_change": staff.has_perm(CHANGE),
            "sees_shared": staff.is_superuser,
            "unused_days": tag_hygiene.UNUSED_DAYS,
            "broad_percent": round(tag_hygiene.BROAD_SHARE * 100),
        },
    )


@require_POST
def archive(request: HttpRequest, tag_id: int) -> HttpResponse:
    """Put a tag away; the shared ones only by administrators."""
    staff = require(request, CHANGE)
    tag = get_object_or_404(Tag.objects.visible_to(staff), pk=tag_id)
    if not tag_hygiene.may_archive(tag, staff):
        raise PermissionDenied
    if tagging.archive(tag, actor=staff):
        words = _("“%(tag)s” is archived; who carries it keeps it.")
        messages.success(request, words % {"tag": tag})
    return HttpResponseRedirect(reverse("admin:crm_tag_hygiene"))


@require_POST
def run(request: HttpRequest) -> HttpResponse:
    """Start the job that follows the tag rules now."""
    try:
        job = running.start(actor=require(request, CHANGE))
    except AppError as refusal:
        messages.error(request, str(refusal.message))
        return HttpResponseRedirect(reverse("admin:crm_tag_hygiene"))
    return redirect(job_url(job))


def register() -> None:
    """Called once, in AppConfig.ready()."""
    site_urls.extend(
        (
            ("tags/hygiene/", show, "crm_tag_hygiene"),
            ("tags/run/", run, "crm_tag_run"),
            ("tags/<int:tag_id>/archive/", archive, "crm_tag_archive"),
        )
    )
    nav_items.append(
        NavItem(
            navigation.MEMBERS,
            gettext_lazy("Tag hygiene"),
            "admin:crm_tag_hygiene",
            VIEW,
            icon="cleaning_services",
            order=24,
        )
    )
