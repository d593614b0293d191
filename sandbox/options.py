"""Figures of the platforms as settings with their official defaults.

Sources and how far each is confirmed: docs/sandbox.md.
"""

from typing import Any

from sandbox.models import Setting

DEFAULTS: dict[str, Any] = {
    "clock_offset_seconds": 0.0,
    # Push engine
    "push_retries": 3,
    "push_retry_seconds": 5.0,
    "push_timeout_seconds": 5.0,
    "push_duplicates": 0.0,
    "push_shuffle": False,
    "push_shuffle_seconds": 2.0,
    "push_delay_seconds": 0.0,
    # An account whose pushes keep failing hears nothing for a minute (MarkFail).
    "markfail_after": 20,
    "markfail_seconds": 60.0,
    "verify_timeout_seconds": 1.0,
    # Tokens
    "token_lifetime_seconds": 7200,
    "token_overlap_seconds": 300,
    "stable_renew_seconds": 300,
    "stable_force_per_day": 20,
    "stable_force_gap_seconds": 30,
    # Customer-service messages: [count, seconds] per trigger
    "allow_message": [5, 172800],
    "allow_click": [3, 60],
    "allow_follow": [3, 60],
    "allow_scan": [3, 60],
    "mp_text_bytes": 2048,
    "media_lifetime_seconds": 259200,
    # Mass sends
    "mass_per_user_month": 4,
    "mass_sends_per_day": 100,
    "mass_daily_subscription": 1,
    "mass_to_all_per_day": 1,
    "mass_to_all_per_month": 4,
    "mass_clientmsgid_bytes": 64,
    "mass_clientmsgid_seconds": 86400,
    "mass_retry_seconds": 60,
    "mass_admin_seconds": 1800,
    # People a minute at the speeds 0 to 4
    "mass_people_per_minute": [800000, 600000, 450000, 300000, 100000],
    # Between the last delivery and the finish event
    "mass_finish_seconds": 0.5,
    # Web authorisation
    "web_code_seconds": 300,
    # WeCom
    "welcome_seconds": 20,
    "welcome_text_bytes": 4000,
    "wecom_per_minute": 10000,
    "wecom_per_hour": 150000,
    # kf
    "kf_token_seconds": 600,
    "kf_history_seconds": 259200,
    "kf_allow": [5, 172800],
    "kf_code_over_count": 95001,
    "kf_code_over_time": 95002,
    "kf_code_bad_state": 95013,
    "kf_code_ended": 95016,
    "kf_code_repeat": 95033,
    "kf_without_token_per_minute": 60,
    # So many next pulls say "more" with an empty page, which the platform may do.
    "kf_empty_pages": 0,
    # Calls a day of one official account
    "daily": {
        "/cgi-bin/token": 2000,
        "/cgi-bin/stable_token": 500000,
        "/cgi-bin/menu/create": 1000,
        "/cgi-bin/menu/get": 10000,
        "/cgi-bin/menu/delete": 1000,
        "/cgi-bin/message/custom/send": 500000,
        "/cgi-bin/user/get": 500,
        "/cgi-bin/user/info": 5000000,
        "/cgi-bin/user/info/batchget": 5000000,
        "/cgi-bin/media/upload": 100000,
        "/cgi-bin/media/get": 200000,
        "/cgi-bin/message/mass/preview": 100,
        "/cgi-bin/qrcode/create": 100000,
    },
    # Calls a minute of one official account
    "minutely": {
        "/cgi-bin/message/mass/send": 60,
        "/cgi-bin/message/mass/sendall": 60,
    },
    "clear_quota_per_month": 10,
}


# The process is the only writer of its file, so what it read once stays true.
_changed: dict[str, Any] | None = None


def _changes() -> dict[str, Any]:
    global _changed
    if _changed is None:
        _changed = {row.key: row.value for row in Setting.objects.all()}
    return _changed


def get(key: str) -> Any:
    """The value in force; ``KeyError`` for a key that is no setting."""
    return _changes().get(key, DEFAULTS[key])


def put(key: str, value: Any) -> None:
    """Set ``key``; ``KeyError`` when unknown, ``ValueError`` when of another shape."""
    default = DEFAULTS[key]
    if not _same_shape(default, value):
        raise ValueError(key)
    Setting.objects.update_or_create(key=key, defaults={"value": value})
    _changes()[key] = value


def everything() -> dict[str, Any]:
    return {**DEFAULTS, **{k: v for k, v in _changes().items() if k in DEFAULTS}}


def forget() -> None:
    """Back to the defaults, all of them; what is no setting (the shop's token) stays."""
    global _changed
    Setting.objects.filter(key__in=DEFAULTS).delete()
    # Not None: another thread would read the rows this transaction has not yet removed.
    _changed = {}


def _same_shape(default: Any, value: Any) -> bool:
    if isinstance(default, bool):
        return isinstance(value, bool)
    if isinstance(default, int | float):
        return isinstance(value, int | float) and not isinstance(value, bool)
    if isinstance(default, list):
        return (
            isinstance(value, list)
            and len(value) == len(default)
            and all(_same_shape(0, item) for item in value)
        )
    return isinstance(value, dict) and all(
        isinstance(item, int) for item in value.values()
    )
