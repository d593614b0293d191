"""What the inbound half of the gateway hangs on to the console."""

from __future__ import annotations

from datetime import timedelta

from django.db.models import Min
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from core import registry, sweep, system_settings
from core.registry import HealthCheck, HealthResult, HomeTile, PeriodicTask, Text
from staff.models import Staff
from wechat import inbox, kf, spool, storing
from wechat.models import InboundEvent

QUEUE_ALARM = timedelta(minutes=1)
DAY_SECONDS = 24 * 3600


def register() -> None:
    """Called once, by ready()."""
    sweep.register("spool", _store_spooled)
    sweep.register("inbox", inbox.drain)
    sweep.register("kf", kf.pull_due)
    system_settings.declare(
        system_settings.Declaration(
            key="inbound_body_days",
            label=gettext_lazy("Keep the content of callbacks"),
            default=90,
            unit=gettext_lazy("days"),
            help_text=gettext_lazy(
                "Afterwards only kind, time and result of a callback are left."
            ),
            minimum=1,
            maximum=3650,
        )
    )
    registry.periodic_tasks += [
        PeriodicTask("kf poll", "wechat.tasks.poll_kf", 60),
        PeriodicTask("kf accounts", "wechat.tasks.sync_kf_accounts", DAY_SECONDS),
        PeriodicTask(
            "inbound bodies", "wechat.tasks.empty_old_bodies", DAY_SECONDS, "bulk"
        ),
    ]
    registry.health_checks += [
        HealthCheck("inbox", gettext_lazy("Inbox"), inbox_health),
        HealthCheck("spool", gettext_lazy("Callbacks on disk"), spool_health),
        HealthCheck("kf", gettext_lazy("WeChat Customer Service"), kf_health),
    ]
    registry.home_tiles.append(
        HomeTile(
            "inbox",
            gettext_lazy("Inbox"),
            "wechat.view_inboundevent",
            dead_events,
            order=20,
        )
    )


def _store_spooled() -> None:
    if storing.drain_spool():
        inbox.drain()


def empty_old_bodies() -> int:
    """Apply the retention of bodies; returns how many were deleted."""
    return inbox.empty_old_bodies(int(system_settings.get("inbound_body_days")))


# -- health


def inbox_health() -> HealthResult:
    """Age of the oldest waiting event, and how many failed for good."""
    oldest = InboundEvent.objects.waiting().aggregate(at=Min("received_at"))["at"]
    age = (timezone.now() - oldest).total_seconds() if oldest else 0.0
    dead = InboundEvent.objects.dead().count()
    figures = {"oldest_seconds": round(age, 1), "dead": dead}
    if age > QUEUE_ALARM.total_seconds():
        minutes = int(age // 60)
        text = ngettext(
            "The oldest callback has waited for %(count)d minute.",
            "The oldest callback has waited for %(count)d minutes.",
            minutes,
        ) % {"count": minutes}
        return HealthResult(False, text, figures)
    if dead:
        text = ngettext(
            "%(count)d callback could not be processed.",
            "%(count)d callbacks could not be processed.",
            dead,
        ) % {"count": dead}
        return HealthResult(False, text, figures)
    return HealthResult(True, _("Nothing waits."), figures)


def spool_health() -> HealthResult:
    """Callbacks that wait on this machine's disk for PostgreSQL."""
    waiting, bad = spool.depth()
    figures = {"waiting": waiting, "unreadable": bad}
    if not spool.is_writable():
        text = _("The folder for callbacks on disk cannot be written.")
        return HealthResult(False, text, figures)
    if not waiting:
        return HealthResult(True, _("None."), figures)
    text = ngettext(
        "%(count)d callback waits on disk.",
        "%(count)d callbacks wait on disk.",
        waiting,
    ) % {"count": waiting}
    if bad:
        unreadable = ngettext(
            "%(count)d of them cannot be stored; see the log of the worker.",
            "%(count)d of them cannot be stored; see the log of the worker.",
            bad,
        ) % {"count": bad}
        text = f"{text} {unreadable}"
    return HealthResult(False, text, figures)


def kf_health() -> HealthResult:
    """Accounts whose messages wait longer than five minutes."""
    late = kf.overdue()
    if not late:
        return HealthResult(True, _("Messages are read as they come."), {"late": 0})
    text = ngettext(
        "%(count)d account has not been read for more than five minutes.",
        "%(count)d accounts have not been read for more than five minutes.",
        late,
    ) % {"count": late}
    return HealthResult(False, text, {"late": late})


# -- home


def dead_events(request: HttpRequest) -> list[tuple[Text, str, int, str]]:
    """Events somebody must look at."""
    assert isinstance(request.user, Staff)
    count = InboundEvent.objects.visible_to(request.user).dead().count()
    if not count:
        return []
    text = ngettext(
        "%(count)d callback could not be processed",
        "%(count)d callbacks could not be processed",
        count,
    ) % {"count": count}
    url = reverse("admin:wechat_inboundevent_changelist") + "?state__exact=dead"
    return [(text, url, count, "danger")]
