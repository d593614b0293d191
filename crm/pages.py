"""The member page: who somebody is, and everything that happened, on one timeline."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from core.errors import AppError
from core.pages import console_page
from core.registry import Text
from core.templatetags.console import moment
from crm import members, registry, revealing, tag_pages
from crm.models import Event, Identity, Member
from crm.timeline import Group, Wording, kinds_of, wordings
from staff.models import Staff
from wechat import windows
from wechat.models import App, Colleague

VIEW = "crm.view_member"
REMARK = "crm.remark_member"
REVEAL = "crm.reveal_member"
PAGE_LINES = 30
_UNKNOWN = Wording(Group.PROFILE, "", "circle", lambda _data: "")


@dataclass(frozen=True)
class Line:
    at: datetime
    title: Text
    text: Text
    icon: str
    account: str
    # "11-23 周一" above the first line of a day, else "".
    day: str


@dataclass(frozen=True)
class Channel:
    """What still reaches the member through one account."""

    identity: Identity
    left: int | None
    closes_at: datetime | None


def visible_member(request: HttpRequest, object_id: str) -> Member:
    """The member in the person's scope; Http404 outside, PermissionDenied without right."""
    staff = _staff(request)
    if not staff.has_perm(VIEW):
        raise PermissionDenied
    rows = Member.objects.visible_to(staff).select_related("org_unit", "controller")
    if not object_id.isascii() or not object_id.isdigit() or len(object_id) > 18:
        raise Http404
    member = rows.filter(pk=int(object_id)).first()
    if member is None:
        raise Http404
    return member


def _staff(request: HttpRequest) -> Staff:
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
    staff = _staff(request)
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
        **_timeline_context(member, "", ""),
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
        if _staff(request).has_perm(panel.permission)
    ]
    return [(panel, html) for panel, html in found if html]


# -- timeline


@require_GET
def timeline(request: HttpRequest, member: Member) -> HttpResponse:
    """More lines, or those of another chip; a fragment for the open page."""
    context = _timeline_context(
        member, request.GET.get("group", ""), request.GET.get("before", "")
    )
    is_more = bool(request.GET.get("before"))
    template = "crm/timeline_lines.html" if is_more else "crm/timeline.html"
    return TemplateResponse(request, template, {"member": member, **context})


def _timeline_context(member: Member, group: str, before: str) -> dict[str, Any]:
    events = Event.objects.filter(member=member).select_related("account")
    if group in Group.values:
        events = events.filter(kind__in=kinds_of(group))
    else:
        group = ""
    cursor = _read_cursor(before)
    if cursor is not None:
        at, pk = cursor
        # The first bound lets PostgreSQL leave whole months out.
        events = events.filter(at__lte=at).exclude(at=at, pk__gte=pk)
    rows = list(events[: PAGE_LINES + 1])
    shown = rows[:PAGE_LINES]
    return {
        "lines": _lines(shown, after=None if cursor is None else cursor[0]),
        "group": group,
        "groups": Group.choices,
        "next_cursor": _cursor(shown[-1]) if len(rows) > PAGE_LINES else "",
    }


def _lines(events: list[Event], *, after: datetime | None) -> list[Line]:
    """The words of the lines; `after` is the line above the first, whose day stands."""
    wanted = {event.data.get("colleague") for event in events}
    colleagues = Colleague.objects.in_bulk([pk for pk in wanted if isinstance(pk, int)])
    day = None if after is None else timezone.localdate(after)
    lines = []
    for event in events:
        wording = wordings.get(event.kind, _UNKNOWN)
        who = colleagues.get(event.data.get("colleague", 0))
        data = {**event.data, "who": str(who)} if who else event.data
        today = timezone.localdate(event.at)
        lines.append(
            Line(
                at=event.at,
                title=wording.title or event.kind,
                text=wording.text(data),
                icon=wording.icon,
                account=str(event.account) if event.account else "",
                day="" if today == day else moment(event.at).rpartition(" ")[0],
            )
        )
        day = today
    return lines


def _cursor(event: Event) -> str:
    since_epoch = event.at - datetime(1970, 1, 1, tzinfo=UTC)
    return f"{since_epoch // timedelta(microseconds=1)}.{event.pk}"


def _read_cursor(text: str) -> tuple[datetime, int] | None:
    """(at, id) of the last line shown; None for the start and for what is no cursor."""
    micros, _dot, pk = text.partition(".")
    digits = micros + pk
    if not (digits.isascii() and digits.isdigit() and micros and pk):
        return None
    if len(micros) > 16 or len(pk) > 18:
        return None
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    return epoch + timedelta(microseconds=int(micros)), int(pk)


# -- writes


@require_POST
def reveal(request: HttpRequest, member: Member) -> HttpResponse:
    """Phone and real name in clear, for a reason, on record."""
    if not _staff(request).has_perm(REVEAL):
        raise PermissionDenied
    reason = request.POST.get("reason", "")
    try:
        revealed = revealing.reveal(member, actor=_staff(request), reason=reason)
    except AppError as error:
        return _page(
            request, member, status=409, reveal_error=error.message, reason=reason
        )
    return _page(request, member, revealed=revealed)


@require_POST
def change_remark(request: HttpRequest, member: Member) -> HttpResponse:
    if not _staff(request).has_perm(REMARK):
        raise PermissionDenied
    remark = request.POST.get("remark", "")
    if members.change_remark(member, remark, actor=_staff(request)):
        messages.success(request, _("The remark was saved."))
    return HttpResponseRedirect(reverse("admin:crm_member_change", args=[member.pk]))
