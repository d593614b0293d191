"""The platforms' limits as dated rows, and what is used of the counted ones.

A row of `PlatformLimit` in force today decides; a key nobody has a row for has the
built-in value below, which `load_builtin` also writes as a row an administrator sees.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from django.db.models import F, Value
from django.db.models.functions import Greatest
from django.utils import timezone

from wechat.models import App, OutboundMessage, PlatformLimit, QuotaUse

# Quotas are counted in the platforms' own time zone.
PLATFORM_ZONE = ZoneInfo("Asia/Shanghai")
CACHE_SECONDS = 10.0

MP_MESSAGES = (
    "https://developers.weixin.qq.com/doc/service/en/guide/product/kf/intro.html"
)
MP_QUOTAS = "https://developers.weixin.qq.com/doc/service/en/guide/dev/api/limit.html"
MP_TOKEN = "https://developers.weixin.qq.com/doc/service/en/Message_Management/API_Call_Limits.html"  # noqa: S105
MP_TAGS = (
    "https://developers.weixin.qq.com/doc/service/api/usermanage/tag/api_batchtagging"
)
MP_QRCODE = "https://developers.weixin.qq.com/doc/service/api/qrcode/qrcodes/api_createqrcode.md"
MP_MASS = "https://developers.weixin.qq.com/doc/service/guide/product/message/Batch_Sends.html"
MP_DRAFT = "https://developers.weixin.qq.com/doc/service/api/draftbox/draftmanage/api_draft_add"
WECOM_RATES = "https://developer.work.weixin.qq.com/document/path/90312"
WECOM_WELCOME = "https://developer.work.weixin.qq.com/document/path/92599"
WECOM_CONTACTS = "https://developer.work.weixin.qq.com/document/path/92994"
WECOM_WAYS = "https://developer.work.weixin.qq.com/document/path/96348"
WECOM_MASS = "https://developer.work.weixin.qq.com/document/path/92135"
KF = "https://developer.work.weixin.qq.com/document/path/94670"


@dataclass(frozen=True)
class BuiltinLimit:
    key: str
    value: int
    unit: str
    source: str
    effective_from: date = date(2025, 1, 1)


BUILTIN = tuple(
    BuiltinLimit(*row)
    for row in (
        ("mp.window.message.count", 5, "messages", MP_MESSAGES),
        ("mp.window.message.seconds", 48 * 3600, "seconds", MP_MESSAGES),
        ("mp.window.menu.count", 3, "messages", MP_MESSAGES),
        ("mp.window.menu.seconds", 60, "seconds", MP_MESSAGES),
        ("mp.window.follow.count", 3, "messages", MP_MESSAGES),
        ("mp.window.follow.seconds", 60, "seconds", MP_MESSAGES),
        ("mp.window.scan.count", 3, "messages", MP_MESSAGES),
        ("mp.window.scan.seconds", 60, "seconds", MP_MESSAGES),
        ("mp.custom_send.day", 500_000, "calls a day", MP_QUOTAS),
        ("mp.media_upload.day", 100_000, "calls a day", MP_QUOTAS),
        ("media.lives.seconds", 3 * 86_400, "seconds", MP_QUOTAS),
        ("mp.media_get.day", 200_000, "calls a day", MP_QUOTAS),
        ("mp.user_info.day", 5_000_000, "calls a day", MP_QUOTAS),
        ("mp.user_batch.size", 100, "people a call", MP_QUOTAS),
        ("mp.stable_token.minute", 10_000, "calls a minute", MP_TOKEN),
        ("mp.stable_token.day", 500_000, "calls a day", MP_TOKEN),
        ("mp.stable_token_forced.day", 20, "calls a day", MP_TOKEN),
        ("mp.tags.count", 100, "tags", MP_TAGS),
        ("mp.tag_batch.size", 50, "people a call", MP_TAGS),
        ("mp.tags_of_person.count", 20, "tags", MP_TAGS),
        ("mp.qrcode_temporary.seconds", 2_592_000, "seconds", MP_QRCODE),
        ("mp.qrcode_permanent.count", 100_000, "codes", MP_QRCODE),
        ("mp.mass_service.month", 4, "per person a month", MP_MASS),
        ("mp.mass_subscription.day", 1, "sends a day", MP_MASS),
        ("mp.mass.minute", 60, "calls a minute", MP_MASS),
        ("mp.article.title.chars", 32, "characters", MP_DRAFT),
        ("mp.article.author.chars", 16, "characters", MP_DRAFT),
        ("mp.article.digest.chars", 128, "characters", MP_DRAFT),
        ("mp.article.body.chars", 20_000, "characters", MP_DRAFT),
        ("mp.mass.size_min", 2, "people a call", MP_MASS),
        ("mp.mass.size_max", 10_000, "people a call", MP_MASS),
        ("mp.mass.key_seconds", 86_400, "seconds", MP_MASS),
        ("mp.mass.confirm_seconds", 1_800, "seconds", MP_MASS),
        ("wecom.api.minute", 10_000, "calls a minute", WECOM_RATES),
        ("wecom.welcome.seconds", 20, "seconds", WECOM_WELCOME),
        ("mp.text.bytes", 2_048, "bytes", MP_MESSAGES),
        ("wecom.welcome.bytes", 4_000, "bytes", WECOM_WELCOME),
        ("wecom.contact_batch.size", 100, "people a call", WECOM_CONTACTS),
        ("wecom.contact_way.count", 500_000, "codes", WECOM_WAYS),
        ("wecom.mass_attachments.count", 9, "attachments", WECOM_MASS),
        ("wecom.mass_remind.day", 3, "reminders a day", WECOM_MASS),
        ("kf.window.message.count", 5, "messages", KF),
        ("kf.window.message.seconds", 48 * 3600, "seconds", KF),
        ("kf.sync.token_seconds", 600, "seconds", KF),
        ("kf.sync.history_seconds", 3 * 86_400, "seconds", KF),
        ("kf.sync.size", 1000, "messages a call", KF),
    )
)
# What a send of each channel is counted against.
SEND_QUOTAS = {"mp_custom": "mp.custom_send.day", "wecom_welcome": "wecom.api.minute"}
COUNTED = (
    *("mp.custom_send.day", "mp.stable_token_forced.day"),
    *("wecom.api.minute", "mp.mass.minute"),
)
_builtin_values = {limit.key: limit.value for limit in BUILTIN}
_cache: dict[date, tuple[float, dict[str, int]]] = {}


def load_builtin() -> None:
    """Write the built-in limits as rows where none of that key and date stands."""
    PlatformLimit.objects.bulk_create(
        [
            PlatformLimit(
                key=limit.key,
                value=limit.value,
                unit=limit.unit,
                source=limit.source,
                effective_from=limit.effective_from,
            )
            for limit in BUILTIN
        ],
        ignore_conflicts=True,
    )
    forget()


def forget() -> None:
    """Drop this process's copy of the rows; the others follow within CACHE_SECONDS."""
    _cache.clear()


