"""The list of members: its rows page by page, its columns, what it remembers."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from django.contrib.admin.options import IncorrectLookupParameters
from django.core.paginator import InvalidPage, Page
from django.db.models import Prefetch, QuerySet, prefetch_related_objects
from django.http import HttpRequest
from unfold.views import ChangeList

from core.paginators import OpenPaginator
from crm.models import Identity, Member, MemberTag
from crm.narrowing import conditions
from crm.recent import ORDER, Recent
from staff.models import Staff

SESSION_KEY = "crm.member.list"
# Pages further on are reached by a filter, not by turning.
LAST_PAGE = 1_000
# Secrets are not opened for a list.
_UNSHOWN = ("name_tokens", "real_name", "phone", "phone_hash", "phone_tail_hash")


class RecentPaginator(OpenPaginator):
    """One page and whether there is another, in one look for keys and one for rows."""

    def __init__(self, recent: Recent, per_page: int) -> None:
        super().__init__(recent, per_page)  # type: ignore[arg-type]
        self.recent = recent

    def page(self, number: int | str) -> Page[Any]:
        number = min(self.validate_number(number), LAST_PAGE)
        offset = (number - 1) * self.per_page
        keys = self.recent.ids(offset, self.per_page + 1)
        self.has_more = len(keys) > self.per_page and number < LAST_PAGE
        return Page(rows_of(keys[: self.per_page]), number, self)


def rows_of(keys: list[int]) -> list[Member]:
    """These members in this order, with all their line shows, in four queries."""
    rows = Member.objects.filter(pk__in=keys).select_related("org_unit", "owner")
    found = {member.pk: member for member in rows.defer(*_UNSHOWN)}
    members = [found[key] for key in keys if key in found]
    identities = Identity.objects.filter(account__isnull=False).order_by("id")
    prefetch_related_objects(
        members,
        Prefetch("identities", identities.select_related("account")),
        Prefetch("member_tags", MemberTag.objects.in_order().select_related("tag")),
    )
    return members


class MemberChanges(ChangeList):
    """Django's list over crm.narrowing and crm.recent instead of filter after filter."""

    def get_queryset(
        self, request: HttpRequest, exclude_parameters: Any = None
    ) -> QuerySet[Member]:
        assert isinstance(request.user, Staff)
        self.filter_specs, self.has_filters, *_rest, self.has_active_filters = (
            self.get_filters(request)
        )
        used = {key for spec in self.filter_specs for key in spec.used_parameters}
        self.has_active_filters = bool(used)
        self.clear_all_filters_qs = self.get_query_string(remove=sorted(used))
        self.recent = Recent(request.user, conditions(request.user, request.GET))
        return self.recent.rows.order_by(*ORDER)

    def get_results(self, request: HttpRequest) -> None:
        self.paginator = RecentPaginator(self.recent, self.list_per_page)
        try:
            self.result_list = self.paginator.page(self.page_num).object_list
        except InvalidPage as error:
            raise IncorrectLookupParameters from error
        self.result_count = self.paginator.count
        self.full_result_count = None
        self.show_full_result_count = self.can_show_all = False
        self.show_admin_actions = self.multi_page = True


def remembered(request: HttpRequest, kept: str, default: str) -> str:
    """Keep this look's query string; on a bare visit, that of the last one (or default).

    Coming from the list itself, a bare address means that the filters were cleared.
    """
    stored: str | None = request.session.get(SESSION_KEY)
    came_from = urlsplit(request.headers.get("Referer", "")).path
    if not request.GET and came_from != request.path:
        return default if stored is None else stored
    if kept != stored:
        request.session[SESSION_KEY] = kept
    return ""
