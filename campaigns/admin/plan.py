"""The list of campaigns; a campaign itself is the board (campaigns.pages.board)."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from campaigns.models import Campaign, Task
from campaigns.pages import board, changes, creating
from campaigns.pages.access import CHANGE, VIEW, visible_campaign
from campaigns.templatetags.campaigns import day, state
from core.admin import ScopedAdmin


@admin.register(Campaign)
class CampaignAdmin(ScopedAdmin):
    list_display = (
        "name",
        "state_shown",
        "live_shown",
        "progress",
        "owner_shown",
        "org_unit",
        "template",
    )
    list_display_links = ("name",)
    list_filter = ("state", "template", "owner", "live_date")
    list_select_related = ("owner", "org_unit", "template")
    search_fields = ("name", "product_tie")
    search_help_text = _("Part of the name or of the product tie")
    ordering = ("-live_date", "-id")
    date_hierarchy = None
    command_search = True
    actions = None

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # a campaign is closed or cancelled; what it said stays told

    def get_queryset(self, request: HttpRequest) -> QuerySet[Campaign]:
        rows: QuerySet[Campaign] = super().get_queryset(request)
        if request.resolver_match and "changelist" in (
            request.resolver_match.url_name or ""
        ):
            rows = rows.annotate(
                task_count=Count("tasks"),
                over_count=Count("tasks", filter=Q(tasks__state__in=Task.OVER)),
            )
        return rows

    @admin.display(description=_("state"), ordering="state")
    def state_shown(self, campaign: Campaign) -> SafeString:
        return state(campaign)

    @admin.display(description=_("live date (T0)"), ordering="live_date")
    def live_shown(self, campaign: Campaign) -> SafeString:
        return format_html('<span class="pd-num">{}</span>', day(campaign.live_date))

    @admin.display(
        description=pgettext_lazy("of a campaign", "owner"), ordering="owner"
    )
    def owner_shown(self, campaign: Campaign) -> str:
        return str(campaign.owner)

    @admin.display(description=_("tasks"))
    def progress(self, campaign: Any) -> SafeString:
        return format_html(
            '<span class="pd-num">{} / {}</span>',
            campaign.over_count,
            campaign.task_count,
        )

    # pages

    def get_urls(self) -> list[URLPattern]:
        pages = {
            "start": (changes.start, CHANGE),
            "move": (changes.move, CHANGE),
            "edit": (changes.edit, CHANGE),
            "end": (changes.end, CHANGE),
            "add_task": (changes.add_task, CHANGE),
        }
        return [
            *(
                path(
                    f"<path:object_id>/{name.replace('_', '-')}/",
                    self.admin_site.admin_view(self._page(view, permission)),
                    name=f"campaigns_campaign_{name}",
                )
                for name, (view, permission) in pages.items()
            ),
            *super().get_urls(),
        ]

    def _page(self, view: Any, permission: str) -> Any:
        def shown(request: HttpRequest, object_id: str) -> HttpResponse:
            answer = view(request, visible_campaign(request, object_id, permission))
            answer["Cache-Control"] = "no-store"
            return answer  # type: ignore[no-any-return]

        return shown

    def add_view(
        self,
        request: HttpRequest,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        return creating.create(request)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        return board.show(request, visible_campaign(request, object_id, VIEW))
