"""Coupons people hold, as their shops told them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from core.admin import ReadOnly, ScopedAdmin
from core.templatetags.console import moment, status
from crm.coupons import VIEW
from crm.models import Coupon
from crm.order_admin import BuyerFilter, MemberFilter

TONES = {
    Coupon.State.HELD: "good",
    Coupon.State.USED: "done",
    Coupon.State.VOID: "idle",
}
# Days ahead; "over": in the past.
ENDS = {
    "7": _("Within 7 days"),
    "30": _("Within 30 days"),
    "later": _("Later than in 30 days"),
    "over": pgettext_lazy("of a coupon", "Over"),
}


class ExpiryFilter(admin.SimpleListFilter):
    """Until when it can be used."""

    title = _("expires at")
    parameter_name = "expires"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return list(ENDS.items())

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[Coupon]
    ) -> QuerySet[Coupon]:
        chosen, now = self.value(), timezone.now()
        if chosen not in ENDS:
            return queryset
        if chosen == "over":
            return queryset.filter(expires_at__lte=now)
        if chosen == "later":
            return queryset.filter(expires_at__gt=now + timedelta(days=30))
        until = now + timedelta(days=int(str(chosen)))
        return queryset.filter(expires_at__gt=now, expires_at__lte=until)


@admin.register(Coupon)
class CouponAdmin(ReadOnly, ScopedAdmin):
    """Coupons to look at: shops tell them (crm.coupon_api), nobody changes them here."""

    nav_order = 31
    empty_text = _("Coupons come from the shops over the API.")
    list_display = ("code", "shop", "holder", "state_shown", "ends_shown")
    list_display_links = ("code",)
    list_filter = ("state", ExpiryFilter, BuyerFilter, MemberFilter)
    list_filter_submit = True
    list_select_related = ("member",)
    ordering = ("-id",)
    search_fields = ("code",)
    search_help_text = _("Coupon number, whole")
    fields = (
        *("shop", "code", "member", "buyer", "state", "expires_at", "recorded_at"),
    )
    actions = None

    # Whoever sees orders sees these, as over the API.

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm(VIEW)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        term = search_term.strip().replace("\x00", "")
        return (queryset.filter(code=term[:64]) if term else queryset), False

    @admin.display(description=_("member"))
    def holder(self, coupon: Coupon) -> SafeString | str:
        if coupon.member is None:
            return coupon.buyer or "–"
        url = reverse("admin:crm_member_change", args=[coupon.member_id])
        return format_html('<a class="underline" href="{}">{}</a>', url, coupon.member)

    @admin.display(description=_("state"), ordering="state")
    def state_shown(self, coupon: Coupon) -> SafeString:
        if coupon.is_run_out:
            return status("bad", _("Ran out unused"))
        return status(TONES[Coupon.State(coupon.state)], coupon.get_state_display())

    @admin.display(description=_("expires at"))
    def ends_shown(self, coupon: Coupon) -> SafeString:
        return format_html('<span class="pd-num">{}</span>', moment(coupon.expires_at))
