"""The list of members: its rows page by page, its columns, what it remembers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from html import escape as escaped
from typing import Any
from urllib.parse import urlsplit

from django.contrib.admin.options import IncorrectLookupParameters
from django.core.paginator import InvalidPage, Page
from django.db.models import F, QuerySet
from django.http import HttpRequest, QueryDict
from django.utils import timezone
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy
from unfold.views import ChangeList

from core.paginators import OpenPaginator
from core.registry import Text
from core.templatetags.console import moment, status
from crm.filter_panel import Unopened
from crm.filters import Asked
from crm.models import Identity, Member, Tag
from crm.narrowing import conditions
from crm.recent import ORDER, Recent
from staff.models import Staff

SESSION_KEY = "crm.member.list"
# Pages further on are reached by a filter, not by turning.
LAST_PAGE = 1_000
SHOWN_TAGS = 3
_SHOWN = (
    *("display_name", "is_placeholder_name", "remark", "stage", "rfm", "trust"),
    *("is_reachable", "opted_out_at", "frozen_until", "last_seen_at"),
    *("org_unit__name", "owner__display_name", "owner__username", "owner__is_system"),
)


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
        return Page(lines_of(keys[: self.per_page]), number, self)


@dataclass(frozen=True)
class Line:
    """What one line of the list shows; `member` has the columns of _SHOWN alone."""

    member: Member
    accounts: list[tuple[bool, str]]  # (is following, name)
    tags: list[str]


def lines_of(keys: list[int]) -> list[Line]:
    """These members in this order, in three queries, with the columns shown alone.

    Whole rows would take more time than finding the members does.
    """
    rows = Member.objects.filter(pk__in=keys).order_by().only(*_SHOWN)
    rows = rows.select_related("org_unit", "owner")
    found: dict[int, Any] = {
        row.pk: row for row in rows.annotate(tag_ids=F("tag_set__tag_ids"))
    }
    members = [found[key] for key in keys if key in found]
    accounts = _accounts_of(keys)
    names = _tag_names({tag for row in members for tag in row.tag_ids or ()})
    place = {tag: number for number, tag in enumerate(names)}
    return [
        Line(
            row,
            accounts.get(row.pk, []),
            [names[tag] for tag in sorted(row.tag_ids or (), key=place.__getitem__)],
        )
        for row in members
    ]


def _accounts_of(members: list[int]) -> dict[int, list[tuple[bool, str]]]:
    rows = Identity.objects.filter(member__in=members, account__isnull=False)
    found: dict[int, list[tuple[bool, str]]] = {}
    for member, is_following, name in rows.order_by("id").values_list(
        "member_id", "is_following", "account__name"
    ):
        found.setdefault(member, []).append((is_following, name))
    return found


def _tag_names(keys: set[int]) -> dict[int, str]:
    """Names in the order of the tag list: its groups stand together."""
    tags = Tag.objects.filter(pk__in=keys).order_by("group_id", "id")
    return dict(tags.values_list("pk", "name"))


# First the names of the columns are put in, then each line's own.
_ROW = """<tr>
<td class="action-checkbox"><input type="checkbox" name="_selected_action" value="{{key}}"\
 class="action-select" aria-label="{{name}}"></td>
