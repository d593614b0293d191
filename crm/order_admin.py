"""Orders as shops told them, and the catalogue they are made of."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from core.admin import ReadOnly, ScopedAdmin, ScopedTabularInline
from core.ids import as_id
from core.templatetags.console import moment, status
from crm import orders
from crm.models import Member, Order, OrderItem, Product, Refund
from crm.owned_admin import OwnedAdmin, OwnedForm
from staff.requests import staff_of

TONES = {
    Order.State.PENDING: "idle",
    Order.State.PAID: "good",
    Order.State.PARTLY_REFUNDED: "part",
    Order.State.REFUNDED: "bad",
    Order.State.CANCELLED: "idle",
}
PERIODS = {"7": _("Last 7 days"), "30": _("Last 30 days"), "365": _("Last 12 months")}


class PeriodFilter(admin.SimpleListFilter):
    """Placed within the last days."""

    title = _("placed")
    parameter_name = "placed"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return list(PERIODS.items())

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[Order]
    ) -> QuerySet[Order]:
        if self.value() not in PERIODS:
            return queryset
        since = timezone.now() - timedelta(days=int(str(self.value())))
        return queryset.filter(placed_at__gte=since)


class BuyerFilter(admin.SimpleListFilter):
    """Whether we know who bought."""

    title = _("buyer")
    parameter_name = "buyer_known"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("yes", _("A member")), ("no", _("Not known yet"))]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[Order]
    ) -> QuerySet[Order]:
        if self.value() not in ("yes", "no"):
            return queryset
        return queryset.filter(member__isnull=self.value() == "no")


class MemberFilter(admin.SimpleListFilter):
    """The orders of one member, as the member page links to them."""

    title = _("member")
    parameter_name = "of_member"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        pk = as_id(request.GET.get(self.parameter_name, ""))
        if pk is None:
            return []
        found = Member.objects.visible_to(staff_of(request)).filter(pk=pk).first()
        return [(str(found.pk), str(found))] if found else []

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[Order]
    ) -> QuerySet[Order]:
        if self.value() is None:
            return queryset
        known = [int(key) for key, _label in self.lookup_choices]
        return queryset.filter(member__in=known)


class ItemInline(ReadOnly, ScopedTabularInline):
    """What was bought."""

    model = OrderItem
    hide_title = True
    fields = ("product", "quantity", "amount")


class RefundInline(ReadOnly, ScopedTabularInline):
    """What went back."""

    model = Refund
    hide_title = True
    fields = ("code", "amount", "at", "reason")


@admin.register(Order)
class OrderAdmin(ReadOnly, ScopedAdmin):
    """Orders to look at: shops tell them (crm.order_api), nobody changes them here."""

    nav_order = 30
    list_before_template = "crm/order_acts.html"
    empty_text = _("Orders come from the shops over the API, or from a file.")
    list_display = (
        *("code", "shop", "buyer_shown", "org_unit", "state_shown"),
        *("net_shown", "placed_shown"),
    )
    list_display_links = ("code",)
    list_filter = (
        "state",
        "presale",
        "after_sales",
        PeriodFilter,
        BuyerFilter,
        MemberFilter,
    )
    list_filter_submit = True
    list_select_related = ("member", "org_unit")
    ordering = ("-placed_at", "-id")
    search_fields = ("code",)
    search_help_text = _("Order number, whole")
    inlines = (ItemInline, RefundInline)
    fields = (
        *("shop", "code", "member", "buyer", "org_unit", "state", "presale"),
        *(
            "after_sales",
            "placed_at",
            "paid_at",
            "amount",
            "discount",
            "refunded",
            "has_coupon",
            "is_pickup",
        ),
        *("region", "note", "recorded_at"),
    )
    actions = None

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        term = search_term.strip().replace("\x00", "")
        return (queryset.filter(code=term[:64]) if term else queryset), False

    @admin.display(description=_("buyer"))
    def buyer_shown(self, order: Order) -> SafeString | str:
        if order.member is None:
            return order.buyer or "–"
        url = reverse("admin:crm_member_change", args=[order.member_id])
        return format_html('<a class="underline" href="{}">{}</a>', url, order.member)

    @admin.display(description=_("state"), ordering="state")
    def state_shown(self, order: Order) -> SafeString:
        state = Order.State(order.state)
        return status(TONES[state], " · ".join(map(str, _standing(order))))

    @admin.display(description=_("net amount"), ordering="amount")
    def net_shown(self, order: Order) -> SafeString:
        return format_html('<span class="pd-num">¥{}</span>', f"{order.net:,.2f}")

    @admin.display(description=_("placed at"), ordering="placed_at")
    def placed_shown(self, order: Order) -> SafeString:
        return format_html('<span class="pd-num">{}</span>', moment(order.placed_at))


def _standing(order: Order) -> list[str]:
    """The state, with what is not settled: a presale, an after-sales case."""
    found = [order.get_state_display()]
    if order.presale and order.state == Order.State.PENDING:
        found.append(order.get_presale_display())
    if order.after_sales == Order.AfterSales.OPEN:
        found.append(order.get_after_sales_display())
    return found


class ProductForm(OwnedForm):
    """A product belongs to the data controller of who makes it."""

    class Meta:
        model = Product
        fields = ("code", "name", "category", "price", "launched_on", "is_active")

    def clean(self) -> dict[str, Any]:
        found: dict[str, Any] = super().clean() or {}
        if self.instance.controller_id is None:
            raise ValidationError(orders.NoController.message)
        return found


@admin.register(Product)
class ProductAdmin(OwnedAdmin):
    """The catalogue of one's data controller."""

    form = ProductForm
    nav_order = 31
    list_display = ("name", "code", "category", "price_shown", "is_active")
    list_filter = ("is_active", "category")
    list_select_related = ("category",)
    search_fields = ("name", "code")
    ordering = ("-id",)
    needed_first = ("category",)
    set_once = ("code",)
    actions = None

    @admin.display(description=_("price"), ordering="price")
    def price_shown(self, product: Product) -> SafeString:
        return format_html('<span class="pd-num">¥{}</span>', f"{product.price:,.2f}")
