"""When a touch may go on: its time, quiet hours, a stand-still, the account, the breaker.

Each answer is a `Halt`: which state the touch goes to, why in a code of
campaigns.reasons, and from when on it goes on by itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils.translation import gettext_lazy as _

from campaigns import counts, quiet
from campaigns.models import Response, Touch
from core import system_settings
from core.system_settings import Declaration, declare
from wechat import limits
from wechat.models import Account, OutboundBatch, OutboundMessage, OutboundRun

OVERDUE = "campaigns.overdue_minutes"
BATCH_SIZE = "campaigns.mass_batch_size"
ERROR_PERCENT = "campaigns.breaker_error_percent"
OPT_OUT_PERCENT = "campaigns.breaker_opt_out_percent"
# The errors are looked for among so many that were finished last.
LAST_FINISHED = 50
# With fewer people one opt-out says nothing.
OPT_OUTS_FROM = 100
VALID_FOR = timedelta(hours=24)
State = Touch.State


@dataclass(frozen=True)
class Halt:
    state: str
    code: str
    until: datetime | None = None
    text: str = ""


def declare_settings() -> None:
    """Called once, in AppConfig.ready()."""
    smallest, largest = 2, 10_000
    for key, label, default, unit, help_text, minimum, maximum in (
        (
            BATCH_SIZE,
            _("People in one mass call"),
            largest,
            _("people"),
            _("Smaller batches stop sooner; a touch may have a size of its own."),
            smallest,
            largest,
        ),
        (
            OVERDUE,
            _("A touch that is late by more than this is held"),
            15,
            _("minutes"),
            _("After a stand-still a person decides whether it still makes sense."),
            1,
            24 * 60,
        ),
        (
            ERROR_PERCENT,
            _("Errors that pause a touch"),
            20,
            _("percent"),
            _("Of the last 50 sends that were finished."),
            1,
            100,
        ),
        (
            OPT_OUT_PERCENT,
            _("Opt-outs that pause a touch"),
            1,
            _("percent"),
            _("Of the people it reached, from 100 people on."),
            1,
            100,
        ),
    ):
        declare(
            Declaration(
                key,
                label,
                default,
                unit=unit,
                help_text=help_text,
                minimum=minimum,
                maximum=maximum,
            )
        )


def batch_size(touch: Touch) -> int:
    """People in one mass call, within what the platform takes."""
    wanted = touch.batch_size or int(system_settings.get(BATCH_SIZE))
    most = limits.value("mp.mass.size_max")
    return max(limits.value("mp.mass.size_min"), min(wanted, most))


def grace() -> timedelta:
    return timedelta(minutes=int(system_settings.get(OVERDUE)))


def expiry(touch: Touch) -> datetime | None:
    """After it nothing more is begun; None before there is a time to count from."""
    if touch.valid_until:
        return touch.valid_until
    begin = touch.scheduled_at or touch.started_at
    return begin + VALID_FOR if begin else None


def is_expired(touch: Touch, now: datetime) -> bool:
    end = expiry(touch)
    return end is not None and end <= now


def before_start(touch: Touch, now: datetime, *, is_by_hand: bool) -> Halt | None:
    """Why an approved or held touch must not begin now; None when it may."""
    if not is_by_hand and touch.scheduled_at and now - touch.scheduled_at > grace():
        return Halt(State.HELD, "overdue")
    return _not_now(touch, now)


def while_sending(touch: Touch, now: datetime) -> Halt | None:
    """Why a touch that is being sent must stand still; None when it goes on."""
    if touch.fed_at and now - touch.fed_at > grace():
        return Halt(State.HELD, "overdue")
    return _not_now(touch, now) or broken(touch)


def _not_now(touch: Touch, now: datetime) -> Halt | None:
    account = touch.account
    is_on = account.apps.filter(is_active=True).exists()
    if account.state != Account.State.LIVE or not is_on:
        return Halt(State.HELD, "account_closed")
    opens = quiet.next_allowed(now)
    if opens != now:
        return Halt(State.HELD, "quiet_window", until=opens)
    return None


# -- breaker


def broken(touch: Touch) -> Halt | None:
    """Too many errors, or too many opt-outs, since it was last let go."""
    run = OutboundRun.objects.filter(
        purpose="campaigns.touch", reference=str(touch.pk)
    ).first()
    if run is None or touch.watched_from is None:
        return None
    finished, errors = (
        _of_batches(run, touch.watched_from)
        if touch.channel == Touch.Channel.MASS
        else _of_messages(run, touch.watched_from)
    )
    percent = int(system_settings.get(ERROR_PERCENT))
    # So many errors are enough whatever the others of the last ones will be.
    if errors and errors * 100 >= percent * max(finished, LAST_FINISHED):
        return Halt(State.PAUSED, "breaker_errors")
    return _opt_outs(touch)


def _of_messages(run: OutboundRun, since: datetime) -> tuple[int, int]:
    """(finished, errors) of the last messages; what was not sent by a rule is neither."""
    states = OutboundMessage.State
    rows = (
        OutboundMessage.objects.filter(
            run=run,
            state__in=[states.SENT, states.FAILED, states.UNKNOWN],
            finished_at__gte=since,
        )
        .order_by("-pk")
        .values_list("state", "reason_code")[:LAST_FINISHED]
    )
    found = [
        state != states.SENT
        for state, code in rows
        if state != states.FAILED or is_error(code)
    ]
    return len(found), sum(found)


def _of_batches(run: OutboundRun, since: datetime) -> tuple[int, int]:
    states = OutboundBatch.State
    rows = (
        OutboundBatch.objects.filter(
            run=run, state__in=[states.SENT, states.FAILED], created_at__gte=since
        )
        .order_by("-number")
        .values_list("state", "reason_code", "size")
    )
    finished = errors = 0
    for state, code, size in rows[:LAST_FINISHED]:
        if state == states.FAILED and not is_error(code):
            continue
        finished += size
        errors += size if state == states.FAILED else 0
        if finished >= LAST_FINISHED:
            break
    return finished, errors


def is_error(code: str) -> bool:
    """Whether a send failed, rather than was kept from being made by a rule."""
    refused = ("errcode_45015", "errcode_45047", "errcode_43004", "errcode_48002")
    kinds = ("errcode_", "http_", "mass_", "media_missing", "broken", "treated")
    return code.startswith(kinds) and code not in refused


def _opt_outs(touch: Touch) -> Halt | None:
    reached = counts.of([touch.pk])[touch.pk].reached
    if reached < OPT_OUTS_FROM:
        return None
    left = Response.objects.filter(
        touch=touch, kind=Response.Kind.OPT_OUT, at__gte=touch.watched_from
    ).count()
    if left * 100 >= int(system_settings.get(OPT_OUT_PERCENT)) * reached:
        return Halt(State.PAUSED, "breaker_opt_outs")
    return None
