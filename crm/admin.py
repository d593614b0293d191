"""The member list; the member page itself is crm.pages."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode, urlsplit

from django.contrib import admin
from django.db.models import Prefetch, QuerySet, prefetch_related_objects
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.template.loader import render_to_string
from django.urls import URLPattern
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action

from core.admin import ScopedAdmin
from core.templatetags.console import moment, status
from crm import members, pages, tag_pages
from crm.filters import AccountFilter, FollowingFilter, OptedOutFilter, TagFilter
from crm.member_urls import member_paths
from crm.models import Identity, Member, MemberTag

# What the list keeps of the last look at it: filters and search, not the page.
REMEMBERED = ("q", "stage__exact", "account", "following", "opted_out", "tag")
SESSION_KEY = "crm.member.list"


@admin.register(Member)
class MemberAdmin(ScopedAdmin):
    list_display = (
        "name",
        "stage_shown",
        "accounts_shown",
        "tags_shown",
        "org_unit",
        "marketing_shown",
        "last_seen_shown",
    )
    list_display_links = ("name",)
    list_filter = ("stage", AccountFilter, TagFilter, FollowingFilter, OptedOutFilter)
    list_filter_submit = True
    list_select_related = ("org_unit",)
    ordering = ("-last_seen_at", "-id")
    # Looked up by crm.members.look_up; the field only makes the search box appear.
    search_fields = ("id",)
    search_help_text = _(
        "Part of the name or remark, number, openid, unionid, external_userid, phone"
    )
    command_search = True
    actions = ("tag_selected",)

    # permissions: members come from the platforms, and leave by the purge

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_tag_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(tag_pages.TAG)

    # rows

    def get_queryset(self, request: HttpRequest) -> QuerySet[Member]:
        rows: QuerySet[Member] = super().get_queryset(request)
        return rows.filter(merged_into__isnull=True, purged_at__isnull=True)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        staff: Any = request.user
        return members.look_up(queryset, search_term, staff), False

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        changelist = super().get_changelist_instance(request)
        identities = Identity.objects.exclude(kind=Identity.Kind.UNIONID)
        changelist.result_list = _with_identities(changelist.result_list, identities)
        return changelist

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponseBase:
        kept = self._remember(request)
        if kept:
            return HttpResponseRedirect(f"{request.path}?{urlencode(kept)}")
        return super().changelist_view(request, extra_context)

    def _remember(self, request: HttpRequest) -> dict[str, str]:
        """Keep this look's filters; on a bare visit, those of the last one.

        Coming from the list itself, a bare address means that they were cleared.
        """
        given = {key: request.GET[key] for key in REMEMBERED if request.GET.get(key)}
        stored: dict[str, str] = request.session.get(SESSION_KEY, {})
        came_from = urlsplit(request.headers.get("Referer", "")).path
        if stored and not request.GET and came_from != request.path:
            return stored
        if given != stored:
            request.session[SESSION_KEY] = given
        return {}

    # columns

    @admin.display(description=_("member"), ordering="display_name")
    def name(self, member: Member) -> str:
        return render_to_string("crm/name.html", {"member": member})

    @admin.display(description=_("stage"), ordering="stage")
    def stage_shown(self, member: Member) -> str:
        return member.get_stage_display()

    @admin.display(description=_("accounts"))
    def accounts_shown(self, member: Member) -> SafeString | str:
        return (
            format_html_join(
                "",
                "<div>{}</div>",
                (
                    (status("good" if each.is_following else "idle", each.account),)
                    for each in member.identities.all()
                ),
            )
            or "–"
        )

    @admin.display(description=_("tags"))
    def tags_shown(self, member: Member) -> SafeString | str:
        return tag_pages.chips(member)

    @admin.display(description=_("marketing"), ordering="opted_out_at")
    def marketing_shown(self, member: Member) -> SafeString:
        if member.opted_out_at:
            return status("bad", _("Opted out"))
        if not member.is_reachable:
            return status("idle", _("Not reachable"))
        return status("good", _("May be addressed"))

    @admin.display(description=_("last seen"), ordering="last_seen_at")
    def last_seen_shown(self, member: Member) -> str:
        return format_html(
            '<span class="pd-num">{}</span>', moment(member.last_seen_at)
        )

    # actions

    @action(description=_("Add a tag to the selected members"), permissions=["tag"])
    def tag_selected(
        self, request: HttpRequest, queryset: QuerySet[Member]
    ) -> HttpResponse | None:
        return tag_pages.tag_selected(request, queryset)

    # the member page

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [*member_paths(wrap), *super().get_urls()]

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        # Also those merged or purged: links to them stand in the trail.
        return pages.show(request, pages.visible_member(request, object_id))


def _with_identities(rows: Any, identities: QuerySet[Identity]) -> Any:
    """The page's rows with identities, accounts and tags, in one query each."""
    found = list(rows)
    prefetch_related_objects(
        found,
        Prefetch("identities", identities.select_related("account")),
        Prefetch("member_tags", MemberTag.objects.in_order().select_related("tag")),
    )
    return found


from crm import scoring_admin, tag_admin  # noqa: E402,F401  autodiscovery imports only this module
