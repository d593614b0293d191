"""The member list; the member page itself is crm.pages."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.http.response import HttpResponseBase
from django.urls import URLPattern, path
from django.utils.translation import gettext_lazy as _

from core.admin import ScopedAdmin
from crm import bulk_pages, filter_panel, filter_search, pages
from crm.filters import MEMBER_FILTERS
from crm.member_list import MemberChanges, remembered
from crm.member_urls import member_paths
from crm.models import Member
from crm.narrowing import asked_keys, conditions
from crm.recent import ORDER, Recent
from staff.saved_view_pages import SavedViews


@admin.register(Member)
class MemberAdmin(bulk_pages.BulkActions, SavedViews, ScopedAdmin):
    """The member list; a member's own page is crm.pages."""

    nav_order = 10
    # Columns: crm.member_list; the theme's own way of drawing them is too slow.
    change_list_template = "crm/member_changelist.html"
    list_filter = MEMBER_FILTERS
    list_filter_submit = True
    # Any other order would sort them all.
    sortable_by = ()
    ordering = ORDER
    saved_keys = asked_keys()
    empty_text = _(
        "Members come from followers, messages and WeCom contacts of the accounts, "
        "or from a file under Imports."
    )
    view_more_template = "crm/look_acts.html"
    # Looked up by crm.searching; the field only makes the search box appear.
    search_fields = ("id",)
    search_help_text = _(
        "Name, remark, pinyin initials, phone or its last four, id, order number"
    )
    command_search = True

    # permissions: members come from the platforms, and leave by the purge

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    # rows

    def get_queryset(self, request: HttpRequest) -> QuerySet[Member]:
        rows: QuerySet[Member] = super().get_queryset(request)
        return rows.filter(merged_into__isnull=True, purged_at__isnull=True)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """For the command palette and pickers; the list itself is crm.member_list."""
        staff: Any = request.user
        asked = QueryDict(mutable=True)
        asked["q"] = search_term
        if not search_term.strip():
            return queryset, False
        # The planner would walk the whole order of the list for a rare name.
        keys = Recent(staff, conditions(staff, asked)).ids(0, self.list_per_page)
        return queryset.filter(pk__in=keys), False

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> Any:
        return MemberChanges

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponseBase:
        default = "" if request.GET else self.default_query(request)
        query = remembered(request, self.kept_query(request.GET), default)
        if query:
            return HttpResponseRedirect(f"{request.path}?{query}")
        return super().changelist_view(request, extra_context)

    # the member page

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        own = [
            path("bulk/<slug:name>/", wrap(bulk_pages.show), name="crm_member_bulk"),
            path("choices/", wrap(filter_search.find), name="crm_member_choices"),
            path("filters/", wrap(filter_panel.show), name="crm_member_filters"),
        ]
        return [*own, *member_paths(wrap), *super().get_urls()]

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        # Also those merged or purged: links to them stand in the trail.
        return pages.show(request, pages.visible_member(request, object_id))


# Autodiscovery imports only this module.
from crm import (  # noqa: E402  autodiscovery imports only this module
    consent_admin,  # noqa: F401
    coupon_admin,  # noqa: F401
    merge_admin,  # noqa: F401
    order_admin,  # noqa: F401
    scoring_admin,  # noqa: F401
    segment_admin,  # noqa: F401
    tag_admin,  # noqa: F401
)
