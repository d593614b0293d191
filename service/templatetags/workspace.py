"""Moments and states of the workspace as its script reads them."""

from __future__ import annotations

from datetime import date, datetime

from django import template
from django.utils import formats, timezone
from django.utils.translation import gettext as _

from wechat.models import Media

register = template.Library()


@register.filter
def epoch_ms(value: datetime | None) -> str:
    """Milliseconds since 1970, for the script's clocks; empty for None."""
    return str(int(value.timestamp() * 1000)) if value else ""


@register.filter
def hhmm(value: datetime) -> str:
    """14:05, in the console's time zone."""
    return f"{timezone.localtime(value):%H:%M}"


@register.filter
def day_heading(value: date) -> str:
    """11-23 周一, with the year when it is not this one, and today in words."""
    today = timezone.localdate()
    if value == today:
        return _("Today")
    form = "%m-%d" if value.year == today.year else "%Y-%m-%d"
    return f"{value:{form}} {formats.date_format(value, 'D')}"


@register.filter
def is_wanted(media: Media) -> bool:
    """Whether the picture is still being fetched."""
    return media.state == Media.State.WANTED


@register.filter
def is_stored(media: Media) -> bool:
    return media.state == Media.State.STORED
