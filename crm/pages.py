"""The member page: who somebody is, and everything that happened, on one timeline."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from core.errors import AppError
from core.pages import console_page
from crm import members, registry, revealing, tag_pages, timeline_pages
from crm.models import Identity, Member
from staff.models import Staff
from wechat import windows
from wechat.models import App

VIEW = "crm.view_member"
REMARK = "crm.remark_member"
REVEAL = "crm.reveal_member"


@dataclass(frozen=True)
class Channel:
    """What still reaches the member through one account."""

    identity: Identity
    left: int | None
    closes_at: datetime | None


def visible_member(request: HttpRequest, object_id: str) -> Member:
    """The member in the person's scope; Http404 outside, PermissionDenied without right."""
    staff = staff_of(request)
    if not staff.has_perm(VIEW):
        raise PermissionDenied
    rows = Member.objects.visible_to(staff).select_related("org_unit", "controller")
    if not object_id.isascii() or not object_id.isdigit() or len(object_id) > 18:
        raise Http404
    member = rows.filter(pk=int(object_id)).first()
    if member is None:
        raise Http404
    return member


def staff_of(request: HttpRequest) -> Staff:
    assert isinstance(request.user, Staff)  # admin_view lets nobody else through
    return request.user


@require_GET
def show(request: HttpRequest, member: Member) -> HttpResponse:
    if member.merged_into_id:
        return redirect("admin:crm_member_change", member.merged_into_id)
    return _page(request, member)


def _page(
    request: HttpRequest, member: Member, *, status: int = 200, **more: Any
) -> TemplateResponse:
    staff = staff_of(request)
    identities = list(
        member.identities.select_related("account").order_by("kind", "account_id")
    )
    relations = member.relations.select_related("colleague").order_by(
        "-added_at", "-pk"
    )
    context = {
        "member": member,
        "channels": _channels(identities),
        "unionids": [i for i in identities if i.kind == Identity.Kind.UNIONID],
        "relations": relations[:50],
        "consent_entries": member.consent_entries.select_related("account")[:20]
        if staff.has_perm("crm.view_consententry")
        else None,
        "panels": _panels(request, member),
        **tag_pages.context_of(request, member),
        "may_reveal": staff.has_perm(REVEAL) and bool(member.phone or member.real_name),
        "may_remark": staff.has_perm(REMARK) and member.purged_at is None,
        **timeline_pages.context_of(member, staff, request.GET.get("group", "")),
        **more,
    }
    page = console_page(
        request, "crm/member.html", title=str(member), context=context, status=status
    )
    page["Cache-Control"] = "no-store"
    return page


def _channels(identities: list[Identity]) -> list[Channel]:
    """One line per account, with what the platform still takes (a query per account)."""
    known = [identity for identity in identities if identity.account is not None]
    apps = {
        app.account_id: app
        for app in App.objects.select_related("account").filter(
            account__in=[identity.account_id for identity in known], is_active=True
        )
    }
    channels = []
    for identity in known:
        app = apps.get(identity.account_id or 0)
        if app is None or app.account.is_wecom or not identity.is_following:
            channels.append(Channel(identity, None, None))
            continue
        allowance = windows.allowance(app, identity.value)
        channels.append(Channel(identity, allowance.left, allowance.closes_at))
    return channels


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
    if not staff_of(request).has_perm(REVEAL):
        raise PermissionDenied
    reason = request.POST.get("reason", "")
    try:
        revealed = revealing.reveal(member, actor=staff_of(request), reason=reason)
    except AppError as error:
        return _page(
            request, member, status=409, reveal_error=error.message, reason=reason
        )
    return _page(request, member, revealed=revealed)


@require_POST
def change_remark(request: HttpRequest, member: Member) -> HttpResponse:
    if not staff_of(request).has_perm(REMARK):
        raise PermissionDenied
    remark = request.POST.get("remark", "")
    if members.change_remark(member, remark, actor=staff_of(request)):
        messages.success(request, _("The remark was saved."))
    return HttpResponseRedirect(reverse("admin:crm_member_change", args=[member.pk]))
