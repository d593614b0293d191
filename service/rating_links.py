"""Links to the page on which a customer rates one conversation.

`<PUBLIC_URL>/r/<token>`: `<conversation>-<day it ends>-<signature>`. It says nothing of
anybody and ends by itself; the rating itself is once per conversation (service.ratings).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from django.conf import settings
from django.urls import reverse
from django.utils import timezone

from core import signed_ids, system_settings
from service.models import Conversation
from service.wording import RATING_DAYS

_SALT = "service.ratings"
_EPOCH = date(2020, 1, 1)


@dataclass(frozen=True)
class Opened:
    """`conversation` when the link is good; else `problem`: "unknown" or "expired"."""

    conversation: Conversation | None
    problem: str = ""


def address_of(conversation_id: int) -> str:
    """The public address, absolute; it works for as many days as the setting says."""
    last = timezone.localdate() + timedelta(days=int(system_settings.get(RATING_DAYS)))
    token = signed_ids.sign(_SALT, conversation_id, (last - _EPOCH).days)
    base = str(settings.PUBLIC_URL).rstrip("/")
    return base + reverse("service_rating", args=[token])


def open_conversation(token: str) -> Opened:
    """Which conversation a token names; none of somebody who was forgotten since."""
    ids = signed_ids.read(_SALT, token, 2)
    if ids is None:
        return Opened(None, "unknown")
    pk, end = ids
    rows = Conversation.objects.select_related("app__account", "member__controller")
    found = rows.filter(pk=pk, member__purged_at=None).first()
    if found is None:
        return Opened(None, "unknown")
    if timezone.localdate() > _EPOCH + timedelta(days=min(end, 10**6)):
        return Opened(None, "expired")
    return Opened(found)
