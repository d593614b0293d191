"""The rows behind a figure of a campaign: who, when, why; in the person's scope."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db.models import F, Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from campaigns import reasons
from campaigns.models import Campaign, LinkClick, Recipient, Response
from campaigns.pages.access import visible_campaign
from campaigns.templatetags.campaigns import RECIPIENT_TONES
from core.pages import console_page
from crm.models import Member
from reports import tables
from reports.metrics import all_metrics
from reports.recap_pages import VIEW
from staff.models import Staff
from staff.requests import require

MEMBERS = "crm.view_member"
PAGE_ROWS = 50
STATES: dict[str, list[str]] = {
    "planned": Recipient.State.values,
    "sent": [Recipient.State.SENT, Recipient.State.ACCEPTED],
    "failed": [Recipient.State.FAILED],
    "unknown": [Recipient.State.UNKNOWN],
    "excluded": [Recipient.State.EXCLUDED],
    "waiting": [Recipient.State.WAITING],
}


@dataclass(frozen=True)
class Line:
    """One row: `member` None where nobody knows who it was."""

    member: Member | None
    touch: str
    at: Any
    what: Any
    tone: str = "idle"


@require_GET
def show(request: HttpRequest, campaign_id: int, figure: str) -> HttpResponse:
    campaign = visible_campaign(request, campaign_id, VIEW)
    staff = require(request, MEMBERS)
    if figure not in tables.KEYS:
        raise Http404
    asked = _Asked.of(request)
    rows = _rows(campaign, figure, asked, staff)
    if asked.before is not None:
        rows = rows.filter(pk__lt=asked.before)
    found = list(rows.order_by("-pk")[: PAGE_ROWS + 1])
    shown = found[:PAGE_ROWS]
    reason, metric = asked.reason, all_metrics()[tables.KEYS[figure]]
    touch = campaign.touches.filter(pk=asked.touch).first() if asked.touch else None
    context = {
        "campaign": campaign,
        "metric": metric,
        "touch": touch,
        "reason": reasons.label(reason) if reason else "",
        "reason_words": reasons.words(reason) if reason else "",
        "lines": [_line(row) for row in shown],
        "next_before": shown[-1].pk if len(found) > PAGE_ROWS else None,
        "query": asked,
    }
    page = console_page(
        request,
        "reports/rows.html",
        title=_("%(figure)s of %(campaign)s")
        % {"figure": metric.name, "campaign": campaign},
        context=context,
    )
    page["Cache-Control"] = "no-store"
    return page


@dataclass(frozen=True)
class _Asked:
    touch: int | None
    link: int | None
    reason: str
    before: int | None

    @classmethod
    def of(cls, request: HttpRequest) -> _Asked:
        """Reads the query string; Http404 for numbers that are none."""

        def number(name: str) -> int | None:
            text = request.GET.get(name, "")
            if not text:
                return None
            if not text.isascii() or not text.isdigit() or len(text) > 18:
                raise Http404
            return int(text)

        return cls(
            number("touch"),
            number("link"),
            request.GET.get("reason", "")[:24],
            number("before"),
        )


def _rows(
    campaign: Campaign, figure: str, asked: _Asked, staff: Staff
) -> QuerySet[Any]:
    if figure in tables.PEOPLE:
        return _recipients(campaign, figure, asked, staff)
    if figure in tables.CLICKS:
        return _clicks(campaign, figure, asked, staff)
    rows = Response.objects.visible_to(staff).filter(
        touch__campaign=campaign,
        kind=figure,
        member__in=Member.objects.visible_to(staff),
    )
    if asked.touch is not None:
        rows = rows.filter(touch=asked.touch)
    return rows.select_related("member", "touch")


def _recipients(
    campaign: Campaign, figure: str, asked: _Asked, staff: Staff
) -> QuerySet[Any]:
    rows = Recipient.objects.visible_to(staff).filter(
        touch__campaign=campaign, state__in=STATES[figure]
    )
    if asked.touch is not None:
        rows = rows.filter(touch=asked.touch)
    if asked.reason:
        rows = rows.filter(reason=asked.reason)
    return rows.select_related("member", "touch")


def _clicks(
    campaign: Campaign, figure: str, asked: _Asked, staff: Staff
) -> QuerySet[Any]:
    visible = Q(recipient__member__in=Member.objects.visible_to(staff))
    if figure == "openings":
        visible |= Q(recipient=None)
    rows = LinkClick.objects.visible_to(staff).filter(
        visible,
        link__touch__campaign=campaign,
        at__gte=F("link__touch__started_at"),
    )
    if asked.touch is not None:
        rows = rows.filter(link__touch=asked.touch)
    if asked.link is not None:
        rows = rows.filter(link=asked.link)
    return rows.select_related("recipient__member", "link__touch")


def _line(row: Recipient | LinkClick | Response) -> Line:
    if isinstance(row, Recipient):
        words = str(row.get_state_display())
        if row.reason:
            words = f"{words} · {reasons.label(row.reason)}"
        tone = RECIPIENT_TONES[Recipient.State(row.state)]
        return Line(row.member, row.touch.name, row.contacted_at, words, tone)
    if isinstance(row, LinkClick):
        member = row.recipient.member if row.recipient else None
        return Line(member, row.link.touch.name, row.at, row.link.url)
    return Line(row.member, row.touch.name, row.at, row.get_kind_display())