def value(key: str, on: date | None = None) -> int:
    """The limit in force on `on` (default today); KeyError for a key nobody knows."""
    day = on or timezone.localdate()
    loaded_at, values = _cache.get(day, (0.0, {}))
    if not values or time.monotonic() - loaded_at > CACHE_SECONDS:
        values = _in_force(day)
        _cache.clear()
        _cache[day] = (time.monotonic(), values)
    return values[key]


def _in_force(day: date) -> dict[str, int]:
    rows = (
        PlatformLimit.objects.filter(effective_from__lte=day)
        .order_by("key", "-effective_from")
        .distinct("key")
        .values_list("key", "value")
    )
    return {**_builtin_values, **dict(rows)}


def period_of(kind: str, now: datetime) -> str:
    """ "2026-11-23" for a kind counted by day, "2026-11-23T14:05" for one by minute."""
    local = now.astimezone(PLATFORM_ZONE)
    return f"{local:%FT%H:%M}" if kind.endswith(".minute") else f"{local:%F}"


def period_end(kind: str, now: datetime) -> datetime:
    """When what is used of `kind` starts again at zero."""
    local = now.astimezone(PLATFORM_ZONE)
    if kind.endswith(".minute"):
        return local.replace(second=0, microsecond=0) + timedelta(minutes=1)
    return local.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)


def reserve(
    app: App, kind: str, now: datetime | None = None, *, count: int = 1
) -> str | None:
    """Take `count` of `kind` before the call; the period to settle them by, None when
    fewer are left.

    A changed limit counts at once: the row's own `limit` follows the dated one.
    """
    now = now or timezone.now()
    period, limit = period_of(kind, now), value(kind)
    rows = QuotaUse.objects.filter(app=app, kind=kind, period=period)
    free = rows.filter(reserved__lte=limit - count - F("used"))
    taken = {"reserved": F("reserved") + count, "limit": _at_least_taken(limit, count)}
    if free.update(**taken):
        return period
    QuotaUse.objects.bulk_create(
        [QuotaUse(app=app, kind=kind, period=period, limit=limit)],
        ignore_conflicts=True,
    )
    if free.update(**taken):
        return period
    return None


def _at_least_taken(limit: int, count: int) -> Greatest:
    # Lowering a limit below what is taken must not break the row's own check.
    return Greatest(Value(limit), F("reserved") + F("used") + count)


def settle(app: App, kind: str, period: str, *, is_used: bool, count: int = 1) -> None:
    """Turn `count` reserved of `period` into used, or give them back."""
    rows = QuotaUse.objects.filter(app=app, kind=kind, period=period)
    rows.filter(reserved__gte=count).update(
        reserved=F("reserved") - count, used=F("used") + int(is_used) * count
    )


def settle_send(message: OutboundMessage, *, is_used: bool) -> None:
    """Settle what `message` took of its channel's quota, if it took any."""
    if message.quota_period:
        kind = SEND_QUOTAS[message.channel]
        settle(message.app, kind, message.quota_period, is_used=is_used)
