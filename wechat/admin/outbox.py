"""The outbox: what happened, why, what to do; settling "unknown" by two people."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core.errors import AppError
from core.templatetags.console import moment, status
from staff.models import Staff
from wechat import resolving
from wechat.admin.panels import PanelAdmin
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
class OutboundMessageAdmin(PanelAdmin):
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

    @admin.display(description=gettext_lazy("To"))
    def shown_to(self, obj: OutboundMessage) -> str:
        return f"{obj.recipient[:6]}…{obj.recipient[-4:]}" if obj.recipient else "–"

    @admin.display(description=gettext_lazy("What"))
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
        return panel(request, row)

    # -- settling, both POST

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path(
                "<int:object_id>/ask/",
                view(self.ask),
                name="wechat_outboundmessage_ask",
            ),
            path(
                "<int:object_id>/decide/",
                view(self.decide),
                name="wechat_outboundmessage_decide",
            ),
            *super().get_urls(),
        ]

    def _message(self, request: HttpRequest, object_id: int) -> OutboundMessage:
        may = request.user.has_perm("wechat.resolve_outboundmessage")
        if request.method != "POST" or not may:
            raise PermissionDenied
        found: OutboundMessage = self.get_object_or_404(request, object_id)
        return found

    def ask(self, request: HttpRequest, object_id: int) -> HttpResponse:
        message = self._message(request, object_id)
        choice = request.POST.get("choice", "")
        reason = request.POST.get("reason", "").strip()
        assert isinstance(request.user, Staff)
        if choice not in resolving.CHOICES:
            messages.error(request, _("Choose what should happen."))
        elif not reason:
            messages.error(request, _("Say why, so that the second person can decide."))
        else:
            try:
                resolving.ask(message, choice, actor=request.user, reason=reason)
            except AppError as refusal:
                messages.error(request, str(refusal.message))
            else:
                messages.success(request, _("A second person must confirm it now."))
        return self._back(message)

    def decide(self, request: HttpRequest, object_id: int) -> HttpResponse:
        message = self._message(request, object_id)
        approval = resolving.open_request(message)
        is_yes = request.POST.get("decision") == "yes"
        assert isinstance(request.user, Staff)
        if approval is None:
            messages.error(request, _("Nobody asks for a decision on this message."))
            return self._back(message)
        try:
            resolving.decide(approval, actor=request.user, is_yes=is_yes)
        except AppError as refusal:
            messages.error(request, str(refusal.message))
        else:
            done = (
                _("Confirmed and done.") if is_yes else _("Refused; nothing changed.")
            )
            messages.success(request, done)
        return self._back(message)

    def _back(self, message: OutboundMessage) -> HttpResponse:
        url = reverse("admin:wechat_outboundmessage_change", args=[message.pk])
        return HttpResponseRedirect(url)


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


def panel(request: HttpRequest, message: OutboundMessage) -> dict[str, Any]:
    """State, reason, advice, the evidence in order, and what may be decided."""
    asked = resolving.open_request(message)
    evidence = Attempt.objects.filter(message=message).order_by("at")[:50]
    is_unknown = message.state == State.UNKNOWN
    return {
        "message": message,
        "tone": TONES[State(message.state)],
        "state": state_text(message),
        "evidence": [{"row": row, "phase": _phase_text(row)} for row in evidence],
        "asked": asked,
        "asked_choice": resolving.choice_of(asked) if asked else "",
        "is_mine": asked is not None and asked.requested_by_id == request.user.pk,
        "may_resolve": is_unknown
        and request.user.has_perm("wechat.resolve_outboundmessage"),
        "why_not_again": resolving.why_not_again(message) if is_unknown else "",
    }
