"""The list of members: its rows page by page, its columns, what it remembers."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from django.contrib.admin.options import IncorrectLookupParameters
from django.core.paginator import InvalidPage, Page
from django.db.models import Prefetch, QuerySet, prefetch_related_objects
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import escape, format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy
from unfold.views import ChangeList

from core.paginators import OpenPaginator
from core.registry import Text
from core.templatetags.console import moment, status
from crm.models import Identity, Member, Tag, TagSet
from crm.narrowing import conditions
from crm.recent import ORDER, Recent
from staff.models import Staff

SESSION_KEY = "crm.member.list"
# Pages further on are reached by a filter, not by turning.
LAST_PAGE = 1_000
SHOWN_TAGS = 3
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
    """These members in this order, with what their line shows, in five queries."""
    rows = Member.objects.filter(pk__in=keys).defer(*_UNSHOWN)
    found = {member.pk: member for member in rows}
    members = [found[key] for key in keys if key in found]
    identities = Identity.objects.filter(account__isnull=False).order_by("id")
    # Read apart: the same few stores, owners and accounts stand in every line.
    shown = Prefetch("identities", identities.prefetch_related("account"))
    prefetch_related_objects(members, shown, "org_unit", "owner")
    return members


def tags_of(members: Sequence[Member]) -> dict[int, list[str]]:
    """The names of each member's tags, as the groups stand on the tag list."""
    sets = dict(
        TagSet.objects.filter(member__in=members).values_list("member", "tag_ids")
    )
    wanted = {key for keys in sets.values() for key in keys}
    tags = Tag.objects.filter(pk__in=wanted).order_by("group_id", "id")
    names = dict(tags.values_list("pk", "name"))
    place = {key: number for number, key in enumerate(names)}
    return {
        member: [names[key] for key in sorted(keys, key=lambda k: place.get(k, 0))]
        for member, keys in sets.items()
    }


_ROW = """<tr>
<td class="action-checkbox"><input type="checkbox" name="_selected_action" value="{key}"\
 class="action-select" aria-label="{name}"></td>
<th class="field-name" scope="row"><a href="{key}/change/"{popup}>{name}</a>{nickname}</th>
<td data-label="{label_1}">{stage}</td>
<td class="pd-tight" data-label="{label_2}">{value} · {trust}</td>
<td class="pd-tight" data-label="{label_3}">{accounts}</td>
<td data-label="{label_4}">{tags}</td>
<td class="pd-tight" data-label="{label_5}">{store}</td>
<td data-label="{label_6}">{owner}</td>
<td class="pd-tight" data-label="{label_7}">{marketing}</td>
<td data-label="{label_8}" class="pd-num">{seen}</td>
</tr>
"""


class Drawing:
    """Draws the lines of one page of the list, in the language of the request.

    Composed here: a template takes five times as long for fifty lines, which is more
    than all the queries of the page.
    """

    def __init__(
        self, columns: Sequence[Text], tags: dict[int, list[str]], *, is_popup: bool
    ) -> None:
        self.labels = {
            f"label_{place}": escape(str(text)) for place, text in enumerate(columns)
        }
        self.tags = tags
        self.is_popup = is_popup
        self.now = timezone.now()
        self.stages = {value: str(label) for value, label in Member.Stage.choices}
        self.values = {value: str(label) for value, label in Member.Rfm.choices}

    def line(self, member: Member) -> SafeString:
        key = member.pk
        popup = format_html(' data-popup-opener="{}"', key) if self.is_popup else ""
        return format_html(
            _ROW,
            key=key,
            popup=popup,
            **self.labels,
            name=str(member),
            nickname=self._nickname(member),
            stage=self.stages[member.stage],
            value=self.values.get(member.rfm) or "–",
            trust=member.trust,
            accounts=self._accounts(member),
            tags=self._tags(member),
            store=str(member.org_unit or "–"),
            owner=str(member.owner or "–"),
            marketing=status(*_marketing(member, self.now)),
            seen=moment(member.last_seen_at),
        )

    def _nickname(self, member: Member) -> str:
        if not member.remark or member.is_placeholder_name:
            return ""
        return format_html(' <span class="pd-muted">{}</span>', member.display_name)

    def _accounts(self, member: Member) -> str:
        following = (
            (status("good" if each.is_following else "idle", each.account),)
            for each in member.identities.all()
        )
        return format_html_join("", "<div>{}</div>", following) or "–"

    def _tags(self, member: Member) -> str:
        names = self.tags.get(member.pk, [])
        shown = ((name,) for name in names[:SHOWN_TAGS])
        chips = format_html_join("", '<span class="pd-chip">{}</span>', shown)
        more = len(names) - SHOWN_TAGS
        return format_html("{}+{}", chips, more) if more > 0 else chips or "–"


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

    members: list[Member]

    @property
    def lines(self) -> SafeString:
        """The rows of the table."""
        drawing = Drawing(
            self.columns, tags_of(self.members), is_popup=bool(self.is_popup)
        )
        return format_html_join(
            "", "{}", ((drawing.line(member),) for member in self.members)
        )

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
            self.members = list(self.paginator.page(self.page_num).object_list)
        except InvalidPage as error:
            raise IncorrectLookupParameters from error
        self.result_list = self.members
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
