"""The filters of the member list as they are drawn; crm.narrowing is what they ask.

Drawn by one small template: the theme's form fields would cost more than the page's
queries with some hundred tags, stores and colleagues.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
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

Choices = list[tuple[str, Text]]  # (value, label)
Groups = list[tuple[str, Choices]]  # (label of a group or "", its choices)
_SPACE = "\u3000"
_CHECKED, _SELECTED = mark_safe(" checked"), mark_safe(" selected")
SEEN_DAYS, SILENT_DAYS = (1, 7, 30, 90), (30, 90, 180, 365)


class Asked(admin.ListFilter):
    """One key of the query string. `many`: several values may be chosen."""

    template = "crm/list_filter.html"
    parameter_name = ""
    many = False
    # There are more choices than are drawn.
    has_more = False

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
        # Composed here: a template's loop takes four times as long for each.
        groups = [(label, self._drawn(rows)) for label, rows in self.groups(staff)]
        yield {
            "name": self.parameter_name,
            "many": self.many,
            "chosen": len(self.chosen),
            "groups": groups,
            "has_more": self.has_more,
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


class Searched(Asked):
    """One of many rows: the first are drawn, the others looked up by name.

    crm.filter_search answers what is typed beside it.
    """

    # Choices that are no rows.
    fixed: tuple[tuple[str, Text], ...] = ()
    # Read of every row drawn, and besides of those found by name: no whole objects.
    columns: tuple[str, ...] = ("pk", "name")
    columns_apart: tuple[str, ...] = ()

    @classmethod
    def rows(cls, staff: Staff) -> QuerySet[Any]:
        """What may be chosen, in the person's scope."""
        raise NotImplementedError

    @classmethod
    def named(cls, text: str) -> Q:
        return Q(name__icontains=text)

    @classmethod
    def drawn(cls, rows: list[Any]) -> Choices:
        """As they stand in the list that is not narrowed."""
        return [(str(row.pk), row.name) for row in rows]

    @classmethod
    def told_apart(cls, rows: list[Any]) -> Choices:
        """As they stand alone, found by name."""
        return [(str(row.pk), row.name) for row in rows]

    @classmethod
    def found(cls, rows: QuerySet[Any], count: int) -> list[Any]:
        columns = (*cls.columns, *cls.columns_apart)
        return list(rows.values_list(*columns, named=True)[:count])

    def groups(self, staff: Staff) -> Groups:
        rows = self.rows(staff)
        first = list(rows.values_list(*self.columns, named=True)[: MAX_CHOICES + 1])
        self.has_more = len(first) > MAX_CHOICES
        first = first[:MAX_CHOICES]
        shown = {str(row.pk) for row in first}
        others = [each for each in self.chosen if each.isdigit() and each not in shown]
        keys = narrowing.primary_keys(others)
        beyond = self.found(rows.filter(pk__in=keys), len(keys)) if keys else []
        return [("", [*self.fixed, *self.told_apart(beyond), *self.drawn(first)])]


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


class StoreFilter(Searched):
    title = _("store")
    parameter_name = "store"
    fixed = ((narrowing.NOBODY, _("No store")),)
    columns = ("pk", "name", "path")

    @classmethod
    def rows(cls, staff: Staff) -> QuerySet[OrgUnit]:
        return OrgUnit.objects.visible_to(staff).order_by("path")

    @classmethod
    def drawn(cls, rows: list[Any]) -> Choices:
        """Indented as the tree is."""
        top = min((row.path.count("/") for row in rows), default=0)
        return [
            (str(row.pk), f"{_SPACE * (row.path.count('/') - top)}{row.name}")
            for row in rows
        ]


class OwnerFilter(Searched):
    title = pgettext_lazy("a member", "owner")
    parameter_name = "owner"
    columns = ("pk", "display_name", "username")
    columns_apart = ("org_unit__name",)

    @classmethod
    def rows(cls, staff: Staff) -> QuerySet[Staff]:
        found: QuerySet[Staff] = Staff.objects.visible_to(staff).working()
        return found.exclude(pk=staff.pk)

    @classmethod
    def named(cls, text: str) -> Q:
        return Q(display_name__icontains=text) | Q(username__icontains=text)

    @classmethod
    def drawn(cls, rows: list[Any]) -> Choices:
        return [(str(row.pk), row.display_name or row.username) for row in rows]

    @classmethod
    def told_apart(cls, rows: list[Any]) -> Choices:
        """With the unit: of hundreds of people some have the same name."""
        return [
            (key, f"{name} · {row.org_unit__name}" if row.org_unit__name else name)
            for row, (key, name) in zip(rows, cls.drawn(rows), strict=True)
        ]

    def groups(self, staff: Staff) -> Groups:
        self.fixed = ((narrowing.NOBODY, _("Nobody")), (str(staff.pk), _("I")))
        return super().groups(staff)


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


class SegmentFilter(Searched):
    title = _("segment")
    parameter_name = "segment"

    @classmethod
    def rows(cls, staff: Staff) -> QuerySet[Segment]:
        return Segment.objects.visible_to(staff).in_use()


MEMBER_FILTERS = (
    *(StageFilter, TagsAnyFilter, TagsAllFilter, TagsNoneFilter, SegmentFilter),
    *(RfmFilter, TrustFilter, StoreFilter, OwnerFilter, AccountFilter),
    *(ReachFilter, FollowingFilter, SeenFilter),
)
