"""The list of items; the page of one is content.item_pages."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Exists, F, OuterRef, Q, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.template.loader import render_to_string
from django.urls import URLPattern, path
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from content import item_pages, items, wording
from content.models import Item, Slot, Version
from core.admin import ScopedAdmin
from core.admin_memory import RemembersFilters
from core.templatetags.console import moment, status
from staff.requests import staff_of
from wechat.models import Account

VERBS = {
    "submit": item_pages.submit,
    "approve": item_pages.approve,
    "return": item_pages.give_back,
    "withdraw": item_pages.withdraw,
    "archive": item_pages.archive,
    "restore": item_pages.restore,
    "plan": item_pages.plan,
    "compare": item_pages.compare,
}


class ConcernFilter(admin.SimpleListFilter):
    title = _("concerns me")
    parameter_name = "concern"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        found = [("mine", _("Mine"))]
        if request.user.has_perm("content.approve_item"):
            found.append(("review", _("Waits for my review")))
        return [*found, ("all", _("With archived"))]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[Item]
    ) -> QuerySet[Item]:
        staff = staff_of(request)
        if self.value() == "mine":
            return queryset.filter(owner=staff).exclude(state=Item.State.ARCHIVED)
        if self.value() == "review":
            others = Version.objects.filter(
                item=OuterRef("pk"), state=Version.State.IN_REVIEW
            )
            others = others.exclude(author_ids__contains=[staff.pk])
            return queryset.filter(Exists(others.exclude(submitted_by=staff)))
        if self.value() == "all" or request.GET.get("state__exact"):
            return queryset
        return queryset.exclude(state=Item.State.ARCHIVED)


class SlotAccountFilter(admin.SimpleListFilter):
    title = _("account")
    parameter_name = "account"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        rows = Account.objects.visible_to(staff_of(request))
        return [(str(pk), name) for pk, name in rows.values_list("pk", "name")[:500]]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[Item]
    ) -> QuerySet[Item]:
        value = self.value()
        if value is None or value not in {key for key, _n in self.lookup_choices}:
            return queryset
        slots = Slot.objects.filter(version__item=OuterRef("pk"), account_id=int(value))
        return queryset.filter(Exists(slots.exclude(state=Slot.State.CANCELLED)))


@admin.register(Item)
class ItemAdmin(RemembersFilters, ScopedAdmin):
    list_display = (
        "title_shown",
        "kind",
        "state_shown",
        "owner",
        "next_shown",
        "org_unit",
        "changed_shown",
    )
    list_display_links = ("title_shown",)
    list_filter = (
        *("state", "kind", ConcernFilter, SlotAccountFilter),
        *("source_type", "subject"),
    )
    remembered = (
        *("q", "state__exact", "kind__exact", "concern", "account"),
        *("source_type__exact", "subject__exact"),
    )
    list_select_related = ("owner", "org_unit")
    list_before_template = "content/items_head.html"
    ordering = ("-changed_at", "-id")
    # Looked up in get_search_results, the words of the versions included.
    search_fields = ("title",)
    search_help_text = _("Title, headline or words of any version")
    command_search = True
    actions = None
    nav_order = 20
    nav_title = _("Content library")

    # rows

    def get_queryset(self, request: HttpRequest) -> QuerySet[Item]:
        rows: QuerySet[Item] = super().get_queryset(request)
        latest = Version.objects.filter(item=OuterRef("pk")).order_by("-number")
        slots = Slot.objects.planned().filter(version__item=OuterRef("pk"))
        first = slots.order_by("publish_at")
        return rows.annotate(
            latest_number=Subquery(latest.values("number")[:1]),
            latest_state=Subquery(latest.values("state")[:1]),
            next_at=Subquery(first.values("publish_at")[:1]),
            next_account=Subquery(first.values("account__name")[:1]),
        )

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        for word in search_term.split()[:8]:
            said = Version.objects.filter(item=OuterRef("pk")).filter(
                Q(body__icontains=word) | Q(headline__icontains=word)
            )
            queryset = queryset.filter(Q(title__icontains=word) | Exists(said))
        return queryset, False

    # permissions

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        may = super().has_change_permission(request, obj)
        if not may or obj is None:
            return bool(may)
        return items.may_write(staff_of(request), obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Only what nobody was ever shown; the rest is archived."""
        may = super().has_delete_permission(request, obj)
        if not may or obj is None:
            return bool(may)
        staff = staff_of(request)
        return items.may_write(staff, obj) and not items.why_kept(obj)

    def delete_model(self, request: HttpRequest, obj: Item) -> None:
        items.delete(obj, actor=staff_of(request))

    def log_deletions(self, request: HttpRequest, queryset: Any) -> None:
        """content.items.delete records it."""

    # columns

    @admin.display(description=_("title"), ordering="title")
    def title_shown(self, item: Item) -> str:
        return render_to_string("content/item_title.html", {"item": item})

    @admin.display(description=_("state"), ordering="state")
    def state_shown(self, item: Any) -> SafeString:
        if item.state == Item.State.DRAFT and item.latest_state == "returned":
            return status("bad", _("Returned"))
        tone = wording.ITEM_TONES[Item.State(item.state)]
        return status(tone, item.get_state_display())

    @admin.display(
        description=_("next slot"), ordering=F("next_at").asc(nulls_last=True)
    )
    def next_shown(self, item: Any) -> SafeString | str:
        if item.next_at is None:
            return "–"
        return format_html(
            '<span class="pd-num">{}</span><div class="pd-muted">{}</div>',
            moment(item.next_at),
            item.next_account,
        )

    @admin.display(description=_("changed at"), ordering="changed_at")
    def changed_shown(self, item: Item) -> SafeString:
        return format_html('<span class="pd-num">{}</span>', moment(item.changed_at))

    def audit_label(self, obj: Any) -> str:
        return str(obj)

    # the item's own page

    def get_urls(self) -> list[URLPattern]:
        own = [
            path(
                f"<path:object_id>/{verb}/",
                self.admin_site.admin_view(self._verb(verb)),
                name=f"content_item_{verb}",
            )
            for verb in VERBS
        ]
        return [*own, *super().get_urls()]

    def _verb(self, verb: str) -> Any:
        def view(request: HttpRequest, object_id: str) -> HttpResponse:
            item = item_pages.visible_item(request, object_id)
            return VERBS[verb](request, item)

        return view

    def add_view(
        self,
        request: HttpRequest,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponseBase:
        return item_pages.add(request)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponseBase:
        return item_pages.show(request, item_pages.visible_item(request, object_id))
