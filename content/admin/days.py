"""Marketing days: read by everybody who plans, corrected by who runs the calendar."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db import models
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from content.models import MarketingDay
from core.admin import ScopedAdmin
from core.templatetags.console import status


@admin.register(MarketingDay)
class MarketingDayAdmin(ScopedAdmin):
    row_scope = None
    list_display = (
        "name_shown",
        "date",
        "end_date",
        "kind_shown",
        "lead_days",
        "suggestion",
    )
    list_filter = ("kind", "is_shown")
    date_hierarchy = "date"
    search_fields = ("name_zh", "name_en")
    ordering = ("date", "id")
    actions = None
    fieldsets = (
        (None, {"fields": ("name_zh", "name_en", "kind")}),
        (_("When"), {"fields": ("date", "end_date", "lead_days", "is_shown")}),
        (_("For the planner"), {"fields": ("suggestion", "note")}),
    )

    @admin.display(description=_("name"), ordering="name_zh")
    def name_shown(self, day: MarketingDay) -> str:
        return day.name

    @admin.display(description=_("kind"), ordering="kind")
    def kind_shown(self, day: MarketingDay) -> SafeString | str:
        if not day.is_shown:
            return status("idle", _("Hidden"))
        if day.is_quiet:
            return status("bad", day.get_kind_display())
        return day.get_kind_display()

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Hidden, not deleted: the next sync would bring a built-in day back."""
        return bool(
            super().has_delete_permission(request, obj)
            and obj is not None
            and not obj.builtin_key
        )

    def audit_label(self, obj: models.Model) -> str:
        return str(obj)
