"""The platform's clock: learnt from what it answers, applied on sandbox accounts only.

There callbacks teach too, so that after a jump of the sandbox's clock whoever writes is
answered inside the window their message opened.

Reply windows are kept in the platform's time, so that moving the sandbox's clock moves
them too. Elsewhere an offset only raises an alarm: our own clock is wrong then.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from django.utils import timezone

from wechat.models import Account

# The Date header has whole seconds, and the answer was some time on its way.
TOLERANCE_SECONDS = 2.0
ALARM_SECONDS = 30.0
CHECK_EVERY = timedelta(minutes=1)


def offset(account: Account) -> timedelta:
    """Platform time minus ours, zero unless the account is a sandbox one."""
    if not account.is_sandbox:
        return timedelta(0)
    return timedelta(seconds=account.clock_offset_seconds)


def platform_time(account: Account, at: datetime | None = None) -> datetime:
    """Our moment `at` (default now) on the platform's clock."""
    return (at or timezone.now()) + offset(account)


def our_time(account: Account, at: datetime) -> datetime:
    """A moment of the platform's clock on ours."""
    return at - offset(account)


def learn(account: Account, date_header: str | None) -> None:
    """Take the offset from an HTTP Date header; writes only what is news."""
    try:
        seen = parsedate_to_datetime(date_header or "")
    except ValueError:
        return
    if seen.tzinfo is None:
        seen = seen.replace(tzinfo=UTC)
    learn_time(account, seen)


def learn_time(account: Account, seen: datetime) -> None:
    """Take the offset from a moment the platform gave as "now"."""
    now = timezone.now()
    seconds = (seen - now).total_seconds()
    is_news = abs(seconds - account.clock_offset_seconds) > TOLERANCE_SECONDS
    checked = account.clock_checked_at
    if not is_news and checked and now - checked < CHECK_EVERY:
        return
    if abs(seconds) <= TOLERANCE_SECONDS:
        seconds = 0.0
    elif not is_news:
        seconds = account.clock_offset_seconds
    account.clock_offset_seconds, account.clock_checked_at = seconds, now
    Account.objects.filter(pk=account.pk).update(
        clock_offset_seconds=seconds, clock_checked_at=now
    )


def hear(account: Account, created_at: datetime, received_at: datetime) -> None:
    """Take the offset from a callback just received, on sandbox accounts.

    Callbacks come late and repeated, never early: they only ever move the clock ahead.
    Back it is moved by the next answer.
    """
    if not account.is_sandbox or timezone.now() - received_at > CHECK_EVERY:
        return
    seconds = (created_at - received_at).total_seconds()
    if seconds <= account.clock_offset_seconds + TOLERANCE_SECONDS:
        return
    account.clock_offset_seconds = seconds
    Account.objects.filter(pk=account.pk, clock_offset_seconds__lt=seconds).update(
        clock_offset_seconds=seconds, clock_checked_at=timezone.now()
    )
