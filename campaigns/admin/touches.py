"""The list of touches; a touch itself is a page of its own (campaigns.pages.touches)."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from campaigns.models import Touch
from campaigns.pages import access, acts, recipients, testing, touches
from campaigns.templatetags.campaigns import state
from core.admin import ScopedAdmin
from core.templatetags.console import moment

PAGES = {
    "do": acts.do,
    "audience": touches.preview,
    "content": touches.content_preview,
    "progress": touches.progress,
    "recipients": recipients.show,
    "test": testing.show,
}


@admin.register(Touch)
class TouchAdmin(ScopedAdmin):
    list_display = ("name", "campaign", "account", "channel", "when", "state_shown")
    list_display_links = ("name",)
    list_filter = ("state", "campaign", "account", "channel")
    list_select_related = ("campaign", "account")
    search_fields = ("name", "campaign__name")
    search_help_text = _("Part of the name or of the campaign's")
    ordering = ("-scheduled_at", "-id")
    actions = None

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # it is cancelled or stopped; the ledger stays

    @admin.display(description=_("scheduled at"), ordering="scheduled_at")
    def when(self, touch: Touch) -> SafeString:
        return format_html('<span class="pd-num">{}</span>', moment(touch.scheduled_at))

    @admin.display(description=_("state"), ordering="state")
    def state_shown(self, touch: Touch) -> SafeString:
        return state(touch)

    # pages

    def get_urls(self) -> list[URLPattern]:
        return [
            *(
                path(
                    f"<path:object_id>/{name}/",
                    self.admin_site.admin_view(self._page(view)),
                    name=f"campaigns_touch_{name}",
                )
                for name, view in PAGES.items()
            ),
            *super().get_urls(),
        ]

    def _page(self, view: Any) -> Any:
        def shown(request: HttpRequest, object_id: str) -> HttpResponse:
            touch = access.visible_touch(request, object_id)
            return view(request, touch)  # type: ignore[no-any-return]

        return shown

    def add_view(
        self,
        request: HttpRequest,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        return touches.add(request)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        return touches.show(request, access.visible_touch(request, object_id))