<th class="field-name" scope="row"><a href="{{key}}/change/"{{popup}}>{{name}}</a>{{nickname}}</th>
<td data-label="{1}">{{stage}}</td>
<td class="pd-tight" data-label="{2}">{{value}} · {{trust}}</td>
<td class="pd-tight" data-label="{3}">{{accounts}}</td>
<td data-label="{4}">{{tags}}</td>
<td class="pd-tight" data-label="{5}">{{store}}</td>
<td data-label="{6}">{{owner}}</td>
<td class="pd-tight" data-label="{7}">{{marketing}}</td>
<td data-label="{8}" class="pd-num">{{seen}}</td>
</tr>
"""


class Drawing:
    """Draws the lines of one page of the list, in the language of the request.

    Composed here: a template takes ten times as long for fifty lines, which is more
    than all the queries of the page.
    """

    def __init__(self, columns: Sequence[Text], *, is_popup: bool) -> None:
        # The columns' names, once for all lines; braces of theirs are no places.
        names = (
            escape(str(text)).replace("{", "{{").replace("}", "}}") for text in columns
        )
        self.row = _ROW.format(*names)
        self.is_popup = is_popup
        self.now = timezone.now()
        self.words = {
            value: escape(label)
            for value, label in (*Member.Stage.choices, *Member.Rfm.choices)
        }
        # States by tone and text: the same few stand in every line.
        self.status = cache(status)

    def line(self, line: Line) -> str:
        member = line.member
        popup = f' data-popup-opener="{member.pk}"' if self.is_popup else ""
        return self.row.format(
            key=member.pk,
            popup=popup,
            name=escape(member),
            nickname=_nickname(member),
            stage=self.words[member.stage],
            value=self.words.get(member.rfm) or "–",
            trust=escape(member.trust),
            accounts=self._accounts(line.accounts) or "–",
            tags=_chips(line.tags) or "–",
            store=escape(member.org_unit or "–"),
            owner=escape(member.owner or "–"),
            marketing=self.status(*_marketing(member, self.now)),
            seen=escape(moment(member.last_seen_at)),
        )

    def _accounts(self, accounts: list[tuple[bool, str]]) -> str:
        return "".join(
            f"<div>{self.status('good' if is_following else 'idle', name)}</div>"
            for is_following, name in accounts
        )


def escape(value: object) -> str:
    """As Django escapes, without asking each value whether it is markup: none is."""
    return escaped(str(value))


def _nickname(member: Member) -> str:
    if not member.remark or member.is_placeholder_name:
        return ""
    return f' <span class="pd-muted">{escape(member.display_name)}</span>'


def _chips(names: list[str]) -> str:
    shown = (
        f'<span class="pd-chip">{escape(name)}</span>' for name in names[:SHOWN_TAGS]
    )
    more = len(names) - SHOWN_TAGS
    return "".join(shown) + (f"+{more}" if more > 0 else "")


def _marketing(member: Member, now: datetime) -> tuple[str, Text]:
    if member.opted_out_at:
        return "bad", _("Opted out")
    if member.frozen_until and member.frozen_until > now:
        return "part", pgettext_lazy("of marketing", "Frozen")
    if not member.is_reachable:
        return "idle", _("Not reachable")
    return "good", _("May be addressed")


class MemberChanges(ChangeList):
    """Django's list over crm.narrowing and crm.recent instead of filter after filter."""

    columns = (
        *(_("member"), _("stage"), _("value · trust"), _("accounts"), _("tags")),
        *(_("store"), pgettext_lazy("a member", "owner")),
        *(_("marketing"), _("last seen")),
    )

    found: list[Line]
    filters: list[Asked]

    @property
    def picked(self) -> list[tuple[Text, Text, str]]:
        """Each chosen value: filter, value in words, query string of the list without."""
        return [
            (
                each.title or "",
                text,
                _without(self.request.GET, each.parameter_name, value),
            )
            for each in self.filters
            if each.chosen
            for value, text in each.picked(self.staff)
        ]

    @property
    def lines(self) -> SafeString:
        """The rows of the table."""
        drawing = Drawing(self.columns, is_popup=bool(self.is_popup))
        # Each value of theirs is escaped where it is put in.
        return mark_safe("".join(map(drawing.line, self.found)))  # noqa: S308

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
        self.request, self.staff, self.filters = (
            request,
            request.user,
            self.filter_specs,
        )
        self.filter_specs = [Unopened(request, self.filters)]
        self.recent = Recent(request.user, conditions(request.user, request.GET))
        return self.recent.rows.order_by(*ORDER)

    def get_results(self, request: HttpRequest) -> None:
        self.paginator = RecentPaginator(self.recent, self.list_per_page)
        try:
            self.found = list(self.paginator.page(self.page_num).object_list)
        except InvalidPage as error:
            raise IncorrectLookupParameters from error
        self.result_list = [line.member for line in self.found]
        self.result_count = self.paginator.count
        self.full_result_count = None
        self.show_full_result_count = self.can_show_all = False
        self.show_admin_actions = self.multi_page = True


def _without(asked: QueryDict, key: str, value: str) -> str:
    """The query string of the first page without one value of a filter."""
    left = asked.copy()
    left.setlist(key, [each for each in asked.getlist(key) if each != value])
    left.pop("p", None)
    return left.urlencode()


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
