"""The filters of the member list as they are drawn; crm.narrowing is what they ask.

Drawn by one small template: the theme's form fields would cost more than the page's
queries with some hundred tags, stores and colleagues.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
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

from core.registry import Text
from crm import narrowing
from crm.models import Member, Segment, Tag
from staff.models import OrgUnit, Staff
from wechat.models import Account

Choices = list[tuple[str, Text]]  # (value, label)
Groups = list[tuple[str, Choices]]  # (label of a group or "", its choices)
# More than are read at a glance are searched.
FEW = 20
_SPACE = "\u3000"
_CHECKED, _SELECTED = mark_safe(" checked"), mark_safe(" selected")
SEEN_DAYS, SILENT_DAYS = (1, 7, 30, 90), (30, 90, 180, 365)


class Asked(admin.ListFilter, ABC):
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

    @abstractmethod
    def groups(self, staff: Staff) -> Groups:
        """The choices as they are drawn, in the person's scope."""

    def picked(self, staff: Staff) -> Choices:
        """What was chosen, in words; as it was written where it is none of the choices."""
        known = self.known(staff)
        return [(value, known.get(value, value)) for value in self.chosen]

    def known(self, staff: Staff) -> dict[str, Text]:
        """Words of at least the chosen values that are choices."""
        return {
            value: text for _label, rows in self.groups(staff) for value, text in rows
        }

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
    """One of rows that may be many: few are drawn, more are looked up by name.

    Where there are more than FEW, the page turns the select into a field to search in
    (filter_search.js), which asks crm.filter_search. Without scripts the first FEW can
    be chosen.
    """

    # In front of the row's id in the value.
    prefix = ""
    # Heads the rows where other choices stand before them.
    rows_label: Text = ""
    # Read of every row drawn, and besides of those found by name: no whole objects.
    columns: tuple[str, ...] = ("pk", "name")
    columns_apart: tuple[str, ...] = ()

    @classmethod
    def fixed(cls, staff: Staff) -> Choices:
        """Choices that are no rows."""
        return []

    @classmethod
    @abstractmethod
    def rows(cls, staff: Staff) -> QuerySet[Any]:
        """What may be chosen, in the person's scope."""

    @classmethod
    def named(cls, text: str) -> Q:
        return Q(name__icontains=text)

    @classmethod
    def drawn(cls, rows: list[Any]) -> Choices:
        """As they stand in the list that is not narrowed."""
        return [(f"{cls.prefix}{row.pk}", row.name) for row in rows]

    @classmethod
    def told_apart(cls, rows: list[Any]) -> Choices:
        """As they stand alone, found by name."""
        return cls.drawn(rows)

    @classmethod
    def found(cls, rows: QuerySet[Any], count: int) -> list[Any]:
        columns = (*cls.columns, *cls.columns_apart)
        return list(rows.values_list(*columns, named=True)[:count])

    def first(self, staff: Staff) -> list[Any]:
        """FEW rows and, if there are more, one of them."""
        return list(self.rows(staff).values_list(*self.columns, named=True)[: FEW + 1])

    def groups(self, staff: Staff) -> Groups:
        first = self.first(staff)
        self.has_more = len(first) > FEW
        first = first[:FEW]
        shown = {str(row.pk) for row in first}
        beyond = self._chosen_rows(staff, shown)
        choices = [*self.told_apart(beyond), *self.drawn(first)]
        fixed = self.fixed(staff)
        if self.rows_label:
            return [("", fixed), (str(self.rows_label), choices)]
        return [("", [*fixed, *choices])]

    def known(self, staff: Staff) -> dict[str, Text]:
        told = self.told_apart(self._chosen_rows(staff, set()))
        return dict([*self.fixed(staff), *told])

    def _chosen_rows(self, staff: Staff, shown: set[str]) -> list[Any]:
        """The rows that were chosen, but for those `shown` anyway."""
        keys = (each.removeprefix(self.prefix) for each in self.chosen)
        others = [key for key in keys if key.isdigit() and key not in shown]
        wanted = narrowing.primary_keys(others) or []
        rows = self.rows(staff).filter(pk__in=wanted)
        return self.found(rows, len(wanted)) if wanted else []


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

    def known(self, staff: Staff) -> dict[str, Text]:
        keys = narrowing.primary_keys(self.chosen) or []
        tags = Tag.objects.visible_to(staff).filter(pk__in=keys).order_by()
        return {str(key): name for key, name in tags.values_list("pk", "name")}


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
    columns = ("pk", "name", "path")

    @classmethod
    def fixed(cls, staff: Staff) -> Choices:
        return [(narrowing.NOBODY, _("No store"))]

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

    @classmethod
    def told_apart(cls, rows: list[Any]) -> Choices:
        return [(str(row.pk), row.name) for row in rows]


class OwnerFilter(Searched):
    title = pgettext_lazy("a member", "owner")
    parameter_name = "owner"
    columns = ("pk", "display_name", "username")
    columns_apart = ("org_unit__name",)

    @classmethod
    def fixed(cls, staff: Staff) -> Choices:
        return [(narrowing.NOBODY, _("Nobody")), (str(staff.pk), _("I"))]

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


class _OfAccounts(Searched):
    @classmethod
    def rows(cls, staff: Staff) -> QuerySet[Account]:
        return Account.objects.visible_to(staff)

    def first(self, staff: Staff) -> list[Any]:
        # For two filters, read once.
        found: list[Any] | None = getattr(self.request, "_accounts", None)
        if found is None:
            found = super().first(staff)
            self.request._accounts = found  # type: ignore[attr-defined]
        return found


class AccountFilter(_OfAccounts):
    title = _("account")
    parameter_name = "account"


class FollowingFilter(_Values):
    title = _("following")
    parameter_name = "following"
    values = (
        (narrowing.YES, _("Follows or is a friend")),
        (narrowing.NO, pgettext_lazy("follows", "No longer")),
    )
    many = False


class ReachFilter(_OfAccounts):
    title = _("reachability")
    parameter_name = "reach"
    prefix = narrowing.THROUGH
    rows_label = _("May be addressed through")

    @classmethod
    def fixed(cls, staff: Staff) -> Choices:
        return [
            (narrowing.MAY, _("May be addressed")),
            (narrowing.LOST, _("Not reachable")),
            (narrowing.OUT, _("Opted out")),
            (narrowing.FROZEN, _("Frozen after a complaint")),
        ]


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
