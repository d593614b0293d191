"""The member page: who somebody is, and everything that happened, on one timeline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from core.errors import AppError
from core.ids import one_of
from core.pages import console_page
from core.templatetags.console import moment
from crm import (
    completeness,
    consent_panel,
    editing,
    members,
    notes,
    registry,
    revealing,
    standing,
    tag_pages,
    timeline_pages,
)
from crm.models import Identity, Member, Note
from staff.models import Staff
from staff.requests import require, staff_of
from wechat import windows
from wechat.models import App

VIEW = "crm.view_member"
REMARK = "crm.remark_member"
REVEAL = "crm.reveal_member"
WRITE_NOTES = "crm.add_note"
SHOWN_NOTES = 5


@dataclass(frozen=True)
class Channel:
    """What still reaches the member through one account, and how much is left of it."""

    identity: Identity
    quotas: Sequence[registry.Quota] = ()


def visible_member(request: HttpRequest, object_id: str) -> Member:
    """The member in the person's scope; Http404 outside, PermissionDenied without right."""
    rows = Member.objects.visible_to(require(request, VIEW)).select_related(
        "org_unit", "controller", "owner"
    )
    return one_of(rows, object_id)


@require_GET
def show(request: HttpRequest, member: Member) -> HttpResponse:
    """The page; of a record that was merged, that of the one it became."""
    if member.merged_into_id:
        return redirect("admin:crm_member_change", member.merged_into_id)
    return show_with(request, member)


def show_with(
    request: HttpRequest, member: Member, *, status: int = 200, **more: Any
) -> TemplateResponse:
    """The page, with what a refused form on it has to say in `more`."""
    staff = staff_of(request)
    identities = list(
        member.identities.select_related("account").order_by("kind", "account_id")
    )
    relations = member.relations.select_related("colleague").order_by(
        "-added_at", "-pk"
    )
    panels = _panels(request, member)
    context = {
        "member": member,
        "standing": standing.marketing(member),
        "completeness": completeness.of(member),
        "channels": _channels(member, identities),
        "other_ids": [each for each in identities if each.account is None],
        "relations": relations[:50],
        **consent_panel.context_of(request, member),
        "left_panels": [pair for pair in panels if pair[0].side == "left"],
        "right_panels": [pair for pair in panels if pair[0].side != "left"],
        **tag_pages.context_of(request, member),
        **_notes(staff, member),
        **_rights(staff, member),
        **timeline_pages.context_of(member, staff, request.GET.get("group", "")),
        **more,
    }
    page = console_page(
        request,
        "crm/member.html",
        title=str(member),
        above=[Member],
        context=context,
        status=status,
    )
    page["Cache-Control"] = "no-store"
    return page


def _rights(staff: Staff, member: Member) -> dict[str, bool]:
    stands = member.purged_at is None and member.merged_into_id is None
    may_edit = staff.has_perm(editing.EDIT) or staff.has_perm(editing.ASSIGN)
    return {
        "may_reveal": staff.has_perm(REVEAL) and bool(member.phone or member.real_name),
        "may_remark": stands and staff.has_perm(REMARK),
        "may_edit": stands and may_edit,
        "may_write_notes": stands and staff.has_perm(WRITE_NOTES),
        "may_unbind": stands and staff.has_perm("crm.merge_member"),
    }


def _notes(staff: Staff, member: Member) -> dict[str, Any]:
    """The last ones; earlier notes stand on the timeline."""
    may_read = staff.has_perm("crm.view_note")
    rows = Note.objects.filter(member=member).select_related("staff")
    found = list(rows[: SHOWN_NOTES + 1]) if may_read else []
    return {
        "may_read_notes": may_read,
        "notes": found[:SHOWN_NOTES],
        "has_more_notes": len(found) > SHOWN_NOTES,
        "note_chars": notes.MAX_CHARS,
    }


def _channels(member: Member, identities: list[Identity]) -> list[Channel]:
    """One line per account, with what the platform and our own rules still take."""
    known = [identity for identity in identities if identity.account is not None]
    apps = {
        app.account_id: app
        for app in App.objects.select_related("account").filter(
            account__in=[identity.account_id for identity in known], is_active=True
        )
    }
    quotas: dict[int, list[registry.Quota]] = {each.pk: [] for each in known}
    for identity in known:
        app = apps.get(identity.account_id or 0)
        if app and identity.is_following and not app.account.is_wecom:
            quotas[identity.pk].append(_of_window(app, identity))
    for left_for in registry.channel_quotas:
        for pk, found in left_for(member, known).items():
            quotas[pk] += found
    return [Channel(identity, quotas[identity.pk]) for identity in known]


def _of_window(app: App, identity: Identity) -> registry.Quota:
    allowance = windows.allowance(app, identity.value)
    if not allowance.left:
        return registry.Quota(_("No message possible until they write"), 0)
    words = _("%(left)d messages left until %(at)s") % {
        "left": allowance.left,
        "at": moment(allowance.closes_at),
    }
    return registry.Quota(words, allowance.left)


def _panels(request: HttpRequest, member: Member) -> list[tuple[registry.Panel, str]]:
    found = [
        (panel, panel.render(request, member))
        for panel in registry.panels
        if staff_of(request).has_perm(panel.permission)
    ]
    return [(panel, html) for panel, html in found if html]


# -- writes


@require_POST
def reveal(request: HttpRequest, member: Member) -> HttpResponse:
    """Phone and real name in clear, for a reason, on record."""
    actor = require(request, REVEAL)
    reason = request.POST.get("reason", "")
    try:
        revealed = revealing.reveal(member, actor=actor, reason=reason)
    except AppError as error:
        return show_with(
            request, member, status=409, reveal_error=error.message, reason=reason
        )
    return show_with(request, member, revealed=revealed)


@require_POST
def change_remark(request: HttpRequest, member: Member) -> HttpResponse:
    """Write what colleagues should know of the member at a glance."""
    actor = require(request, REMARK)
    remark = request.POST.get("remark", "")
    try:
        if members.change_remark(member, remark, actor=actor):
            messages.success(request, _("The remark was saved."))
    except AppError as refusal:
        messages.error(request, str(refusal.message))
    return HttpResponseRedirect(reverse("admin:crm_member_change", args=[member.pk]))
