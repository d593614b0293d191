"""Boxes of the member page that crm itself fills."""

from __future__ import annotations

from decimal import Decimal

from django.db.models import Count, F, Sum
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils.translation import gettext_lazy as _

from crm import coupons
from crm.models import Coupon, Member, Order
from crm.registry import Panel, add_panel

SHOWN = 5


def register() -> None:
    """Called once, in AppConfig.ready()."""
    add_panel(Panel("orders", _("Orders"), "crm.view_order", _orders, order=5))
    add_panel(Panel("coupons", _("coupons"), coupons.VIEW, _coupons, order=6))


def _orders(request: HttpRequest, member: Member) -> str:
    """The last orders, and how many there are and how much, net of what went back."""
    rows = Order.objects.filter(member=member)
    totals = rows.paid().aggregate(
        count=Count("pk"),
        net=Sum(F("amount") - F("refunded"), default=Decimal("0.00")),
    )
    last = list(rows.order_by("-placed_at", "-pk")[: SHOWN + 1])
    context = {
        "member": member,
        "orders": last[:SHOWN],
        "has_more": len(last) > SHOWN,
        **totals,
    }
    return render_to_string("crm/member_orders.html", context, request)


def _coupons(request: HttpRequest, member: Member) -> str:
    """Those that end last; no box for who never had one."""
    rows = Coupon.objects.filter(member=member).order_by("-expires_at", "-pk")
    shown = list(rows[:SHOWN])
    if not shown:
        return ""
    context = {"member": member, "coupons": shown}
    return render_to_string("crm/member_coupons.html", context, request)
