"""What stands in the calendar between two days, for one person."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

from django.db.models import Exists, OuterRef, QuerySet
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from content import registry, wording
from content.models import MarketingDay, Slot
from content.wording import look_of
from staff.models import OrgUnit, Staff

# Six weeks of a month and a look beyond; more is no calendar but an export.
LONGEST = timedelta(days=100)
MOST_SLOTS = 1000
COLOURS = 8


@dataclass(frozen=True)
class Span:
    """Days from `first` to `last`, both included."""

    first: date
    last: date

    @property
    def start(self) -> datetime:
        return timezone.make_aware(datetime.combine(self.first, time.min))

    @property
    def end(self) -> datetime:
        day_after = self.last + timedelta(days=1)
        return timezone.make_aware(datetime.combine(day_after, time.min))


@dataclass(frozen=True)
class Entry:
    """One thing in the calendar, as its script takes it.

    Times are local wall-clock without offset; `end` of a whole-day entry is the day
    after its last one. `refusal`: why it can't be dragged, "" when it can.
    """

    id: str
    kind: str
    title: str
    start: str
    end: str | None
    allDay: bool
    order: int
    look: str = ""
    shape: str = ""
    state: str = ""
    account: str = ""
    colour: int = 0
    item_kind: str = ""
    refusal: str = ""
    url: str = ""
    hint: str = ""


def span_of(start: str, end: str) -> Span | None:
    """From the first day up to, not including, the day of `end`; None for nonsense and
    for more than LONGEST."""
    try:
        first = date.fromisoformat(start[:10])
        last = date.fromisoformat(end[:10]) - timedelta(days=1)
        is_long = not timedelta(0) <= last - first <= LONGEST
        if is_long or not 2000 <= first.year <= 2200:
            return None
        return Span(first, last)
    except (ValueError, OverflowError):
        return None


def entries(
    staff: Staff, span: Span, accounts: list[int] | None = None
) -> list[dict[str, Any]]:
    """Slots, marketing days and bands; `accounts` narrows the slots."""
    found = [
        *_bands(staff, span),
        *_days(span),
        *_slots(staff, span, accounts),
    ]
    return [asdict(entry) for entry in found]


def slots_in(
    staff: Staff, span: Span, accounts: list[int] | None = None
) -> QuerySet[Slot]:
    """The slots somebody may see, each with `is_own` when they may change it."""
    writable = OrgUnit.objects.visible_to(staff).filter(
        pk=OuterRef("version__item__org_unit_id")
    )
    rows = Slot.objects.visible_to(staff).between(span.start, span.end)
    if accounts is not None:
        rows = rows.filter(account_id__in=accounts)
    return (
        rows.select_related("version__item", "account")
        .annotate(is_own=Exists(writable))
        .order_by("publish_at", "id")
    )


def _slots(staff: Staff, span: Span, accounts: list[int] | None) -> list[Entry]:
    now = timezone.now()
    may_plan = staff.has_perm("content.schedule_item")
    rows = slots_in(staff, span, accounts)[:MOST_SLOTS]
    return [_slot_entry(slot, now, may_plan) for slot in rows]


def _slot_entry(slot: Any, now: datetime, may_plan: bool) -> Entry:
    look = look_of(slot, now)
    item = slot.version.item
    return Entry(
        id=f"slot-{slot.pk}",
        kind="slot",
        title=item.title,
        start=timezone.localtime(slot.publish_at).strftime("%Y-%m-%dT%H:%M:%S"),
        end=None,
        allDay=False,
        order=3,
        look=look.name,
        shape=look.shape,
        state=str(look.text),
        account=slot.account.name,
        colour=slot.account_id % COLOURS,
        item_kind=item.get_kind_display(),
        refusal=refusal_of(slot, now, may_plan=may_plan, is_own=slot.is_own),
        url=reverse("admin:calendar_slot", args=[slot.pk]),
        hint=slot.note,
    )


def refusal_of(slot: Slot, now: datetime, *, may_plan: bool, is_own: bool) -> str:
    """Why somebody can't move a slot, in words; "" when they can."""
    if slot.state == Slot.State.PUBLISHED:
        return _("It is published: what went out stays where it was.")
    if slot.state == Slot.State.CANCELLED:
        return _("It is cancelled; plan a new slot instead.")
    if not may_plan:
        return _("Your role may look at the calendar, not change it.")
    if not is_own:
        return _("A unit above yours planned this; ask them to move it.")
    if slot.is_overdue(now):
        return _("Its time has passed. Publish or cancel it, and plan a new slot.")
    return ""


def _days(span: Span) -> list[Entry]:
    rows = MarketingDay.objects.between(span.first, span.last).order_by("date", "id")
    return [
        Entry(
            id=f"day-{day.pk}",
            kind="day",
            title=day.name,
            start=day.date.isoformat(),
            end=(day.end_date + timedelta(days=1)).isoformat(),
            allDay=True,
            order=2 if day.kind != MarketingDay.Kind.INDUSTRY else 1,
            look=day.kind,
            state=day.get_kind_display(),
            hint=" · ".join(text for text in (day.suggestion, day.note) if text),
        )
        for day in rows
    ]


def _bands(staff: Staff, span: Span) -> list[Entry]:
    return [
        Entry(
            id=f"band-{number}",
            kind="band",
            title=str(band.title),
            start=band.start.isoformat(),
            end=(band.end + timedelta(days=1)).isoformat(),
            allDay=True,
            order=0,
            look=band.kind,
            url=band.url,
        )
        for number, band in enumerate(
            registry.bands_between(staff, span.first, span.last)
        )
    ]


def legend() -> tuple[wording.Look, ...]:
    return wording.LOOKS
