"""How states of items and slots look: a word, a tone, and a shape told without colour."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from content.models import Item, Slot, Version
from core.registry import Text

ITEM_TONES = {
    Item.State.DRAFT: "idle",
    Item.State.IN_REVIEW: "part",
    Item.State.APPROVED: "good",
    Item.State.SCHEDULED: "good",
    Item.State.PUBLISHED: "good",
    Item.State.ARCHIVED: "idle",
}
VERSION_TONES = {
    Version.State.DRAFT: "idle",
    Version.State.IN_REVIEW: "part",
    Version.State.APPROVED: "good",
    Version.State.RETURNED: "bad",
    Version.State.WITHDRAWN: "idle",
}


@dataclass(frozen=True)
class Look:
    """`name` is for style sheets and programs."""

    name: str
    shape: str
    text: Text


DRAFT = Look("draft", "○", _("Not approved yet"))
WAITING = Look("waiting", "◐", pgettext_lazy("content", "In review"))
READY = Look("ready", "●", _("Scheduled"))
OVERDUE = Look("overdue", "!", _("Overdue: not published"))
PUBLISHED = Look("published", "✓", _("Published"))
CANCELLED = Look("cancelled", "✕", _("Cancelled"))
LOOKS = (DRAFT, WAITING, READY, OVERDUE, PUBLISHED, CANCELLED)


def look_of(slot: Slot, now: datetime) -> Look:
    """`slot.version` is loaded."""
    if slot.state == Slot.State.PUBLISHED:
        return PUBLISHED
    if slot.state == Slot.State.CANCELLED:
        return CANCELLED
    if slot.is_overdue(now):
        return OVERDUE
    if slot.version.state == Version.State.APPROVED:
        return READY
    return WAITING if slot.version.state == Version.State.IN_REVIEW else DRAFT
