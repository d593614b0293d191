"""Limits of the platforms as dated rows, and what is used of them."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Model, OuterRef, QuerySet, Subquery
from django.http import HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core.admin import ReadOnly, ScopedAdmin
from core.templatetags.console import status
from wechat import limit_names, limits
from wechat.admin.forms import PlatformLimitForm
from wechat.models import PlatformLimit, QuotaUse

REST = ["note", "source"]


@admin.register(PlatformLimit)
class PlatformLimitAdmin(ScopedAdmin):
    """A changed limit is a new row with its date; rows that count stay as they are."""

    row_scope = None  # the platforms' limits are the same for everybody
    list_display = [
        *("named", "shown_value", "shown_unit", "effective_from", "counts", "note")
    ]
    list_filter = ["effective_from"]
    search_fields = ["key", "note"]
    form = PlatformLimitForm
    actions = None

    def heading(self, obj: Model) -> str:
        assert isinstance(obj, PlatformLimit)
        return f"{limit_names.name(obj.key)} · {obj.effective_from:%F}"

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        if obj is None:
            return ["key", "value", "unit", "effective_from", "note", "source"]
        return ["named", "key", "shown_value", "shown_unit", "effective_from", *REST]

    @admin.display(description=gettext_lazy("Limit"), ordering="key")
    def named(self, obj: PlatformLimit) -> str:
        return str(limit_names.name(obj.key))

    @admin.display(description=gettext_lazy("unit"))
    def shown_unit(self, obj: PlatformLimit) -> str:
        return str(limit_names.unit(obj.unit)) or "–"

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        # Before its day a row is only a plan.
        is_ahead = obj is None or obj.effective_from > timezone.localdate()
        return is_ahead and bool(super().has_delete_permission(request, obj))

    def save_model(
        self, request: HttpRequest, obj: Any, form: Any, change: Any
    ) -> None:
        super().save_model(request, obj, form, change)
        limits.forget()

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        super().delete_model(request, obj)
        limits.forget()

    def get_queryset(self, request: HttpRequest) -> QuerySet[PlatformLimit]:
        rows: QuerySet[PlatformLimit] = super().get_queryset(request)
        in_force = PlatformLimit.objects.filter(
            key=OuterRef("key"), effective_from__lte=timezone.localdate()
        ).order_by("-effective_from")
        return rows.annotate(
            in_force_since=Subquery(in_force.values("effective_from")[:1])
        )

    @admin.display(description=gettext_lazy("value"), ordering="value")
    def shown_value(self, obj: PlatformLimit) -> str:
        return f"{obj.value:,}"

    @admin.display(description=gettext_lazy("State"))
    def counts(self, obj: Any) -> SafeString:
        if obj.effective_from > timezone.localdate():
            return status("idle", _("From then on"))
        is_newest = obj.in_force_since == obj.effective_from
        return status("good", _("Counts")) if is_newest else status("idle", _("Past"))


class KindFilter(admin.SimpleListFilter):
    title = gettext_lazy("kind")
    parameter_name = "kind"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [(kind, limit_names.name(kind)) for kind in limits.COUNTED]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(kind=self.value()) if self.value() else queryset


@admin.register(QuotaUse)
class QuotaUseAdmin(ReadOnly, ScopedAdmin):
    list_display = ["app", "named", "period", "used", "reserved", "limit"]
    list_filter = [KindFilter]
    fields = ["app", "named", "kind", "period", "used", "reserved", "limit"]
    readonly_fields = ["named"]
    list_select_related = ["app"]
    ordering = ["-id"]
    actions = None

    def heading(self, obj: Model) -> str:
        assert isinstance(obj, QuotaUse)
        return f"{limit_names.name(obj.kind)} · {obj.period}"

    @admin.display(description=gettext_lazy("kind"), ordering="kind")
    def named(self, obj: QuotaUse) -> str:
        return str(limit_names.name(obj.kind))
