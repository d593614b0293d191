"""The list of segments; a segment itself is crm.segment_pages."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from core.admin import ScopedAdmin
from core.templatetags.console import grouped, moment, status
from crm import segment_states, segment_uses
from crm.models import Segment
from crm.segment_pages import access, acts, builder, live, people, versions
from crm.segments import sentences
from crm.segments.wording import Names

OF_ONE = {
    "do": acts.do,
    "versions": versions.show,
    "restore": versions.restore,
    "people": people.show,
}
OF_NONE = {"estimate": live.estimate, "why": live.why, "options": live.options}
ARCHIVED, STALE, FAILED = "archived", "stale", "failed"


class StateFilter(admin.SimpleListFilter):
    """Archived ones are shown only when asked for."""

    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [
            (FAILED, pgettext_lazy("a segment", "Failed")),
            (STALE, _("Out of date")),
            (ARCHIVED, _("Archived")),
        ]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[Segment]
    ) -> QuerySet[Segment]:
        wanted = self.value()
        if wanted == ARCHIVED:
            return queryset.filter(archived_at__isnull=False)
        rows = queryset.filter(archived_at__isnull=True)
        if wanted == FAILED:
            return rows.exclude(error="")
        return segment_states.out_of_date(rows) if wanted == STALE else rows


class OwnerFilter(admin.SimpleListFilter):
    """One's own segments."""

    title = pgettext_lazy("of a segment", "owner")
    parameter_name = "owner"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("me", _("Mine"))]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[Segment]
    ) -> QuerySet[Segment]:
        return queryset.filter(owner=request.user.pk) if self.value() else queryset


@admin.register(Segment)
class SegmentAdmin(ScopedAdmin):
    """The list of segments; a segment itself is a page of crm.segment_pages."""

    list_display = (
        "name_shown",
        "kind_shown",
        "members_shown",
        "state_shown",
        "owner_shown",
        "uses_shown",
    )
    list_display_links = ("name_shown",)
    list_filter = ("kind", StateFilter, OwnerFilter)
    list_select_related = ("owner", "org_unit")
    search_fields = ("name", "description")
    search_help_text = _("Part of the name or the description")
    command_search = True
    ordering = ("-changed_at", "-id")
    actions = None
    change_list_template = "crm/segment_list.html"
    nav_order = 12
    empty_template = "crm/segment_empty.html"

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # archived: what was sent to whom must stay readable

    def audit_label(self, obj: Any) -> str:
        return str(obj.name)

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        changelist = super().get_changelist_instance(request)
        rows = list(changelist.result_list)
        states = segment_states.of(rows)
        uses = segment_uses.counts_among(rows) if rows else {}
        rules = [row.rule for row in rows if row.rule]
        owners = {row.controller_id for row in rows}
        names = sentences.names_in(rules, owners)
        for row in rows:
            row.state_now = states[row.pk]
            row.use_count = uses.get(row.pk, 0)
            row.sentence = _sentence(row, names)
        changelist.result_list = rows
        return changelist

    @property
    def example(self) -> str:
        """The rule the empty list teaches with, in words."""
        return sentences.summary(builder.SAMPLE, {})

    # columns

    @admin.display(description=_("name"), ordering="name")
    def name_shown(self, segment: Any) -> SafeString:
        return format_html(
            '<span class="sg-name">{}</span><span class="sg-sentence-line">{}</span>',
            segment.name,
            segment.sentence,
        )

    @admin.display(description=_("kind"), ordering="kind")
    def kind_shown(self, segment: Segment) -> str:
        return segment.get_kind_display()

    @admin.display(description=_("members"), ordering="member_count")
    def members_shown(self, segment: Segment) -> SafeString | str:
        if segment.member_count is None:
            return "–"
        return format_html(
            '<span class="pd-num">{}</span><br><span class="pd-muted pd-num">{}</span>',
            grouped(segment.member_count),
            moment(segment.computed_at),
        )

    @admin.display(description=_("state"))
    def state_shown(self, segment: Any) -> SafeString:
        state = segment.state_now
        return format_html(
            '<span title="{}">{}</span>', state.detail, status(state.tone, state.words)
        )

    @admin.display(description=pgettext_lazy("of a segment", "owner"), ordering="owner")
    def owner_shown(self, segment: Segment) -> str:
        return str(segment.owner)

    @admin.display(description=_("used by"))
    def uses_shown(self, segment: Any) -> str:
        return str(segment.use_count or "–")

    # pages

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            *(
                path(f"{name}/", wrap(view), name=f"crm_segment_{name}")
                for name, view in OF_NONE.items()
            ),
            *(
                path(
                    f"<path:object_id>/{name}/",
                    wrap(self._page(view)),
                    name=f"crm_segment_{name}",
                )
                for name, view in OF_ONE.items()
            ),
            *super().get_urls(),
        ]

    def _page(self, view: Any) -> Any:
        def shown(request: HttpRequest, object_id: str) -> HttpResponse:
            segment = access.visible(request, object_id)
            return view(request, segment)  # type: ignore[no-any-return]

        return shown

    def add_view(
        self,
        request: HttpRequest,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        return builder.add(request)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        return builder.show(request, access.visible(request, object_id))


def _sentence(segment: Segment, names: Names) -> str:
    if segment.description or segment.kind == Segment.Kind.LIST:
        return segment.description
    return sentences.summary(segment.rule, names, length=120)
