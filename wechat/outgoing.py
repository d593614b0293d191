"""What the outbound half adds to the registries below it."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

from django.db.models import Count, Min, Q
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core import jobs, registry, sweep
from core.registry import (
    HealthCheck,
    HealthResult,
    HomeTile,
    PeriodicTask,
    TileLine,
)
from core.templatetags.console import FIGURE_NAMES
from staff.models import Staff
from wechat import bulk, clock, directory, limits, mass, media, reaping, sending
from wechat import mass_following as mass_following  # registers its handler
from wechat import windows as windows  # registers its handlers
from wechat.holding import free_apps, is_held, running_runs
from wechat.models import (
    AccessToken,
    Account,
    App,
    OutboundBatch,
    OutboundMessage,
)
from wechat.reasons import explain
from wechat.resolving import open_requests_for

State = OutboundMessage.State
QUEUE_ALARM = timedelta(minutes=1)
FOREIGN_ALARM = timedelta(hours=1)
DAY_SECONDS = 24 * 3600


def register() -> None:
    """Called once, from WechatConfig.ready()."""
    registry.builtin_data.append(limits.load_builtin)
    sweep.register("wechat.reaper", reaping.sweep)
    sweep.register("wechat.outbox", partial(sending.drain, "realtime"))
    sweep.register("wechat.bulk", bulk.drain)
    sweep.register("wechat.mass", mass.drain)
    sweep.register("wechat.media", media.fetch_wanted)
    jobs.register(
        directory.JOB,
        gettext_lazy("Contacts sync"),
        directory.run_job,
        is_resumable=True,
    )
    FIGURE_NAMES["run"] = gettext_lazy("number of the sync")
    registry.periodic_tasks += [
        PeriodicTask("contacts", "wechat.tasks.sync_all_contacts", DAY_SECONDS, "bulk"),
        PeriodicTask("attempt files", "wechat.tasks.prune_evidence", DAY_SECONDS),
        PeriodicTask("outbox evidence", "wechat.tasks.reap_outbox", 60),
        PeriodicTask("tokens", "wechat.tasks.refresh_tokens", 300),
    ]
    registry.health_checks += [
        HealthCheck(
            "outbox",
            gettext_lazy("Outbox"),
            outbox_health,
            advice=gettext_lazy("Look at the outbox; start worker-realtime."),
        ),
        HealthCheck(
            "tokens",
            gettext_lazy("Access tokens"),
            token_health,
            advice=gettext_lazy("Open the account and check its connection."),
        ),
        HealthCheck(
            "platform clock",
            gettext_lazy("Platform's clock"),
            clock_health,
            advice=gettext_lazy(
                "Set the clock of this machine: windows are counted by it."
            ),
        ),
    ]
    registry.home_tiles += [
        HomeTile(
            "wechat.outbox",
            gettext_lazy("Messages out"),
            "wechat.view_outboundmessage",
            outbox_lines,
            order=40,
        ),
        HomeTile(
            "wechat.apps",
            gettext_lazy("Accounts that stand still"),
            "wechat.view_account",
            held_lines,
            order=41,
        ),
    ]


def outbox_health() -> HealthResult:
    """Age of what could go now, and how many ended "unknown"."""
    now = timezone.now()
    due = OutboundMessage.objects.due(now).filter(free_apps(now), running_runs())
    # What goes to many may take its time.
    at_once = Q(lane=OutboundMessage.Lane.REALTIME)
    figures = due.aggregate(waiting=Count("pk"), oldest=Min("next_at", filter=at_once))
    unknown = OutboundMessage.objects.filter(state=State.UNKNOWN).count()
    age = (now - figures["oldest"]).total_seconds() if figures["oldest"] else 0.0
    shown = {
        "waiting": figures["waiting"],
        "oldest_seconds": round(age),
        "unknown": unknown,
    }
    if sending.is_stopped():
        return HealthResult(False, _("All sending is held."), shown)
    if age > QUEUE_ALARM.total_seconds():
        return HealthResult(False, _("Messages wait too long."), shown)
    return HealthResult(True, _("Messages go out."), shown)


def token_health() -> HealthResult:
    """Whether every live app has a token, and nobody else refreshes them."""
    live = Q(app__account__state=Account.State.LIVE, app__is_active=True)
    rows = AccessToken.objects.filter(live)
    broken = rows.exclude(last_error="").count()
    since = timezone.now() - FOREIGN_ALARM
    foreign = rows.filter(foreign_refresh_at__gt=since).count()
    if broken:
        return HealthResult(False, _("An app gets no access token."), {"count": broken})
    if foreign:
        return HealthResult(
            False, _("Another system refreshes our tokens."), {"count": foreign}
        )
    if not rows.exists():
        return HealthResult(None, _("No token was needed yet."))
    return HealthResult(True, _("Every token is good."), {"count": rows.count()})


def clock_health() -> HealthResult:
    """Whether our clock agrees with the platforms'; sandboxes may have their own."""
    learnt = Account.objects.live().filter(
        is_sandbox=False, clock_checked_at__isnull=False
    )
    offsets = list(learnt.values_list("clock_offset_seconds", flat=True))
    if not offsets:
        return HealthResult(None, _("No platform has told the time yet."))
    worst = max(offsets, key=abs)
    if abs(worst) > clock.ALARM_SECONDS:
        text = _("Our clock differs by %(seconds)d s.") % {"seconds": worst}
        return HealthResult(False, text)
    return HealthResult(True, _("Our clock agrees with the platforms'."))


