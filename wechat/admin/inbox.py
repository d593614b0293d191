"""The inbox: what the platforms pushed, what became of it, and what to do about it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import BooleanField, ExpressionWrapper, Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext, pgettext_lazy
from unfold.decorators import action

from core.errors import AppError
from core.pages import console_page
from core.registry import Text
from core.templatetags.console import moment, status
from staff.models import Staff
from wechat import inbox, kinds, revealing
from wechat.admin.panels import PanelAdmin, may_read_text
from wechat.models import InboundEvent
from wechat.reasons import JSON_HINT

State = InboundEvent.State
TONES = {
    State.NEW: "part",
    State.DONE: "good",
    State.IGNORED: "idle",
    State.DEAD: "bad",
}
PERIODS: dict[str, tuple[Text, timedelta]] = {
    "hour": (gettext_lazy("Last hour"), timedelta(hours=1)),
    "day": (gettext_lazy("Last 24 hours"), timedelta(days=1)),
    "week": (gettext_lazy("Last 7 days"), timedelta(days=7)),
    "month": (gettext_lazy("Last 30 days"), timedelta(days=30)),
}
# More are put back in several turns, so that a page never works for minutes.
MAX_AT_ONCE = 200


class KindFilter(admin.SimpleListFilter):
    title = gettext_lazy("kind")
    parameter_name = "group"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [(group.name, group.label) for group in kinds.GROUPS]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[Any]
    ) -> QuerySet[Any] | None:
        for group in kinds.GROUPS:
            if group.name == self.value():
                wanted = Q()
                for prefix in group.prefixes:
                    wanted |= Q(kind__startswith=prefix)
                return queryset.filter(wanted)
        return queryset


class ReceivedFilter(admin.SimpleListFilter):
    title = gettext_lazy("received")
    parameter_name = "received"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [(name, label) for name, (label, _span) in PERIODS.items()]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[Any]
    ) -> QuerySet[Any] | None:
        period = PERIODS.get(self.value() or "")
        if period is None:
            return queryset
        return queryset.filter(received_at__gte=timezone.now() - period[1])


@admin.register(InboundEvent)
class InboundEventAdmin(PanelAdmin):
    list_display = ["received", "app", "what", "about", "shown_state", "tries", "why"]
    list_filter = ["state", "app__account", KindFilter, ReceivedFilter]
    search_fields = ["subject__exact", "dedupe_key__exact"]
    search_help_text = gettext_lazy("The whole openid, external user id or dedupe key")
    list_select_related = ["app__account__org_unit"]
    fields = [
        *("app", "what", "kind", "about", "received", "shown_state", "tries"),
        *("next_try", "handled", "key"),
    ]
    readonly_fields = [
        *("what", "about", "received", "shown_state", "next_try", "handled", "key")
    ]
    change_form_outer_before_template = "wechat/inbound_panel.html"
    actions = ["replay_selected"]
    actions_list = ["replay_failed"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        # A body is read only by who reveals it.
        return super().get_queryset(request).defer("body")

    @admin.display(description=gettext_lazy("Received"), ordering="id")
    def received(self, obj: InboundEvent) -> str:
        return moment(obj.received_at)

    @admin.display(description=pgettext_lazy("a message", "What"))
    def what(self, obj: InboundEvent) -> str:
        return str(kinds.in_words(obj.kind))

    @admin.display(description=gettext_lazy("About"))
    def about(self, obj: InboundEvent) -> str:
        if len(obj.subject) < 12:
            return "…" if obj.subject else "–"
        return f"{obj.subject[:6]}…{obj.subject[-4:]}"

    @admin.display(description=gettext_lazy("State"), ordering="state")
    def shown_state(self, obj: InboundEvent) -> SafeString:
        return status(TONES[State(obj.state)], state_text(obj))

    @admin.display(description=gettext_lazy("Why"))
    def why(self, obj: InboundEvent) -> str:
        return reason(obj) or "–"

    @admin.display(description=gettext_lazy("Next try"))
    def next_try(self, obj: InboundEvent) -> str:
        return moment(obj.next_at) if obj.state == State.NEW else "–"

    @admin.display(description=gettext_lazy("Worked off"))
    def handled(self, obj: InboundEvent) -> str:
        return moment(obj.handled_at)

    def panel(self, request: HttpRequest, row: InboundEvent) -> dict[str, Any]:
        return panel(request, row)

    # -- replay and reveal, all POST

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path(
                "<int:object_id>/replay/",
                view(self.replay),
                name="wechat_inboundevent_replay",
            ),
            path(
                "<int:object_id>/reveal/",
                view(self.reveal),
                name="wechat_inboundevent_reveal",
            ),
            *super().get_urls(),
        ]

    def _event(
        self, request: HttpRequest, object_id: int, permission: str
    ) -> InboundEvent:
        if request.method != "POST" or not request.user.has_perm(permission):
            raise PermissionDenied
        found: InboundEvent = self.get_object_or_404(request, object_id)
        return found

    def replay(self, request: HttpRequest, object_id: int) -> HttpResponse:
        event = self._event(request, object_id, "wechat.replay_inboundevent")
        assert isinstance(request.user, Staff)
        try:
            inbox.replay(event, actor=request.user)
        except AppError as refusal:
            messages.error(request, str(refusal.message))
        else:
            messages.success(request, _("It is in the queue again."))
        return _back(event)

    def reveal(self, request: HttpRequest, object_id: int) -> HttpResponse:
        event = self._event(request, object_id, "wechat.reveal_inboundevent")
        assert isinstance(request.user, Staff)
        if not may_read_text(request.user, event.app):
            raise PermissionDenied
        try:
            body = revealing.reveal(
                event, actor=request.user, reason=request.POST.get("reason", "")
            )
        except AppError as refusal:
            messages.error(request, str(refusal.message))
            return _back(event)
        answer = console_page(
            request,
            "wechat/inbound_body.html",
            title=kinds.in_words(event.kind),
            above=[InboundEvent],
            lead=_(
                "The content as the platform sent it. That you read it is on record."
            ),
            context={"event": event, "body": body},
        )
        answer["Cache-Control"] = "no-store"
        return answer

    @action(
        description=gettext_lazy("Replay the selected events"),
        permissions=["replay"],
    )
    def replay_selected(
        self, request: HttpRequest, queryset: QuerySet[InboundEvent]
    ) -> HttpResponse | None:
        selected = request.POST.getlist("_selected_action")
        return self._replay_rows(request, queryset, {"selected": selected})

    @action(
        description=gettext_lazy("Replay all failed"),
        permissions=["replay"],
        url_path="replay-failed",
        icon="replay",
    )
    def replay_failed(self, request: HttpRequest) -> HttpResponse:
        rows = self.get_queryset(request).filter(state=State.DEAD)
        answer = self._replay_rows(request, rows, {"is_all": True})
        here = reverse("admin:wechat_inboundevent_changelist")
        return answer or HttpResponseRedirect(f"{here}?state__exact=dead")

    def _replay_rows(
        self, request: HttpRequest, rows: QuerySet[Any], context: dict[str, Any]
    ) -> HttpResponse | None:
        """Preview first; the confirmation comes back with `confirmed`, by POST."""
        has_content = ExpressionWrapper(~Q(body=b""), output_field=BooleanField())
        found = rows.order_by("id").annotate(has_content=has_content)
        chosen, left_out = _sorted_out(found[: MAX_AT_ONCE + 1])
        if request.method != "POST" or not request.POST.get("confirmed"):
            return console_page(
                request,
                "wechat/inbound_replay.html",
                title=_("Replay failed events"),
                above=[InboundEvent],
                lead=_("What will be done, and what is left out and why."),
                context={
                    "chosen": chosen,
                    "by_kind": _counted(chosen),
                    "left_out": left_out,
                    **context,
                },
            )
        assert isinstance(request.user, Staff)
        done = _replay_all(chosen, request.user)
        text = ngettext(
            "%(count)d event is in the queue again.",
            "%(count)d events are in the queue again.",
            done,
        )
        messages.success(request, text % {"count": done})
        return None

    def has_replay_permission(
        self, request: HttpRequest, object_id: str | None = None
    ) -> bool:
        return request.user.has_perm("wechat.replay_inboundevent")


def _back(event: InboundEvent) -> HttpResponse:
    url = reverse("admin:wechat_inboundevent_change", args=[event.pk])
    return HttpResponseRedirect(url)


def _sorted_out(
    rows: Iterable[Any],
) -> tuple[list[InboundEvent], list[tuple[str, int]]]:
    """Dead ones with their content; and why how many others are left out."""
    chosen: list[InboundEvent] = []
    reasons: Counter[str] = Counter()
    for event in rows:
        if len(chosen) == MAX_AT_ONCE:
            reasons[_("They are too many at once; replay the rest afterwards.")] += 1
        elif event.state != State.DEAD:
            reasons[_("They did not fail.")] += 1
        elif not event.has_content:
            reasons[_("Their content was deleted after its time.")] += 1
        else:
            chosen.append(event)
    return chosen, list(reasons.items())


def _counted(events: list[InboundEvent]) -> list[tuple[Text, int]]:
    found = Counter(event.kind for event in events)
    return [(kinds.in_words(kind), count) for kind, count in found.most_common()]


def _replay_all(events: list[InboundEvent], actor: Staff) -> int:
    done = 0
    for event in events:
        try:
            inbox.replay(event, actor=actor)
        except inbox.NothingToReplay:
            continue  # somebody else was faster
        done += 1
    return done


# -- in words


def state_text(event: InboundEvent) -> str:
    if event.state == State.NEW and event.tries:
        return _("Tried %(tries)d times, waits") % {"tries": event.tries}
    return str(event.get_state_display())


def reason(event: InboundEvent) -> str:
    """Why it is where it is, on one line."""
    if event.error:
        return event.error
    if event.hint == "json":
        return str(JSON_HINT[0])
    if event.state == State.IGNORED:
        return _("Nothing in the console reacts to this kind.")
    return ""


def advice(event: InboundEvent) -> str:
    """What the reader can do about it."""
    if event.hint == "json":
        return str(JSON_HINT[1])
    if event.state == State.DEAD and not event.has_body:  # type: ignore[attr-defined]
        return _("Its content was deleted after its time, so it can't be replayed.")
    if event.state == State.DEAD:
        return _(
            "It failed each time, so later events of this person went on without it. Have "
            "the cause removed, then replay it; replaying twice changes nothing."
        )
    if event.state == State.NEW and event.tries:
        return _(
            "It is tried again by itself; events of the same person wait behind it. After "
            "%(tries)d failures it is put aside."
        ) % {"tries": inbox.MAX_TRIES}
    return ""


def panel(request: HttpRequest, event: Any) -> dict[str, Any]:
    """State, reason, advice, and what the reader may do."""
    event.has_body = inbox.has_body(event)
    is_over = event.state in {State.DEAD, State.DONE, State.IGNORED}
    may_replay = request.user.has_perm("wechat.replay_inboundevent")
    may_reveal = request.user.has_perm("wechat.reveal_inboundevent")
    return {
        "event": event,
        "tone": TONES[State(event.state)],
        "state": state_text(event),
        "reason": reason(event),
        "advice": advice(event),
        "may_replay": may_replay and is_over and event.has_body and not event.hint,
        "may_reveal": may_reveal and event.has_body and event.is_readable,
    }
