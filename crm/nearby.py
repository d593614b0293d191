"""Where somebody is, as far as it is kept: the store within 3 km of what they shared.

The platform tells a place only after the person allowed it, or sent it in the chat
(contract A3: event LOCATION, message type location). What is kept is the name of a store
and the day, until they share a place that is far from all, take the permission back, or
are purged. Coordinates are compared as they come; the systems maps and phones use in
China differ by some hundred metres.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta

from crm.models import Member, Nearby
from crm.registry import on_merge, on_purge, settled
from staff.models import OrgUnit, Staff

KM = 3.0
EARTH_KM = 6371.0
KM_PER_DEGREE = math.pi * EARTH_KM / 180
# The place is told every few seconds while somebody is in the chat.
WRITTEN_EVERY = timedelta(hours=1)


@dataclass(frozen=True)
class Place:
    """Degrees, north and east positive."""

    latitude: float
    longitude: float


def read(latitude: str, longitude: str) -> Place | None:
    """What two texts of a callback say; None for what is no place on earth."""
    try:
        found = Place(float(latitude), float(longitude))
    except ValueError:
        return None
    # NaN is smaller than nothing, so both comparisons must hold.
    is_place = abs(found.latitude) <= 90 and abs(found.longitude) <= 180
    return found if is_place else None


def kilometres(one: Place, other: Place) -> float:
    """The great circle between two places."""
    north, south = math.radians(one.latitude), math.radians(other.latitude)
    turn = math.radians(other.longitude - one.longitude)
    half = math.sin((south - north) / 2) ** 2
    half += math.cos(north) * math.cos(south) * math.sin(turn / 2) ** 2
    return 2 * EARTH_KM * math.asin(min(1.0, math.sqrt(half)))


def nearest(controller_id: int, place: Place) -> OrgUnit | None:
    """The open store of the data controller nearest to a place, within KM."""
    high = KM / KM_PER_DEGREE
    wide = high / max(math.cos(math.radians(place.latitude)), 0.01)
    rows = OrgUnit.objects.filter(
        controller=controller_id,
        kind=OrgUnit.Kind.STORE,
        is_active=True,
        latitude__range=(place.latitude - high, place.latitude + high),
        longitude__range=(place.longitude - wide, place.longitude + wide),
    )
    found = [
        (kilometres(place, Place(float(unit.latitude), float(unit.longitude))), unit.pk)
        for unit in rows
        if unit.latitude is not None and unit.longitude is not None
    ]
    away, pk = min(found, default=(math.inf, 0))
    return next((unit for unit in rows if unit.pk == pk and away <= KM), None)


def note(member: Member, place: Place | None, *, at: datetime) -> None:
    """Keep which store the member is near to; an older place changes nothing.

    Of somebody who wants no personalised choice nothing is kept.
    """
    if place is None or member.no_personalisation:
        return
    known = Nearby.objects.filter(member=member).first()
    if known is not None and known.at >= at:
        return
    store = nearest(member.controller_id, place)
    if store is None:
        if known is not None:
            Nearby.objects.filter(member=member, at__lt=at).delete()
        return
    is_same = known is not None and known.store_id == store.pk
    if known is None or not is_same or at - known.at >= WRITTEN_EVERY:
        Nearby.objects.update_or_create(
            member=member, defaults={"store": store, "at": at}
        )


def forget(member: Member) -> None:
    """The permission was taken back."""
    Nearby.objects.filter(member=member).delete()


settled("crm.nearby")


@on_merge
def _keep_newest(primary: Member, duplicate: Member, _actor: Staff) -> None:
    """What one of the two shared last holds for both."""
    rows = Nearby.objects.filter(member__in=[primary.pk, duplicate.pk])
    newest = rows.order_by("-at").first()
    if newest is None or newest.member_id == primary.pk:
        rows.filter(member=duplicate).delete()
        return
    rows.delete()
    Nearby.objects.create(member=primary, store=newest.store, at=newest.at)


@on_purge
def _forget(member: Member) -> None:
    people = [member.pk, *member.merged_members.values_list("pk", flat=True)]
    Nearby.objects.filter(member__in=people).delete()
