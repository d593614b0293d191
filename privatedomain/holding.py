"""The page that tells why all sending is held, and where it is released."""

from __future__ import annotations

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.db import transaction
from django.http import HttpRequest, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from core import audit
from core.models import Instance
from core.pages import console_page
from core.registry import (
    HealthCheck,
    HealthResult,
    HomeTile,
    Text,
    health_checks,
    home_tiles,
    site_urls,
)
from staff.models import Staff
from wechat.models import OutboundMessage

# No role has it, so only administrators (superusers) do.
PERMISSION = "core.change_instance"
WAITING_LIMIT = 1000  # the page says "1000+" beyond


class ReleaseForm(forms.Form):
    """The reason goes into the audit trail."""

    reason = forms.CharField(
        label=gettext_lazy("What you checked"),
        max_length=200,
        widget=forms.Textarea(attrs={"rows": 3}),
    )
    is_checked = forms.BooleanField(
        label=gettext_lazy("I looked at the waiting messages and want them to be sent.")
    )


def release(*, actor: Staff, reason: str) -> bool:
    """Let sending go on; False when it was not held (any more)."""
    with transaction.atomic():
        held = (
            Instance.objects.select_for_update(no_key=True)
            .filter(pk=1, sending_held_at__isnull=False)
            .first()
        )
        if held is None:
            return False
        before = {"held_since": held.sending_held_at, "why": held.held_reason}
        held.sending_held_at = None
        held.held_reason = ""
        held.released_at = timezone.now()
        held.released_by = actor
        held.save(
            update_fields=[
                "sending_held_at",
                "held_reason",
                "released_at",
                "released_by",
            ]
        )
        audit.record(
            "core.sending.released",
            held,
            actor=actor,
            before={name: str(value) for name, value in before.items()},
            reason=reason,
        )
    return True


@permission_required(PERMISSION, raise_exception=True)
@require_http_methods(["GET", "POST"])
def holding(request: HttpRequest) -> HttpResponseBase:
    """Why sending is held and what waits; POST releases it."""
    form = ReleaseForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        assert isinstance(request.user, Staff)
        if release(actor=request.user, reason=form.cleaned_data["reason"]):
            messages.success(request, _("Sending goes on."))
        else:
            messages.info(request, _("Sending was not held any more."))
        return HttpResponseRedirect(reverse("admin:health"))
    return console_page(
        request,
        "privatedomain/holding.html",
        title=_("Held sending"),
        above=[(_("System health"), reverse("admin:health"))],
        lead=_("After a restore nothing is sent until an administrator has looked."),
        context={
            "instance": Instance.objects.filter(pk=1).first(),
            "form": form,
            "waiting": _waiting(),
        },
        status=400 if form.errors else 200,
    )


def _waiting() -> list[tuple[str, int]]:
    """How many messages wait, by state; bounded, for the outbox may be large."""
    states = OutboundMessage.State
    found = []
    for state in (states.PLANNED, states.UNKNOWN):
        rows = OutboundMessage.objects.filter(state=state)[: WAITING_LIMIT + 1]
        found.append((str(state.label), len(rows.values_list("pk", flat=True))))
    return found


def sending() -> HealthResult:
    held = Instance.objects.filter(pk=1, sending_held_at__isnull=False).first()
    if held is None:
        return HealthResult(True, _("Not held."))
    return HealthResult(False, held.held_reason or _("All sending is held."))


def _tile(request: HttpRequest) -> list[tuple[Text, str, int, str]]:
    if sending().ok:
        return []
    return [(_("All sending is held"), reverse("admin:holding"), 1, "bad")]


def register() -> None:
    """Called once, by ready()."""
    site_urls.append(("health/sending/", holding, "holding"))
    health_checks.append(
        HealthCheck(
            "sending",
            gettext_lazy("Sending of messages"),
            sending,
            advice=gettext_lazy("An administrator releases it on “Held sending”."),
        )
    )
    home_tiles.append(
        HomeTile(
            "holding", gettext_lazy("Sending of messages"), PERMISSION, _tile, order=1
        )
    )
