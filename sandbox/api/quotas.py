"""Counters of calls: per day for official accounts, per minute and hour for WeCom."""

import datetime
from zoneinfo import ZoneInfo

from django.db import connection
from django.db.models import F

from sandbox import clock, options
from sandbox.api.registry import Refusal
from sandbox.faults import MASS_SENDS
from sandbox.models import Account, Use

SHANGHAI = ZoneInfo("Asia/Shanghai")


def period(form: str) -> str:
    """The current day, hour, minute or month in Beijing, as ``strftime`` writes it."""
    return datetime.datetime.fromtimestamp(clock.now(), SHANGHAI).strftime(form)


def used(account: Account, key: str, when: str) -> int:
    row = Use.objects.filter(account=account, key=key, period=when).first()
    return row.used if row else 0


USE = """
    INSERT INTO sandbox_use (account_id, key, period, used) VALUES (%s, %s, %s, 1)
    ON CONFLICT (account_id, key, period) DO UPDATE SET used = used + 1
    RETURNING used
"""


def use(account: Account, key: str, when: str) -> int:
    """Count one more; returns how many there are now."""
    with connection.cursor() as cursor:
        cursor.execute(USE, [account.pk, key, when])
        return int(cursor.fetchone()[0])


def use_within(
    account: Account, key: str, when: str, most: int | None, refusal: Refusal
) -> None:
    """Count one more, or refuse and count nothing when there were ``most``."""
    if use(account, key, when) > (float("inf") if most is None else most):
        Use.objects.filter(account=account, key=key, period=when).update(
            used=F("used") - 1
        )
        raise refusal


OF_THE_DAY = Refusal(45009, "reach max api daily quota limit")
OF_THE_MINUTE = Refusal(
    45011, "api minute-quota reach limit, must slower, retry next minute"
)
OF_WECOM = Refusal(45009, "api freq out of limit")


def count(account: Account, path: str) -> None:
    """Count this call or refuse it: 45009 in both worlds."""
    minute = period("%Y-%m-%dT%H:%M")
    if account.is_wecom:
        hour = period("%Y-%m-%dT%H")
        use_within(account, path, minute, options.get("wecom_per_minute"), OF_WECOM)
        use_within(account, path, hour, options.get("wecom_per_hour"), OF_WECOM)
        return
    a_minute = options.get("minutely").get(path)
    if a_minute is not None:
        use_within(account, path, minute, a_minute, OF_THE_MINUTE)
    a_day = options.get("daily").get(path)
    use_within(account, path, period("%Y-%m-%d"), a_day, OF_THE_DAY)


def of_today(account: Account, path: str) -> tuple[int, int] | None:
    """How often the API may be called today, and how often it was."""
    day = period("%Y-%m-%d")
    if path.endswith(MASS_SENDS):
        return options.get("mass_sends_per_day"), used(account, "mass day", day)
    limit = options.get("daily").get(path)
    return None if limit is None else (limit, used(account, path, day))


def clear(account: Account) -> None:
    Use.objects.filter(account=account, key__startswith="/cgi-bin/").delete()
