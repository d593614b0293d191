"""Orders as shops told them, and the catalogue they are made of."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, ClassVar

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from core.admin import ReadOnly, ScopedAdmin
from core.ids import as_id
from core.templatetags.console import moment, status, yuan
from crm import order_pages, orders
from crm.models import Member, Order, OrderItem, Product
from crm.order_pages import TONES
from crm.owned_admin import OwnedAdmin, OwnedForm
from staff.requests import staff_of

SHOWN_ORDERS = 8
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
    actions = None

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        term = search_term.strip().replace("\x00", "")
        return (queryset.filter(code=term[:64]) if term else queryset), False

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        order = self.get_object_or_404(request, unquote(object_id))
        trail = self.trail_of(request, order)[: order_pages.SHOWN_TRAIL]
        return order_pages.show(request, order, trail)

    @admin.display(description=_("buyer"))
    def buyer_shown(self, order: Order) -> SafeString | str:
        if order.member is None:
            return order.buyer or "–"
        url = reverse("admin:crm_member_change", args=[order.member_id])
        return format_html('<a class="underline" href="{}">{}</a>', url, order.member)

    @admin.display(description=_("state"), ordering="state")
    def state_shown(self, order: Order) -> SafeString:
        state = Order.State(order.state)
        return status(TONES[state], " · ".join(order_pages.standing(order)))

    @admin.display(description=_("net amount"), ordering="amount")
    def net_shown(self, order: Order) -> SafeString:
        return format_html('<span class="pd-num">{}</span>', yuan(order.net))

    @admin.display(description=_("placed at"), ordering="placed_at")
    def placed_shown(self, order: Order) -> SafeString:
        return format_html('<span class="pd-num">{}</span>', moment(order.placed_at))


class ProductForm(OwnedForm):
    """A product belongs to the data controller of who makes it."""

    class Meta:
        model = Product
        fields = ("code", "name", "category", "price", "launched_on", "is_active")
        help_texts: ClassVar = {
            "price": _(
                "Yuan, as the shop lists it; what was paid stands on each order."
            )
        }

    def clean(self) -> dict[str, Any]:
        found: dict[str, Any] = super().clean() or {}
        if self.instance.controller_id is None:
            raise ValidationError(orders.NoController.message)
        return found


@admin.register(Product)
class ProductAdmin(OwnedAdmin):
    """The catalogue of one's data controller."""

    form = ProductForm
    change_form_after_template = "crm/product_orders.html"
    nav_order = 31
    list_display = ("name", "code", "category", "price_shown", "is_active")
    list_filter = ("is_active", "category")
    list_select_related = ("category",)
    search_fields = ("name", "code")
    ordering = ("-id",)
    needed_first = ("category",)
    set_once = ("code",)
    actions = None

    def render_change_form(
        self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """With the newest orders it stands on, of those the person may see."""
        product = kwargs.get("obj")
        if product is not None and staff_of(request).has_perm("crm.view_order"):
            rows = OrderItem.objects.visible_to(staff_of(request))
            rows = rows.filter(product=product).select_related("order__member")
            context["last_items"] = rows.order_by("-pk")[:SHOWN_ORDERS]
        return super().render_change_form(request, context, *args, **kwargs)  # type: ignore[no-any-return]

    @admin.display(description=_("price"), ordering="price")
    def price_shown(self, product: Product) -> SafeString:
        return format_html('<span class="pd-num">{}</span>', yuan(product.price))
