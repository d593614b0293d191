"""Counters of calls: per day for official accounts, per minute and hour for WeCom."""

import datetime
from zoneinfo import ZoneInfo

from django.db.models import F

from sandbox import clock, options, world
from sandbox.api.registry import Refusal
from sandbox.models import Account, Use

SHANGHAI = ZoneInfo("Asia/Shanghai")


def period(form: str) -> str:
    """The current day, hour, minute or month in Beijing, as ``strftime`` writes it."""
    return datetime.datetime.fromtimestamp(clock.now(), SHANGHAI).strftime(form)


def used(account: Account, key: str, when: str) -> int:
    row = Use.objects.filter(account=account, key=key, period=when).first()
    return row.used if row else 0


def use(account: Account, key: str, when: str) -> int:
    """Count one more; returns how many there are now."""
    row, _ = Use.objects.get_or_create(account=account, key=key, period=when)
    Use.objects.filter(pk=row.pk).update(used=F("used") + 1)
    return row.used + 1


def count(account: Account, path: str) -> None:
    """Count this call or refuse it: 45009 in both worlds."""
    with world.change():
        if account.is_wecom:
            _count_wecom(account, path)
            return
        limit = options.get("daily").get(path)
        day = period("%Y-%m-%d")
        if limit is not None and used(account, path, day) >= limit:
            raise Refusal(45009, "reach max api daily quota limit")
        _count_minute(account, path)
        use(account, path, day)


def _count_minute(account: Account, path: str) -> None:
    limit = options.get("minutely").get(path)
    if limit is None:
        return
    minute = period("%Y-%m-%dT%H:%M")
    if used(account, path, minute) >= limit:
        raise Refusal(
            45011, "api minute-quota reach limit, must slower, retry next minute"
        )
    use(account, path, minute)


def _count_wecom(account: Account, path: str) -> None:
    for form, limit in (
        ("%Y-%m-%dT%H:%M", options.get("wecom_per_minute")),
        ("%Y-%m-%dT%H", options.get("wecom_per_hour")),
    ):
        when = period(form)
        if used(account, path, when) >= limit:
            raise Refusal(45009, "api freq out of limit")
        use(account, path, when)


def clear(account: Account) -> None:
    Use.objects.filter(account=account, key__startswith="/cgi-bin/").delete()
