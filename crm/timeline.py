"""The one way to write a member's history, and the words of its lines."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import models
from django.utils.translation import gettext_lazy as _

from core.inserting import insert_new
from core.registry import Text
from crm.models import Event, Member
from wechat.models import Account


class Group(models.TextChoices):
    """What the filter chips of a timeline offer."""

    FOLLOW = "follow", _("Follow")
    MESSAGE = "message", _("Messages")
    CLICK = "click", _("Clicks")
    RELATION = "relation", _("WeCom")
    SERVICE = "service", _("Service")
    CONSENT = "consent", _("Consent")
    PROFILE = "profile", _("Profile")


@dataclass(frozen=True)
class Wording:
    """How lines of one kind are shown. `text` gets `Event.data`, and may be empty."""

    group: Group
    title: Text
    icon: str
    text: Callable[[dict[str, Any]], Text]


wordings: dict[str, Wording] = {}


def describe(
    kind: str,
    group: Group,
    title: Text,
    *,
    icon: str = "circle",
    text: Callable[[dict[str, Any]], Text] = lambda _data: "",
) -> None:
    """Say how a kind is shown; apps above add theirs in AppConfig.ready()."""
    wordings[kind] = Wording(group, title, icon, text)


def kinds_of(group: str) -> list[str]:
    return [kind for kind, wording in wordings.items() if wording.group == group]


def write(
    *,
    member: Member,
    kind: str,
    at: datetime,
    key: str,
    account: Account | None = None,
    data: dict[str, Any] | None = None,
) -> None:
    """Add one line to the history of `member`; the same (key, at) twice is one line.

    Args:
        kind: "follow", "message.text", … (crm.wording, or `describe` of an app above).
        at: when it happened by the source's own time.
        key: names the source row, "inbound:417".
        data: ids and short texts the line needs to be worded; a purge empties it.
    """
    insert_new(
        Event(
            member=member,
            kind=kind,
            at=at,
            key=key[:200],
            account=account,
            data=data or {},
        )
    )
