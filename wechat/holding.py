"""Holding an app's sending, with the reason and until when."""

from __future__ import annotations

from datetime import datetime

from django.db.models import Q
from django.utils import timezone

from core import audit
from staff.models import Staff
from wechat.models import App


def free_apps(now: datetime | None = None) -> Q:
    """Filter of OutboundMessage and OutboundBatch: rows whose app and account may send now."""
    over = Q(app__held_reason="") | Q(app__held_until__lte=now or timezone.now())
    return over & Q(app__is_active=True, app__account__state="live")


def running_runs() -> Q:
    """Filter of OutboundMessage: of no run, or of one that is running."""
    return Q(run=None) | Q(run__state="running")


def free_for_mass(now: datetime | None = None) -> Q:
    """Filter of rows with `app` whose mass calls may go now."""
    over = Q(app__mass_held_until__lte=now or timezone.now())
    return Q(app__mass_held_reason="") | over


def is_mass_held(app: App, now: datetime | None = None) -> bool:
    until = app.mass_held_until
    return bool(until and app.mass_held_reason and until > (now or timezone.now()))


def hold_mass(app: App, code: str, until: datetime) -> None:
    """Let mass calls wait until then; other messages of the app go on."""
    rows = App.objects.filter(pk=app.pk).filter(
        Q(mass_held_until=None) | Q(mass_held_until__lt=until)
    )
    if rows.update(mass_held_reason=code[:60], mass_held_until=until):
        app.mass_held_reason, app.mass_held_until = code[:60], until


def is_held(app: App, now: datetime | None = None) -> bool:
    return bool(app.held_because(now))


def hold(app: App, code: str, until: datetime | None) -> None:
    """Stop sending through `app`; `until` None: until somebody releases it.

    A shorter hold never replaces a longer one that still runs.
    """
    rows = App.objects.filter(pk=app.pk)
    if until is not None:
        now = timezone.now()
        rows = rows.filter(
            Q(held_reason="") | Q(held_until__lte=now) | Q(held_until__lt=until)
        )
    if rows.update(held_reason=code[:60], held_until=until):
        app.held_reason, app.held_until = code[:60], until


def release(app: App, *, actor: Staff, reason: str = "") -> bool:
    """Let the app send again; False when it was not held."""
    code = app.held_reason
    if (
        not App.objects.filter(pk=app.pk)
        .exclude(held_reason="")
        .update(held_reason="", held_until=None)
    ):
        return False
    app.held_reason, app.held_until = "", None
    audit.record(
        "wechat.app.released",
        app,
        actor=actor,
        before={"held_reason": code},
        reason=reason,
        label=str(app),
    )
    return True
