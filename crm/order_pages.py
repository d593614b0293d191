"""The page of one order: what was bought, what came back, and what happened when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from core.models import AuditEntry
from core.pages import console_page
from core.registry import Text
from core.templatetags.console import audit_action, audit_change, yuan
from crm.models import Member, Order, OrderItem, Refund
from staff.models import Staff
from staff.requests import staff_of

TONES = {
    Order.State.PENDING: "idle",
    Order.State.PAID: "good",
    Order.State.PARTLY_REFUNDED: "part",
    Order.State.REFUNDED: "bad",
    Order.State.CANCELLED: "idle",
}
SHOWN_TRAIL = 50


@dataclass(frozen=True)
class Moment:
    """Something that happened to the order; `by`: who wrote it here."""

    at: datetime
    title: Text
    text: str = ""
    by: str = ""


def standing(order: Order) -> list[str]:
    """The state, with what is not settled: a presale, an after-sales case."""
    found = [order.get_state_display()]
    if order.presale and order.state == Order.State.PENDING:
        found.append(order.get_presale_display())
    if order.after_sales == Order.AfterSales.OPEN:
        found.append(order.get_after_sales_display())
    return found


@require_safe
def show(
    request: HttpRequest, order: Order, trail: Sequence[AuditEntry]
) -> HttpResponse:
    """`order`: in the person's scope, with member, store and controller read."""
    staff = staff_of(request)
    items = list(
        OrderItem.objects.filter(order=order)
        .select_related("product__category")
        .order_by("pk")
    )
    refunds = list(Refund.objects.filter(order=order))
    context = {
        "order": order,
        "tone": TONES[Order.State(order.state)],
        "standing": " · ".join(standing(order)),
        "items": items,
        "items_total": sum((item.amount for item in items), Decimal(0)),
        "pieces": sum(item.quantity for item in items),
        "refunds": refunds,
        "has_net": bool(order.refunded),
        "may_open_member": _may_open_member(order, staff),
        "may_open_product": staff.has_perm("crm.view_product"),
        "moments": _moments(order, refunds, trail),
    }
    return console_page(
        request,
        "crm/order.html",
        title=_("Order %(code)s") % {"code": order.code},
        above=[Order],
        context=context,
    )


def _may_open_member(order: Order, staff: Staff) -> bool:
    if order.member_id is None or not staff.has_perm("crm.view_member"):
        return False
    return Member.objects.visible_to(staff).filter(pk=order.member_id).exists()


def _moments(
    order: Order, refunds: Sequence[Refund], trail: Sequence[AuditEntry]
) -> list[Moment]:
    """What the shop told and what was done here, the newest first, each once."""
    told = {
        entry.after.get("refund"): entry for entry in trail if _is(entry, "refunded")
    }
    written = next((entry for entry in trail if _is(entry, "recorded")), None)
    found = [Moment(order.placed_at, _("Placed"), order.shop)]
    if order.paid_at is not None:
        found.append(Moment(order.paid_at, _("Paid"), yuan(order.amount)))
    for refund in refunds:
        entry = told.get(refund.pk)
        parts = (yuan(refund.amount), refund.reason)
        words = " · ".join(part for part in parts if part)
        found.append(Moment(refund.at, _("Refunded"), words, _who(entry)))
    found.append(Moment(order.recorded_at, _("Recorded here"), by=_who(written)))
    found += [
        Moment(entry.at, audit_action(entry.action), audit_change(entry), _who(entry))
        for entry in trail
        if not (_is(entry, "recorded") or _is(entry, "refunded"))
    ]
    # Of one moment what came later in the list came later: paid stands above placed.
    return sorted(found, key=lambda moment: moment.at)[::-1]


def _is(entry: AuditEntry, verb: str) -> bool:
    return entry.action == f"crm.order.{verb}"


def _who(entry: AuditEntry | None) -> str:
    return "" if entry is None else str(entry.actor)
