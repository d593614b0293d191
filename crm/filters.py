"""The filters of the member list as they are drawn; crm.narrowing is what they ask.

Drawn by one small template: the theme's form fields would cost more than the page's
queries with some hundred tags, stores and colleagues.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from core.admin_filters import MAX_CHOICES
from core.registry import Text
from crm import narrowing
from crm.models import Member, Segment, Tag
from staff.models import OrgUnit, Staff
from wechat.models import Account

# (label of a group or "", its choices as (value, label))
Groups = list[tuple[str, list[tuple[str, Text]]]]
_SPACE = "\u3000"
_CHECKED, _SELECTED = mark_safe(" checked"), mark_safe(" selected")
SEEN_DAYS, SILENT_DAYS = (1, 7, 30, 90), (30, 90, 180, 365)


class Asked(admin.ListFilter):
    """One key of the query string. `many`: several values may be chosen."""

    template = "crm/list_filter.html"
    parameter_name = ""
    many = False

    def __init__(
        self,
        request: HttpRequest,
        params: dict[str, Any],
        model: type[Member],
        model_admin: Any,
    ) -> None:
        super().__init__(request, params, model, model_admin)
        self.request = request
        self.chosen: list[str] = [v for v in params.pop(self.parameter_name, []) if v]
        if self.chosen:
            self.used_parameters[self.parameter_name] = self.chosen

    def groups(self, staff: Staff) -> Groups:
        raise NotImplementedError

    def has_output(self) -> bool:
        return True

    def expected_parameters(self) -> list[str | None]:
        return [self.parameter_name]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[Member]
    ) -> QuerySet[Member]:
        return queryset  # crm.narrowing reads all of them at once

    def choices(self, changelist: Any) -> Iterator[Any]:
        staff: Any = self.request.user
        yield {
            "name": self.parameter_name,
            "many": self.many,
            "chosen": len(self.chosen),
            # Composed here: a template's loop takes four times as long for each.
            "groups": [
                (label, self._drawn(rows)) for label, rows in self.groups(staff)
            ],
        }

    def _drawn(self, rows: list[tuple[str, Text]]) -> SafeString:
        name = self.parameter_name
        if self.many:
            return format_html_join(
                "",
                '<label><input type="checkbox" name="{}" value="{}"{}> {}</label>',
                (
                    (name, value, _CHECKED if value in self.chosen else "", text)
                    for value, text in rows
                ),
            )
        return format_html_join(
            "",
            '<option value="{}"{}>{}</option>',
            (
                (value, _SELECTED if value in self.chosen else "", text)
                for value, text in rows
            ),
        )


class _Values(Asked):
    """The values of one column."""

    values: Iterable[tuple[str, Text]] = ()
    many = True

    def groups(self, staff: Staff) -> Groups:
        return [("", list(self.values))]


class StageFilter(_Values):
    title = _("stage")
    parameter_name = "stage"
    values = Member.Stage.choices


class RfmFilter(_Values):
    title = _("RFM segment")
    parameter_name = "rfm"
    values = Member.Rfm.choices


class TrustFilter(_Values):
    title = _("trust")
    parameter_name = "trust"
    values = Member.Trust.choices


class _Tags(Asked):
    many = True

    def groups(self, staff: Staff) -> Groups:
        # The three filters of tags share one reading.
        found: Groups | None = getattr(self.request, "_tag_groups", None)
        if found is None:
            tags = Tag.objects.visible_to(staff).in_use().order_by("group_id", "id")
            rows = tags.values_list("group__name", "group_id", "pk", "name")
            found = [
                (group, [(str(key), name) for _n, _g, key, name in those])
                for (group, _key), those in groupby(rows, lambda row: row[:2])
            ]
            self.request._tag_groups = found  # type: ignore[attr-defined]
        return found


class TagsAnyFilter(_Tags):
    title = _("tags: any of")
    parameter_name = "tags_any"


class TagsAllFilter(_Tags):
    title = _("tags: all of")
    parameter_name = "tags_all"


class TagsNoneFilter(_Tags):
    title = _("tags: none of")
    parameter_name = "tags_none"


class StoreFilter(Asked):
    title = _("store")
    parameter_name = "store"

    def groups(self, staff: Staff) -> Groups:
        units = OrgUnit.objects.visible_to(staff).order_by("path")
        found = list(units.values_list("pk", "path", "name")[:MAX_CHOICES])
        top = min((path.count("/") for _key, path, _name in found), default=0)
        rows: list[tuple[str, Text]] = [(narrowing.NOBODY, _("No store"))]
        # Indented as the tree is.
        rows += [
            (str(key), f"{_SPACE * (path.count('/') - top)}{name}")
            for key, path, name in found
        ]
        return [("", rows)]


class OwnerFilter(Asked):
    title = pgettext_lazy("a member", "owner")
    parameter_name = "owner"

    def groups(self, staff: Staff) -> Groups:
        people = Staff.objects.visible_to(staff).working().exclude(pk=staff.pk)
        found = people.values_list("pk", "display_name", "username")[:MAX_CHOICES]
        rows: list[tuple[str, Text]] = [(narrowing.NOBODY, _("Nobody"))]
        rows += [(str(staff.pk), _("I"))]
        rows += [(str(key), name or login) for key, name, login in found]
        return [("", rows)]


def _accounts(request: HttpRequest, staff: Staff) -> list[Account]:
    """For two filters, read once."""
    found: list[Account] | None = getattr(request, "_accounts", None)
    if found is None:
        found = list(Account.objects.visible_to(staff)[:MAX_CHOICES])
        request._accounts = found  # type: ignore[attr-defined]
    return found


class AccountFilter(Asked):
    title = _("account")
    parameter_name = "account"

    def groups(self, staff: Staff) -> Groups:
        accounts = _accounts(self.request, staff)
        return [("", [(str(account.pk), str(account)) for account in accounts])]


class FollowingFilter(_Values):
    title = _("following")
    parameter_name = "following"
    values = (
        (narrowing.YES, _("Follows or is a friend")),
        (narrowing.NO, _("No longer")),
    )
    many = False


class ReachFilter(Asked):
    title = _("reachability")
    parameter_name = "reach"

    def groups(self, staff: Staff) -> Groups:
        through: list[tuple[str, Text]] = [
            (f"{narrowing.THROUGH}{account.pk}", str(account))
            for account in _accounts(self.request, staff)
        ]
        whether: list[tuple[str, Text]] = [
            (narrowing.MAY, _("May be addressed")),
            (narrowing.LOST, _("Not reachable")),
            (narrowing.OUT, _("Opted out")),
            (narrowing.FROZEN, _("Frozen after a complaint")),
        ]
        return [("", whether), (str(_("May be addressed through")), through)]


class SeenFilter(Asked):
    title = _("last interaction")
    parameter_name = "seen"

    def groups(self, staff: Staff) -> Groups:
        within, silent = _("Within %d days"), _("Not for %d days")
        recent: list[tuple[str, Text]] = [
            (f"{narrowing.WITHIN}{days}", str(within) % days) for days in SEEN_DAYS
        ]
        long_ago: list[tuple[str, Text]] = [
            (f"{narrowing.NOT_WITHIN}{days}", str(silent) % days)
            for days in SILENT_DAYS
        ]
        return [("", recent + long_ago)]


class SegmentFilter(Asked):
    title = _("segment")
    parameter_name = "segment"

    def groups(self, staff: Staff) -> Groups:
        rows = Segment.objects.visible_to(staff).in_use().values_list("pk", "name")
        return [("", [(str(key), name) for key, name in rows[:MAX_CHOICES]])]


MEMBER_FILTERS = (
    *(StageFilter, TagsAnyFilter, TagsAllFilter, TagsNoneFilter, SegmentFilter),
    *(RfmFilter, TrustFilter, StoreFilter, OwnerFilter, AccountFilter),
    *(ReachFilter, FollowingFilter, SeenFilter),
)
