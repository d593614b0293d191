"""Queues, agents and conversations in the admin; work itself is done in the workspace."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from core import audit
from core.admin import ReadOnly, ScopedAdmin
from core.templatetags.console import moment, status
from service import ratings
from service.models import AgentState, Conversation, Queue, Rating
from staff.models import Staff
from staff.requests import staff_of


@admin.register(Queue)
class QueueAdmin(ScopedAdmin):
    list_display = ["name", "account", "is_default", "asks_rating", "is_active"]
    list_filter = ["account", "is_active"]
    list_select_related = ["account"]
    search_fields = ["name"]
    fields = [
        *("name", "account", "is_default", "is_after_sales", "asks_rating"),
        *("is_active", "agents"),
    ]
    needed_first = ("account",)

    def formfield_for_manytomany(
        self, db_field: Any, request: HttpRequest, **kwargs: Any
    ) -> Any:
        # Boxes fit every width and language, which two lists with arrows do not.
        kwargs["widget"] = UnfoldAdminCheckboxSelectMultipleWidget
        kwargs["queryset"] = Staff.objects.working()
        return super().formfield_for_manytomany(db_field, request, **kwargs)


@admin.register(AgentState)
class AgentStateAdmin(ScopedAdmin):
    """Rows come into being when an agent first opens the workspace."""

    list_display = ["staff", "status", "open_count", "capacity", "seen"]
    list_filter = ["status"]
    list_select_related = ["staff"]
    search_fields = ["staff__display_name", "staff__username"]
    fields = ["staff", "capacity", "status", "open_count", "heartbeat_at"]
    readonly_fields = ["staff", "status", "open_count", "heartbeat_at"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(
        self, request: HttpRequest, obj: AgentState | None = None
    ) -> bool:
        return False

    def save_model(
        self, request: HttpRequest, obj: AgentState, form: Any, change: bool
    ) -> None:
        # Only this field: claims count open_count meanwhile.
        before = AgentState.objects.values_list("capacity", flat=True).get(pk=obj.pk)
        obj.save(update_fields=["capacity"])
        audit.record(
            "service.agentstate.capacity_set",
            obj,
            actor=request.user,  # type: ignore[arg-type]
            before={"capacity": before},
            after={"capacity": obj.capacity},
            label=str(obj.staff),
        )

    @admin.display(
        description=pgettext_lazy("an agent", "seen"), ordering="heartbeat_at"
    )
    def seen(self, obj: AgentState) -> str:
        return moment(obj.heartbeat_at)


@admin.register(Conversation)
class ConversationAdmin(ScopedAdmin):
    """Read only: every change goes through the workspace."""

    list_display = [
        "number",
        "member",
        "account",
        "queue",
        "state",
        "assignee",
        "opened",
        "closed",
        "close_reason",
    ]
    list_filter = ["state", "close_reason", "queue", "assignee"]
    list_select_related = ["member", "app__account", "queue", "assignee"]
    search_fields = ["=id"]
    search_help_text = _("Number of the conversation")
    date_hierarchy = None
    list_display_links = None

    def get_queryset(self, request: HttpRequest) -> QuerySet[Conversation]:
        return super().get_queryset(request).order_by("-id")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(
        self, request: HttpRequest, obj: Conversation | None = None
    ) -> bool:
        return False

    def has_delete_permission(
        self, request: HttpRequest, obj: Conversation | None = None
    ) -> bool:
        return False

    @admin.display(description=_("number"), ordering="id")
    def number(self, obj: Conversation) -> SafeString:
        url = reverse("admin:workspace_conversation", args=[obj.pk])
        return format_html('<a href="{}">#{}</a>', url, obj.pk)

    @admin.display(description=_("account"))
    def account(self, obj: Conversation) -> str:
        return str(obj.app.account)

    @admin.display(description=_("opened"), ordering="opened_at")
    def opened(self, obj: Conversation) -> str:
        return moment(obj.opened_at)

    @admin.display(description=_("closed"), ordering="closed_at")
    def closed(self, obj: Conversation) -> str:
        return moment(obj.closed_at)


@admin.register(Rating)
class RatingAdmin(ReadOnly, ScopedAdmin):
    """Customers rate on their own page; here it is only read."""

    list_display = [
        *("when", "member", "account", "score_shown", "words", "agent", "number")
    ]
    list_display_links = ["when"]
    ordering = ["-at", "-id"]
    list_filter = ["score", "at", "agent", "conversation__app__account"]
    list_select_related = [
        "conversation__member",
        "conversation__app__account",
        "agent",
    ]
    search_fields = ["=conversation__id"]
    search_help_text = _("Number of the conversation")
    empty_text = _(
        "Ratings come in once a queue asks for them (Queues): customers who got an "
        "answer are asked when their conversation is closed."
    )
    fields = [
        *("number", "member", "account", "agent", "score_shown", "words", "when"),
        "changed",
    ]
    readonly_fields = fields
    actions = None
    list_before_template = "service/ratings_head.html"

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponseBase:
        told = {
            "response": ratings.response(staff_of(request)),
            "days": ratings.RESPONSE_DAYS,
            "enough": ratings.ENOUGH,
        }
        return super().changelist_view(request, {**(extra_context or {}), **told})

    def audit_label(self, obj: Any) -> str:
        return ""

    @admin.display(description=_("conversation"))
    def number(self, obj: Rating) -> SafeString:
        url = reverse("admin:workspace_conversation", args=[obj.conversation_id])
        return format_html('<a href="{}">#{}</a>', url, obj.conversation_id)

    @admin.display(description=_("member"))
    def member(self, obj: Rating) -> str:
        return str(obj.conversation.member)

    @admin.display(description=_("account"))
    def account(self, obj: Rating) -> str:
        return str(obj.conversation.app.account)

    @admin.display(description=_("rating"), ordering="score")
    def score_shown(self, obj: Rating) -> SafeString:
        tone = "good" if obj.score == 5 else "bad" if obj.score <= 2 else "idle"
        return status(tone, obj.get_score_display())

    @admin.display(description=_("rated at"), ordering="at")
    def when(self, obj: Rating) -> str:
        return moment(obj.at)

    @admin.display(description=_("changed at"))
    def changed(self, obj: Rating) -> str:
        return moment(obj.changed_at)
