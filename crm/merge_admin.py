"""Lists of merges and of pairs to decide; their pages are crm.merge_pages."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from core.admin import ReadOnly, ScopedAdmin
from core.templatetags.console import moment, status
from crm import merge_pages, merge_words, reviews
from crm.models import MatchReview, Merge

ALL = "all"


class StateFilter(admin.SimpleListFilter):
    """What is to decide, unless something else is asked for."""

    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [*MatchReview.State.choices[1:], (ALL, _("All"))]

    def choices(self, changelist: Any) -> Any:
        for choice in super().choices(changelist):
            if choice["display"] == str(_("All")) and self.value() is None:
                choice["display"] = MatchReview.State.OPEN.label
            yield choice

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[MatchReview]
    ) -> QuerySet[MatchReview]:
        wanted = self.value() or MatchReview.State.OPEN
        return queryset if wanted == ALL else queryset.filter(state=wanted)


@admin.register(MatchReview)
class MatchReviewAdmin(ReadOnly, ScopedAdmin):
    """Pairs that may be one person, the open ones first of all."""

    list_display = ("pair", "speaks_for", "against", "state_shown", "raised", "decided")
    list_display_links = ("pair",)
    list_filter = (StateFilter,)
    list_select_related = ("first__merged_into", "second__merged_into", "decided_by")
    ordering = ("-raised_at", "-id")
    nav_order = 80
    empty_text = _(
        "Two records that may be one person come here to be decided: from platforms, "
        "orders, imports and phone numbers that contradict each other."
    )
    actions = None

    @admin.display(description=_("pair"))
    def pair(self, review: MatchReview) -> SafeString:
        one, other = reviews.standing_sides(review)
        return format_html(
            '<span class="font-medium">{}</span> <span class="pd-muted pd-num">#{}</span>'
            ' ↔ <span class="font-medium">{}</span>'
            ' <span class="pd-muted pd-num">#{}</span>',
            *(one, one.pk, other, other.pk),
        )

    @admin.display(description=_("speaks for one person"))
    def speaks_for(self, review: MatchReview) -> str:
        words = merge_words.speaks_for(review.evidence)
        return _join(words)

    @admin.display(description=_("speaks against"))
    def against(self, review: MatchReview) -> str:
        return _join(merge_words.speaks_against(review.evidence))

    @admin.display(description=_("state"))
    def state_shown(self, review: MatchReview) -> SafeString:
        tone = "part" if review.state == MatchReview.State.OPEN else "done"
        return status(tone, review.get_state_display())

    @admin.display(description=_("raised at"), ordering="raised_at")
    def raised(self, review: MatchReview) -> SafeString:
        return _time(review.raised_at)

    @admin.display(description=_("decided by"))
    def decided(self, review: MatchReview) -> Any:
        return review.decided_by or "–"

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        decide = path(
            "<path:object_id>/decide/",
            wrap(self.decide_view),
            name="crm_matchreview_decide",
        )
        return [decide, *super().get_urls()]

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        return merge_pages.show_review(request, self._row(request, object_id))

    def decide_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return merge_pages.decide(request, self._row(request, object_id))

    def _row(self, request: HttpRequest, object_id: str) -> MatchReview:
        row: MatchReview = _visible(self, request, object_id)
        return row

    def get_queryset(self, request: HttpRequest) -> QuerySet[MatchReview]:
        rows: QuerySet[MatchReview] = super().get_queryset(request)
        return rows.select_related(*self.list_select_related)


@admin.register(Merge)
class MergeAdmin(ReadOnly, ScopedAdmin):
    """Merges that stand or were undone; the page takes one apart again."""

    list_display = ("what", "why_shown", "who", "when", "state_shown")
    list_display_links = ("what",)
    list_filter = (("undone_at", admin.EmptyFieldListFilter),)
    list_select_related = ("kept", "gone", "actor", "undone_by")
    ordering = ("-at", "-id")
    nav_order = 81
    list_before_template = "crm/merge_acts.html"
    empty_text = _(
        "Each merge stands here with its reason, and can be taken apart again."
    )
    actions = None

    @admin.display(description=_("merge"))
    def what(self, merge: Merge) -> SafeString:
        return format_html(
            '{} <span class="pd-muted pd-num">#{}</span> → '
            '<span class="font-medium">{}</span> <span class="pd-muted pd-num">#{}</span>',
            *(merge.gone, merge.gone_id, merge.kept, merge.kept_id),
        )

    @admin.display(description=_("why"))
    def why_shown(self, merge: Merge) -> Any:
        return merge_words.why(merge.why)

    @admin.display(description=_("By"))
    def who(self, merge: Merge) -> str:
        return str(merge.actor)

    @admin.display(description=_("at"), ordering="at")
    def when(self, merge: Merge) -> SafeString:
        return _time(merge.at)

    @admin.display(description=_("state"))
    def state_shown(self, merge: Merge) -> SafeString:
        if merge.undone_at is None:
            return status("good", _("One record"))
        return status("idle", _("Undone"))

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        own = [
            path("new/", wrap(merge_pages.new), name="crm_merge_new"),
            path("<path:object_id>/undo/", wrap(self.undo_view), name="crm_merge_undo"),
        ]
        return [*own, *super().get_urls()]

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        merge: Merge = _visible(self, request, object_id)
        return merge_pages.show_merge(request, merge)

    def undo_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        merge: Merge = _visible(self, request, object_id)
        return merge_pages.undo(request, merge)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Merge]:
        rows: QuerySet[Merge] = super().get_queryset(request)
        return rows.select_related(*self.list_select_related)


def _visible(model_admin: ScopedAdmin, request: HttpRequest, object_id: str) -> Any:
    """The row, or 403 without the right, 404 outside the person's scope."""
    if not model_admin.has_view_permission(request):
        raise PermissionDenied
    return model_admin.get_object_or_404(request, object_id)


def _join(words: list[Any]) -> str:
    return " · ".join(str(word) for word in words) or "–"


def _time(value: Any) -> SafeString:
    return format_html('<span class="pd-num">{}</span>', moment(value))
