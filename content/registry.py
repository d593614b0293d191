"""What higher apps tell the content: bands of the calendar, uses, and objections.

Filled in AppConfig.ready(), which runs in layer order; nothing here knows who fills it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING

from django.utils.translation import ngettext

from core.registry import Text

if TYPE_CHECKING:
    from content.models import Item, Slot
    from staff.models import Staff


@dataclass(frozen=True)
class Band:
    """A stretch above the days of the calendar: a campaign's phase, say.

    `start` and `end` are days, both included. `kind` is a word of the app that gave it
    ("warm_up"); `url` leads to the page behind it, "" when there is none.
    """

    title: Text
    start: date
    end: date
    url: str = ""
    kind: str = ""


@dataclass(frozen=True)
class Use:
    """Something that still needs an item or slot, named for the person who is refused."""

    text: Text
    url: str = ""


# (code, name) of the catalogue's categories somebody may name.
CategorySource = Callable[["Staff"], Iterable[tuple[str, Text]]]
BandSource = Callable[["Staff", date, date], Iterable[Band]]
ItemUses = Callable[["Item", "Staff"], Iterable[Use]]
SlotGuard = Callable[["Slot", datetime | None], Text | None]
SlotListener = Callable[..., None]

_bands: list[BandSource] = []
_uses: list[ItemUses] = []
_guards: list[SlotGuard] = []
_listeners: list[SlotListener] = []
_categories: list[CategorySource] = []


def bands(source: BandSource) -> BandSource:
    """Register `source(staff, first, last)`: bands somebody may see of those days."""
    _bands.append(source)
    return source


def bands_between(staff: Staff, first: date, last: date) -> list[Band]:
    return [band for source in _bands for band in source(staff, first, last)]


def in_use(uses: ItemUses) -> ItemUses:
    """Register `uses(item, staff)`: what stands in the way of archiving or deleting it.

    What the person may not see is counted, not named (`hidden`).
    """
    _uses.append(uses)
    return uses


def uses_of(item: Item, staff: Staff) -> list[Use]:
    return [use for source in _uses for use in source(item, staff)]


def hidden(count: int) -> list[Use]:
    """Uses the person may not see; they stand in the way all the same."""
    if not count:
        return []
    words = ngettext(
        "%(count)s place of another unit", "%(count)s places of other units", count
    )
    return [Use(words % {"count": count})]


def may_change_slot(guard: SlotGuard) -> SlotGuard:
    """Register `guard(slot, publish_at)`: why a planned slot must not move there.

    `publish_at` None: why it must not be cancelled. Asked with the slot locked.
    """
    _guards.append(guard)
    return guard


def objection(slot: Slot, publish_at: datetime | None) -> Text | None:
    for guard in _guards:
        refusal = guard(slot, publish_at)
        if refusal:
            return refusal
    return None


def on_slot_changed(listener: SlotListener) -> SlotListener:
    """Register `listener(slot, actor=…)`: called in the transaction of a change."""
    _listeners.append(listener)
    return listener


def tell_slot_changed(slot: Slot, *, actor: Staff) -> None:
    for listener in _listeners:
        listener(slot, actor=actor)


def categories(source: CategorySource) -> CategorySource:
    """Register `source(staff)`: categories content can be about."""
    _categories.append(source)
    return source


def categories_for(staff: Staff) -> dict[str, Text]:
    """Their names by code, for one person."""
    return {code: name for source in _categories for code, name in source(staff)}
