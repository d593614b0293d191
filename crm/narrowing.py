"""What may be asked of the member list: one condition for each filter in use.

The list, its bulk actions and its exports read the same query string through here.
A condition is an EXISTS over an index, or about the member's own row, never a join.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet, Subquery, Sum
from django.http import QueryDict
from django.utils import timezone

from crm.models import (
    Identity,
    Member,
    Segment,
    SegmentMember,
    Tag,
    TagCount,
    TagSet,
)
from crm.searching import search
from staff.models import OrgUnit, Staff
from wechat.models import Account

NOBODY = "nobody"
YES, NO = "yes", "no"
MAY, LOST, OUT, FROZEN, THROUGH = "may", "lost", "out", "frozen", "through-"
WITHIN, NOT_WITHIN = "within-", "not-"
EQUAL, RANGE = "equal", "range"
_NONE = Q(pk__in=[])
_OF_PLATFORMS = (Identity.Kind.OPENID, Identity.Kind.EXTERNAL_USERID)
_LARGEST_KEY = 2**63 - 1


@dataclass(frozen=True, eq=False)
class Condition:
    """One thing asked of members.

    `rows`: ids of those it holds for, read from an index of its own, unordered. `leads`:
    an index holds those members in the order of the list (EQUAL), or it is about that
    order itself (RANGE). `is_rare`: mostly few are meant. `about`: for how many it held
    when they were last counted, if they were; only ever a hint where to look first.
    """

    holds: Q
    rows: QuerySet[Any] | None = None
    leads: str = ""
    is_rare: bool = False
    about: int | None = None


Reading = Callable[[Staff, list[str]], Condition]
_readings: dict[str, Reading] = {}
NOTHING = Condition(_NONE)


def conditions(staff: Staff, asked: QueryDict) -> list[Condition]:
    """What the query string asks for; keys that are no filter are passed over."""
    given = asked_values(asked)
    return [_readings[key](staff, values) for key, values in given.items()]


def asked_keys() -> tuple[str, ...]:
    """The keys of the query string that narrow the list."""
    return tuple(_readings)


def asked_values(asked: QueryDict) -> dict[str, list[str]]:
    """What the query string asks for, by the keys that narrow the list."""
    return {key: given for key in _readings if (given := _given(asked, key))}


def unreadable(staff: Staff, asked: QueryDict) -> list[str]:
    """Keys whose values are none of the filter's, or name what the person can't see."""
    given = asked_values(asked)
    return [key for key in given if _readings[key](staff, given[key]) is NOTHING]


def _given(asked: QueryDict, key: str) -> list[str]:
    return [value for value in dict.fromkeys(asked.getlist(key)) if value.strip()]


def _reads(key: str) -> Callable[[Reading], Reading]:
    def register(reading: Reading) -> Reading:
        _readings[key] = reading
        return reading

    return register


def primary_keys(values: Iterable[str]) -> list[int] | None:
    """Primary keys out of a query string; None when one of them is none."""
    values = list(values)
    if not all(value.isascii() and value.isdigit() for value in values):
        return None
    keys = [int(value) for value in values]
    return keys if max(keys, default=0) <= _LARGEST_KEY else None


def _own(holds: Q, *, leads: str = EQUAL, is_rare: bool = False) -> Condition:
    """About the member's own row."""
    rows = Member.objects.filter(holds).order_by().values_list("pk", flat=True)
    return Condition(holds, rows, leads, is_rare)


def _through(rows: QuerySet[Any], about: int | None = None) -> Condition:
    """About rows of another table that point at the member."""
    holds = Q(Exists(rows.filter(member=OuterRef("pk"))))
    keys = rows.order_by().values_list("member", flat=True)
    return Condition(holds, keys, about=about)


@_reads("q")
def _search(staff: Staff, values: list[str]) -> Condition:
    holds = search(values[-1], staff)
    if holds is None:
        return NOTHING
    return _own(holds, leads="", is_rare=True)


def _visible_tags(staff: Staff, values: list[str]) -> dict[int, int | None] | None:
    """These tags and how many members carried each last night; None: not all are seen."""
    keys = primary_keys(values)
    if keys is None:
        return None
    counted = TagCount.objects.visible_to(staff).filter(tag=OuterRef("pk")).order_by()
    total = counted.values("tag").annotate(total=Sum("members")).values("total")
    known = dict(
        Tag.objects.visible_to(staff)
        .filter(pk__in=keys)
        .order_by()
        .values_list("pk", Subquery(total))
    )
    return known if len(known) == len(set(keys)) else None


@_reads("tags_any")
def _tags_any(staff: Staff, values: list[str]) -> Condition:
    tags = _visible_tags(staff, values)
    if tags is None:
        return NOTHING
    counts = [count for count in tags.values() if count is not None]
    about = sum(counts) if len(counts) == len(tags) else None
    return _through(TagSet.objects.filter(tag_ids__overlap=list(tags)), about)


@_reads("tags_all")
def _tags_all(staff: Staff, values: list[str]) -> Condition:
    tags = _visible_tags(staff, values)
    if tags is None:
        return NOTHING
    rows = TagSet.objects.filter(tag_ids__contains=list(tags))
    # How many carry several together nobody counted.
    return _through(rows, *(tags.values() if len(tags) == 1 else ()))


