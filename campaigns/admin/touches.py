"""Touches of all campaigns in one list."""

from __future__ import annotations

from django.contrib import admin
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from campaigns.models import Touch
from campaigns.templatetags.campaigns import state
from core.admin import ReadOnly, ScopedAdmin
from core.templatetags.console import moment


@admin.register(Touch)
class TouchAdmin(ReadOnly, ScopedAdmin):
    list_display = ("name", "campaign", "account", "channel", "when", "state_shown")
    list_display_links = ("name",)
    list_filter = ("state", "campaign", "account", "channel")
    list_select_related = ("campaign", "account")
    search_fields = ("name", "campaign__name")
    ordering = ("-scheduled_at", "-id")
    actions = None
    fields = ("name", "campaign", "phase", "account", "channel", "state")

    @admin.display(description=_("scheduled at"), ordering="scheduled_at")
    def when(self, touch: Touch) -> SafeString:
        return format_html('<span class="pd-num">{}</span>', moment(touch.scheduled_at))

    @admin.display(description=_("state"), ordering="state")
    def state_shown(self, touch: Touch) -> SafeString:
        return state(touch)