def outbox_lines(request: HttpRequest) -> list[TileLine]:
    staff = request.user
    assert isinstance(staff, Staff)
    page = reverse("admin:wechat_outboundmessage_changelist")
    mine = OutboundMessage.objects.visible_to(staff)
    lines: list[TileLine] = []
    asked = open_requests_for(staff)
    if asked:
        lines.append(
            (
                _("A decision waits for a second person"),
                f"{page}?asked=1",
                asked,
                "part",
            )
        )
    unknown = mine.filter(state=State.UNKNOWN).count()
    if unknown:
        url = f"{page}?state__exact=unknown"
        lines.append((_("Nobody knows whether they arrived"), url, unknown, "unknown"))
    batches = OutboundBatch.objects.visible_to(staff)
    unknown_batches = batches.filter(state=OutboundBatch.State.UNKNOWN).count()
    if unknown_batches:
        calls = reverse("admin:wechat_outboundbatch_changelist")
        url = f"{calls}?state__exact=unknown"
        words = _("Nobody knows whether mass calls arrived")
        lines.append((words, url, unknown_batches, "unknown"))
    day = timezone.now() - timedelta(days=1)
    failed = mine.filter(state=State.FAILED, finished_at__gt=day).count()
    if failed:
        url = f"{page}?state__exact=failed"
        lines.append((_("Failed since yesterday"), url, failed, "bad"))
    return lines


def held_lines(request: HttpRequest) -> list[TileLine]:
    staff = request.user
    assert isinstance(staff, Staff)
    now = timezone.now()
    held = (
        App.objects.visible_to(staff)
        .filter(
            ~Q(held_reason="") & (Q(held_until=None) | Q(held_until__gt=now))
            | ~Q(mass_held_reason="") & Q(mass_held_until__gt=now)
        )
        .select_related("account")
        .annotate(
            waiting=Count(
                "outbound_messages", filter=Q(outbound_messages__state=State.PLANNED)
            )
        )
    )
    lines: list[TileLine] = []
    for app in held:
        is_whole = is_held(app, now)
        code = app.held_reason if is_whole else app.mass_held_reason
        why, _advice = explain(code, is_wecom=app.account.is_wecom)
        url = reverse("admin:wechat_account_change", args=[app.account_id])
        if not is_whole:
            text = _("%(account)s, mass sends: %(why)s")
            words = text % {"account": app.account, "why": why}
            lines.append((words, url, None, "part"))
            continue
        waiting: int = app.waiting  # type: ignore[attr-defined]
        lines.append((f"{app.account}: {why}", url, waiting, "bad"))
    return lines