@_reads("tags_none")
def _tags_none(staff: Staff, values: list[str]) -> Condition:
    tags = _visible_tags(staff, values)
    if tags is None:
        return NOTHING
    carried = TagSet.objects.filter(member=OuterRef("pk"), tag_ids__overlap=list(tags))
    return Condition(~Q(Exists(carried)))


def _choice(field: str, choices: Iterable[str]) -> Reading:
    """One of the values of a column; several given: any of them."""
    known = frozenset(choices)

    def reading(_staff: Staff, values: list[str]) -> Condition:
        if not known.issuperset(values):
            return NOTHING
        if len(values) == 1:
            return _own(Q(**{field: values[0]}))
        return _own(Q(**{f"{field}__in": values}), leads="")

    return reading


_reads("stage")(_choice("stage", Member.Stage.values))
_reads("rfm")(_choice("rfm", Member.Rfm.values))
_reads("trust")(_choice("trust", Member.Trust.values))


@_reads("store")
def _store(staff: Staff, values: list[str]) -> Condition:
    """Members of a unit and of those below it."""
    if values[-1] == NOBODY:
        return _own(Q(org_unit__isnull=True), leads="")
    keys = primary_keys(values[-1:])
    unit = keys and OrgUnit.objects.visible_to(staff).filter(pk=keys[0]).first()
    if not unit:
        return NOTHING
    below = OrgUnit.objects.filter(
        path__startswith=unit.path, controller_id=unit.controller_id
    )
    units = list(below.values_list("pk", flat=True))
    if units == [unit.pk]:
        return _own(Q(org_unit_id=unit.pk))
    return _own(Q(org_unit_id__in=units), leads="")


@_reads("owner")
def _owner(staff: Staff, values: list[str]) -> Condition:
    if values[-1] == NOBODY:
        return _own(Q(owner__isnull=True))
    keys = primary_keys(values[-1:])
    if not keys or not Staff.objects.visible_to(staff).filter(pk=keys[0]).exists():
        return NOTHING
    return _own(Q(owner_id=keys[0]))


def _visible_account(staff: Staff, value: str) -> int | None:
    keys = primary_keys([value])
    if not keys or not Account.objects.visible_to(staff).filter(pk=keys[0]).exists():
        return None
    return keys[0]


@_reads("account")
def _account(staff: Staff, values: list[str]) -> Condition:
    """Known to an account, whether they still follow or not."""
    key = _visible_account(staff, values[-1])
    if key is None:
        return NOTHING
    return _through(Identity.objects.filter(account_id=key))


@_reads("following")
def _following(_staff: Staff, values: list[str]) -> Condition:
    """Follows somewhere; or did once and nowhere any more, as crm.following keeps it."""
    if values[-1] == YES:
        follows = Identity.objects.filter(
            member=OuterRef("pk"), kind__in=_OF_PLATFORMS, is_following=True
        )
        return Condition(Q(Exists(follows)))
    return _own(Q(is_reachable=False)) if values[-1] == NO else NOTHING


def _may_be_addressed() -> Q:
    thawed = Q(frozen_until__isnull=True) | Q(frozen_until__lte=timezone.now())
    return Q(is_reachable=True, opted_out_at__isnull=True) & thawed


@_reads("reach")
def _reach(staff: Staff, values: list[str]) -> Condition:
    """May be addressed (at all, or through one account), or why not."""
    value = values[-1]
    if value.startswith(THROUGH):
        key = _visible_account(staff, value.removeprefix(THROUGH))
        if key is None:
            return NOTHING
        through = Identity.objects.filter(account_id=key, is_following=True)
        found = _through(through)
        return Condition(found.holds & _may_be_addressed(), found.rows)
    if value == MAY:
        return Condition(_may_be_addressed())
    if value == LOST:
        return _own(Q(is_reachable=False))
    if value == OUT:
        return _own(Q(opted_out_at__isnull=False))
    if value == FROZEN:
        return _own(Q(frozen_until__gt=timezone.now()))
    return NOTHING


@_reads("seen")
def _seen(_staff: Staff, values: list[str]) -> Condition:
    """Last seen within so many days, or not for so long."""
    value = values[-1]
    for start, lookup in ((WITHIN, "gt"), (NOT_WITHIN, "lte")):
        days = value.removeprefix(start)
        if value.startswith(start) and days.isascii() and days.isdigit():
            since = timezone.now() - timedelta(days=min(int(days), 36_500))
            return Condition(Q(**{f"last_seen_at__{lookup}": since}), leads=RANGE)
    return NOTHING


@_reads("segment")
def _segment(staff: Staff, values: list[str]) -> Condition:
    keys = primary_keys(values[-1:])
    seen = Segment.objects.visible_to(staff).filter(pk__in=keys or [])
    counts = list(seen.values_list("member_count", flat=True))
    if not keys or not counts:
        return NOTHING
    return _through(SegmentMember.objects.filter(segment_id=keys[0]), counts[0])
