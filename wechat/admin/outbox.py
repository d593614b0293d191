"""The outbox: what happened, why, what to do; settling "unknown" by two people."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy

from core.templatetags.console import moment, status
from staff.models import Staff
from wechat import resolving
from wechat.admin.settling import SettlingAdmin
from wechat.models import Attempt, OutboundMessage
from wechat.registry import purpose_labels

State = OutboundMessage.State
TONES = {
    State.PLANNED: "idle",
    State.CLAIMED: "part",
    State.SENDING: "part",
    State.SENT: "good",
    State.FAILED: "bad",
    State.UNKNOWN: "unknown",
}
UNCONFIRMED_AFTER = timedelta(days=7)
PHASES = {
    "intent": gettext_lazy("About to call"),
    "answer": gettext_lazy("The platform answered"),
    "late answer": gettext_lazy("The answer came late"),
    "lost": gettext_lazy("The sender was lost"),
    "decision": gettext_lazy("Decided by hand"),
}


class AskedFilter(admin.SimpleListFilter):
    title = gettext_lazy("decision")
    parameter_name = "asked"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("1", gettext_lazy("Waits for a second person"))]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[Any]
    ) -> QuerySet[Any] | None:
        if self.value() != "1":
            return queryset
        assert isinstance(request.user, Staff)
        return queryset.filter(pk__in=resolving.asked_messages(request.user))


@admin.register(OutboundMessage)
class OutboundMessageAdmin(SettlingAdmin):
    resolver = resolving
    resolve_permission = "wechat.resolve_outboundmessage"
    list_display = ["planned", "app", "shown_to", "what", "shown_state", "why"]
    list_filter = ["state", "channel", "app", AskedFilter]
    search_fields = ["=recipient", "=dedupe_key"]
    search_help_text = gettext_lazy("The whole openid or external user id")
    list_select_related = ["app__account__org_unit"]
    fields = [
        *("app", "channel", "shown_to", "text", "shown_purpose", "planned", "next_try"),
        *("expires", "finished", "attempts", "shown_window", "key"),
    ]
    readonly_fields = [
        *("shown_to", "text", "shown_purpose", "planned", "next_try", "expires"),
        "finished",
        *("shown_window", "key"),
    ]
    change_form_outer_before_template = "wechat/outbound_panel.html"
    actions = None

    @admin.display(description=gettext_lazy("Planned"), ordering="id")
    def planned(self, obj: OutboundMessage) -> str:
        return moment(obj.created_at)

    @admin.display(description=pgettext_lazy("a person", "To"))
    def shown_to(self, obj: OutboundMessage) -> str:
        return f"{obj.recipient[:6]}…{obj.recipient[-4:]}" if obj.recipient else "–"

    @admin.display(description=pgettext_lazy("a message", "What"))
    def what(self, obj: OutboundMessage) -> str:
        return f"{obj.get_kind_display()} · {obj.get_channel_display()}"

    @admin.display(description=gettext_lazy("purpose"))
    def shown_purpose(self, obj: OutboundMessage) -> str:
        return str(purpose_labels.get(obj.purpose, obj.purpose))

    @admin.display(description=gettext_lazy("State"), ordering="state")
    def shown_state(self, obj: OutboundMessage) -> SafeString:
        return status(TONES[State(obj.state)], state_text(obj))

    @admin.display(description=gettext_lazy("Why"))
    def why(self, obj: OutboundMessage) -> str:
        return obj.reason_text or "–"

    @admin.display(description=gettext_lazy("Next try"))
    def next_try(self, obj: OutboundMessage) -> str:
        return moment(obj.next_at) if obj.state == State.PLANNED else "–"

    @admin.display(description=gettext_lazy("Makes sense until"))
    def expires(self, obj: OutboundMessage) -> str:
        return moment(obj.expires_at)

    @admin.display(description=gettext_lazy("Settled"))
    def finished(self, obj: OutboundMessage) -> str:
        return moment(obj.finished_at)

    @admin.display(description=gettext_lazy("Reply window"))
    def shown_window(self, obj: OutboundMessage) -> str:
        from wechat.models import ReplyWindow

        if not obj.window:
            return "–"
        return str(ReplyWindow.Trigger(obj.window).label)

    @admin.display(description=gettext_lazy("Message text"))
    def text(self, obj: Any) -> str:
        if not getattr(obj, "is_readable", False):
            return _("Only people of the account's own unit read it.")
        if obj.kind == OutboundMessage.Kind.IMAGE:
            return _("Picture")
        return str(obj.payload.get("text", "")) or "–"

    def panel(self, request: HttpRequest, row: OutboundMessage) -> dict[str, Any]:
        evidence = Attempt.objects.filter(message=row).order_by("at")[:50]
        return {
            "message": row,
            "tone": TONES[State(row.state)],
            "state": state_text(row),
            "evidence": [
                {"row": each, "phase": _phase_text(each)} for each in evidence
            ],
            **self.settling(request, row, is_unknown=row.state == State.UNKNOWN),
        }


def _phase_text(row: Attempt) -> str:
    if row.phase == "answer" and row.evidence.get("state") == State.UNKNOWN:
        return _("No clear answer came")
    return str(PHASES.get(row.phase, row.phase))


def state_text(message: OutboundMessage) -> str:
    """ "Unknown" of more than a week is called what it will stay: unconfirmed."""
    is_old = timezone.now() - message.created_at > UNCONFIRMED_AFTER
    if message.state == State.UNKNOWN and is_old:
        return _("Unconfirmed")
    return str(message.get_state_display())
