"""How much marketing one person gets: caps of our own and the platform's monthly quota.

Counted from the contact ledger (Recipient), over all channels: what the platform took or
may have taken, and what is about to go out. Days, weeks (from Monday) and months are the
platforms' (Asia/Shanghai).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time, timedelta

from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from core import system_settings
from core.system_settings import Declaration, declare
from wechat import limits
from wechat.limits import PLATFORM_ZONE

DAY, WEEK, MONTH = "campaigns.cap_day", "campaigns.cap_week", "campaigns.cap_month"
# https://developers.weixin.qq.com/doc/service/guide/product/message/Batch_Sends.html
MONTH_QUOTA = "mp.mass_service.month"


def declare_settings() -> None:
    for key, label, default in (
        (DAY, _("Marketing messages one person gets a day, at most"), 2),
        (WEEK, _("Marketing messages one person gets a week, at most"), 4),
        (MONTH, _("Marketing messages one person gets a month, at most"), 10),
    ):
        declare(
            Declaration(
                key,
                label,
                default,
                unit=pgettext_lazy("after a number", "messages"),
                help_text=_("Over all channels; who has got them is left out."),
                minimum=1,
                maximum=100,
            )
        )


@dataclass(frozen=True)
class Caps:
    """The caps in force and the periods `at` falls in (half-open, in UTC-aware times)."""

    day: int
    week: int
    month: int
    month_quota: int
    day_start: datetime
    week_start: datetime
    month_start: datetime
    month_end: datetime

    @property
    def since(self) -> datetime:
        """Contacts before it count for nothing."""
        return min(self.week_start, self.month_start)


def caps_at(at: datetime) -> Caps:
    """The caps for something that goes out at `at`."""
    local = at.astimezone(PLATFORM_ZONE)
    today = datetime.combine(local.date(), time(), tzinfo=PLATFORM_ZONE)
    first = today.replace(day=1)
    return Caps(
        day=int(system_settings.get(DAY)),
        week=int(system_settings.get(WEEK)),
        month=int(system_settings.get(MONTH)),
        month_quota=limits.value(MONTH_QUOTA, local.date()),
        day_start=today,
        week_start=today - timedelta(days=local.weekday()),
        month_start=first,
        month_end=(first + timedelta(days=32)).replace(day=1),
    )
