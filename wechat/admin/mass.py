"""Mass calls: what happened, why, what to do; the platform's counts; settling by two."""

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
from wechat import holding, limits, mass_resolving
from wechat.admin.settling import SettlingAdmin
from wechat.models import BatchAttempt, OutboundBatch
from wechat.reasons import explain
from wechat.registry import purpose_labels

State = OutboundBatch.State
TONES = {
    State.PLANNED: "idle",
    State.CLAIMED: "part",
    State.SENDING: "part",
    State.SENT: "good",
    State.FAILED: "bad",
    State.UNKNOWN: "unknown",
}
PHASES = {
    "intent": gettext_lazy("About to call"),
    "answer": gettext_lazy("The platform answered"),
    "lost": gettext_lazy("The sender was lost"),
    "given up": gettext_lazy("Given up asking"),
    "decision": gettext_lazy("Decided by hand"),
}
# The platform says only "sending" meanwhile.
MAYBE_UNCONFIRMED_AFTER = timedelta(minutes=2)


class AskedBatchFilter(admin.SimpleListFilter):
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
        return queryset.filter(pk__in=mass_resolving.asked_batches(request.user))


@admin.register(OutboundBatch)
class OutboundBatchAdmin(SettlingAdmin):
    resolver = mass_resolving
    resolve_permission = "wechat.resolve_outboundbatch"
    list_display = ["planned", "app", "what", "size", "shown_state", "why", "delivered"]
    list_filter = ["state", "kind", "app", AskedBatchFilter]
    search_fields = ["=remote_id", "=clientmsgid"]
    search_help_text = gettext_lazy("The platform's id or the key of the call")
    list_select_related = ["app__account__org_unit", "run"]
    fields = [
        *("app", "what", "text", "size", "planned", "next_try", "expires"),
        *("accepted", "finished", "attempts", "remote_id", "clientmsgid"),
        *("openids_sha256", "platform_status", "total_count", "filter_count"),
        *("sent_count", "error_count"),
    ]
    readonly_fields = [
        *("what", "text", "planned", "next_try", "expires", "accepted", "finished")
    ]
    change_form_outer_before_template = "wechat/batch_panel.html"
    actions = None

    def get_queryset(self, request: HttpRequest) -> QuerySet[OutboundBatch]:
        rows: QuerySet[OutboundBatch] = super().get_queryset(request)
        return rows.defer("openids", "request")

    @admin.display(description=gettext_lazy("Planned"), ordering="id")
    def planned(self, obj: OutboundBatch) -> str:
        return moment(obj.created_at)

    @admin.display(description=pgettext_lazy("a message", "What"))
    def what(self, obj: OutboundBatch) -> str:
        purpose = purpose_labels.get(obj.run.purpose, obj.run.purpose)
        return f"{obj.get_kind_display()} · {purpose} · {obj.number}"

    @admin.display(description=gettext_lazy("State"), ordering="state")
    def shown_state(self, obj: OutboundBatch) -> SafeString:
        return status(TONES[State(obj.state)], state_text(obj))

    @admin.display(description=gettext_lazy("Why"))
    def why(self, obj: OutboundBatch) -> str:
        return obj.reason_text or hold_text(obj) or "–"

    @admin.display(description=gettext_lazy("Delivered"))
    def delivered(self, obj: OutboundBatch) -> str:
        if obj.sent_count is None:
            return "–"
        return f"{obj.sent_count} / {obj.total_count}"

    @admin.display(description=gettext_lazy("Next try"))
    def next_try(self, obj: OutboundBatch) -> str:
        waits = obj.state in (State.PLANNED, State.SENDING)
        return moment(obj.next_at) if waits else "–"

    @admin.display(description=gettext_lazy("Makes sense until"))
    def expires(self, obj: OutboundBatch) -> str:
        return moment(obj.expires_at)

    @admin.display(description=gettext_lazy("Accepted"))
    def accepted(self, obj: OutboundBatch) -> str:
        return moment(obj.accepted_at)

    @admin.display(description=gettext_lazy("Settled"))
    def finished(self, obj: OutboundBatch) -> str:
        return moment(obj.finished_at)

    @admin.display(description=gettext_lazy("Message text"))
    def text(self, obj: Any) -> str:
        if not getattr(obj, "is_readable", False):
            return _("Only people of the account's own unit read it.")
        article = obj.payload.get("article")
        if article:
            return str(article.get("title", "")) or "–"
        if obj.kind == OutboundBatch.Kind.IMAGE:
            return _("Picture")
        return str(obj.payload.get("text", "")) or "–"

    def panel(self, request: HttpRequest, row: OutboundBatch) -> dict[str, Any]:
        evidence = BatchAttempt.objects.filter(batch=row).order_by("at")[:50]
        return {
            "batch": row,
            "tone": TONES[State(row.state)],
            "state": state_text(row),
            "hold": hold_text(row),
            "hint": confirm_hint(row),
            "evidence": [
                {"row": each, "phase": _phase_text(each)} for each in evidence
            ],
            **self.settling(request, row, is_unknown=row.state == State.UNKNOWN),
        }


def _phase_text(row: BatchAttempt) -> str:
    if row.phase == "answer" and row.evidence.get("state") == State.SENDING:
        return _("No clear answer came")
    return str(PHASES.get(row.phase, row.phase))


def state_text(batch: OutboundBatch) -> str:
    """ "Sending" without an answer is called what it is: the same call is made again."""
    if batch.state == State.SENDING and batch.reason_code:
        return _("Finding out")
    return str(batch.get_state_display())


def hold_text(batch: OutboundBatch) -> str:
    """What a waiting batch waits for, in words; "" for nothing special."""
    if batch.state != State.PLANNED:
        return ""
    if batch.run.state != "running":
        return str(batch.run.get_state_display())
    app = batch.app
    for code, is_on in (
        (app.held_reason, holding.is_held(app)),
        (app.mass_held_reason, holding.is_mass_held(app)),
    ):
        if is_on:
            return str(explain(code, is_wecom=False)[0])
    return ""


def confirm_hint(batch: OutboundBatch) -> str:
    """An accepted call that does not end may wait for the account's administrator."""
    if batch.state != State.SENT or batch.finished_at or batch.accepted_at is None:
        return ""
    waited = timezone.now() - batch.accepted_at
    minutes = limits.value("mp.mass.confirm_seconds") // 60
    if not MAYBE_UNCONFIRMED_AFTER < waited < timedelta(minutes=minutes + 5):
        return ""
    return _(
        "The platform has not delivered it yet. An account with mass-send protection "
        "waits for its administrator, who is asked on WeChat and has %(minutes)s minutes."
    ) % {"minutes": minutes}
