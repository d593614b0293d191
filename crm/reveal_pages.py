"""Who looked at which phone number, when and why: for who watches over privacy."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import Any

from django.db.models import Max, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET

from core import navigation
from core.ids import as_id
from core.models import AuditEntry
from core.pages import console_page
from core.paginators import OpenPaginator
from core.registry import HomeTile, NavItem, TileLine, home_tiles, nav_items, site_urls
from crm import revealing
from crm.models import Member
from staff.models import Staff
from staff.requests import require, staff_of

VIEW = "core.view_auditentry"
PAGE_LINES = 50
TOLD_FOR = timedelta(days=7)
OUTCOMES = {"seen": revealing.ACTION, "refused": revealing.REFUSED}


@require_GET
def show(request: HttpRequest) -> HttpResponse:
    """The list, narrowed by `who`, `from`, `to`, `outcome` and a word of the reason."""
    staff = require(request, VIEW)
    rows, problem = _narrowed(revealing.entries(staff), request)
    page = OpenPaginator(rows, PAGE_LINES).get_page(request.GET.get("p"))
    ids = [int(each.target_id) for each in page.object_list]
    members = Member.objects.visible_to(staff).in_bulk(ids)
    given = {name: request.GET.get(name, "")[:80] for name in _GIVEN}
    kept = request.GET.copy()
    kept.pop("p", None)
    context = {
        "page": page,
        "lines": [
            (each, members.get(int(each.target_id))) for each in page.object_list
        ],
        "colleagues": _who_looked(staff),
        "given": given,
        "is_narrowed": any(given.values()),
        "kept": kept.urlencode(),
        "problem": problem,
        "refused": revealing.REFUSED,
        "limit": revealing.limit(),
    }
    return console_page(
        request,
        "crm/reveals.html",
        title=_("Revealed phone numbers"),
        lead=_("Every look at a phone number or real name in clear, with its reason."),
        context=context,
    )


_GIVEN = ("who", "from", "to", "outcome", "q")


def _who_looked(staff: Staff) -> QuerySet[Staff]:
    """Colleagues who may look at all, to choose from."""
    return (
        Staff.objects.visible_to(staff)
        .filter(is_active=True)
        .order_by("username")[:300]
    )


def _narrowed(
    rows: QuerySet[AuditEntry], request: HttpRequest
) -> tuple[QuerySet[AuditEntry], str]:
    """The rows, and what of the filters was not understood."""
    problem, given = "", request.GET
    who = given.get("who", "")
    if who:
        pk = as_id(who)
        rows = rows.none() if pk is None else rows.filter(actor=pk)
    if given.get("outcome") in OUTCOMES:
        rows = rows.filter(action=OUTCOMES[given["outcome"]])
    if word := given.get("q", "").strip()[:80]:
        rows = rows.filter(reason__icontains=word)
    for name, days in (("from", 0), ("to", 1)):
        text = given.get(name, "")
        day = _day(text)
        if day is not None:
            at = timezone.make_aware(datetime.combine(day, time()))
            at += timedelta(days=days)
            rows = rows.filter(at__lt=at) if days else rows.filter(at__gte=at)
        elif text:
            problem = _("A day is written like 2026-11-23.")
    return rows, problem


def _day(text: str) -> date | None:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return day if 2000 <= day.year <= 2099 else None


# -- where it is told


def alerts(request: HttpRequest) -> list[TileLine]:
    """Who went past the limit in the last days."""
    since = timezone.now() - TOLD_FOR
    rows: Any = (
        revealing.entries(staff_of(request))
        .filter(action=revealing.REFUSED, at__gt=since)
        .order_by()
        .values("actor", "actor__display_name", "actor__username")
        .annotate(last=Max("at"))
        .order_by("-last")[:8]
    )
    address = reverse("admin:crm_reveals")
    return [
        (
            _("%(who)s reached the hourly limit of phone numbers on %(at)s")
            % {
                "who": row["actor__display_name"] or row["actor__username"],
                "at": timezone.localtime(row["last"]).strftime("%m-%d %H:%M"),
            },
            f"{address}?who={row['actor']}",
            None,
            "bad",
        )
        for row in rows
    ]


def register() -> None:
    """Called once, in AppConfig.ready()."""
    site_urls.append(("reveals/", show, "crm_reveals"))
    nav_items.append(
        NavItem(
            group=navigation.MEMBERS,
            title=gettext_lazy("Revealed phone numbers"),
            url_name="admin:crm_reveals",
            permission=VIEW,
            icon="visibility",
            order=560,
        )
    )
    home_tiles.append(
        HomeTile("crm.reveals", gettext_lazy("Privacy"), VIEW, alerts, 20)
    )
