"""Who a touch is for: the rows behind its counts, page by page, never counted."""

from __future__ import annotations

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from campaigns import counts, reasons
from campaigns.models import Recipient, Touch
from campaigns.pages import access, facts
from campaigns.pages.touches import address
from core.pages import console_page
from staff.requests import require

PAGE_ROWS = 50


@require_GET
def show(request: HttpRequest, touch: Touch) -> HttpResponse:
    staff = require(request, access.VIEW_RECIPIENT)
    state = request.GET.get("state", "")
    reason = request.GET.get("reason", "")
    rows = Recipient.objects.visible_to(staff).filter(touch=touch)
    if state in Recipient.State.values:
        rows = rows.filter(state=state)
    else:
        state = ""
    if reason:
        rows = rows.filter(reason=reason[:24])
    after = request.GET.get("after", "")
    if after.isascii() and after.isdigit() and len(after) < 19:
        rows = rows.filter(pk__gt=int(after))
    else:
        after = ""
    found = _first(rows, [state] if state else Recipient.State.values)
    shown = found[:PAGE_ROWS]
    tally = counts.of([touch.pk]).get(touch.pk)
    page = console_page(
        request,
        "campaigns/recipients.html",
        title=_("Recipients: %(name)s") % {"name": touch.name},
        above=[touch.campaign, (touch.name, address(touch))],
        context={
            "touch": touch,
            "rows": [(row, reasons.label(row.reason)) for row in shown],
            "next_after": shown[-1].pk if len(found) > PAGE_ROWS else None,
            "after": after,
            "state": state,
            "reason": reason,
            "reason_label": reasons.label(reason) if reason else "",
            "reason_advice": reasons.advice(reason) if reason else "",
            "bars": facts.bars(tally) if tally else [],
            "reasons": facts.reasons(tally) if tally else [],
            "may_open_member": staff.has_perm("crm.view_member"),
        },
    )
    page["Cache-Control"] = "no-store"
    return page


def _first(rows: QuerySet[Recipient], states: list[str]) -> list[Recipient]:
    """The first rows by id: per state, as the index goes, and then together."""
    ordered = rows.select_related("member").order_by("pk")
    parts = [ordered.filter(state=each)[: PAGE_ROWS + 1] for each in states]
    together = sorted((row for part in parts for row in part), key=lambda row: row.pk)
    return together[: PAGE_ROWS + 1]
