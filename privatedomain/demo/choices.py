"""What members of the demo told about themselves: hours of rest, and where they are."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from crm import consent, nearby, quiet_hours
from crm.models import Member
from crm.preferences import SOURCE, WRITER
from privatedomain.demo.people import World
from staff.accounts import system_staff
from staff.models import OrgUnit

# Key of a unit of privatedomain.demo.units: degrees north and east.
PLACES = {
    "store": (31.2240, 121.4453),
    "store_hubin": (30.2546, 120.1640),
    "store_xihu": (30.2595, 120.1305),
    "store_tianhe": (23.1325, 113.3270),
    "store_nanshan": (22.5333, 113.9304),
    "dealer_store": (30.4210, 120.3005),
    "dealer_store_2": (30.1640, 120.2700),
    "dealer_west_store": (30.6575, 104.0817),
}
REST, SHARE = 0.05, 0.2
# Degrees around a store; some of those who share their place are further than 3 km away.
AROUND = 0.03


def open_doors(units: dict[str, OrgUnit]) -> None:
    """Put the stores on the map."""
    for key, (latitude, longitude) in PLACES.items():
        rows = OrgUnit.objects.filter(pk=units[key].pk)
        rows.update(latitude=latitude, longitude=longitude)


def tell(world: World, members: Sequence[Member]) -> None:
    """Some members choose hours of rest, some share where they are."""
    writer, draw = system_staff(WRITER), world.draw
    near = {world.units[key].pk: place for key, place in PLACES.items()}
    for member in members:
        at = world.now - timedelta(days=draw.randint(0, 60), hours=1)
        if draw.random() < REST:
            hours = draw.choice(quiet_hours.PRESETS)
            consent.rest(
                member, hours, actor=writer, at=at, key=world.key(), source=SOURCE
            )
        if member.org_unit_id in near and draw.random() < SHARE:
            north, east = near[member.org_unit_id]
            place = nearby.Place(
                north + draw.uniform(-AROUND, AROUND),
                east + draw.uniform(-AROUND, AROUND),
            )
            nearby.note(member, place, at=at)
