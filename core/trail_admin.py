"""Reading the audit trail. Registered from core.admin's importers (core.apps)."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import Model
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import (
    AutocompleteSelectFilter,
    RangeDateTimeFilter,
)

from core.admin import ReadOnly, ScopedAdmin
from core.models import AuditEntry
from core.templatetags.console import audit_action, audit_change, audit_target, moment


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnly, ScopedAdmin):
    list_display = ["when", "actor", "what", "target", "change", "reason"]
    list_filter = [("at", RangeDateTimeFilter), ("actor", AutocompleteSelectFilter)]
    list_filter_submit = True
    search_fields = ["action", "=target_id", "target_label"]
    search_help_text = _("Action, or the number of the row")
    list_select_related = ["actor"]
    fields = [
        *("exact_time", "actor", "what", "target", "change", "reason"),
        *("action", "target_type", "target_id"),
    ]
    readonly_fields = ["exact_time", "what", "target", "change"]
    actions = None

    def heading(self, obj: Model) -> str:
        return f"{audit_action(obj.action)} #{obj.pk}"  # type: ignore[attr-defined]

    @admin.display(description=_("When"))
    def exact_time(self, obj: AuditEntry) -> str:
        return f"{timezone.localtime(obj.at):%F %T}"

    @admin.display(description=_("When"), ordering="id")
    def when(self, obj: AuditEntry) -> str:
        return moment(obj.at)

    @admin.display(description=_("What"))
    def what(self, obj: AuditEntry) -> str:
        return audit_action(obj.action)

    @admin.display(description=_("Target"))
    def target(self, obj: AuditEntry) -> str:
        return audit_target(obj)

    @admin.display(description=_("Change"))
    def change(self, obj: AuditEntry) -> str:
        return audit_change(obj)
