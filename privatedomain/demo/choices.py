"""What members of the demo want and do not want, and where they are."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from crm import (
    complaints,
    consent,
    consent_loading,
    consent_texts,
    nearby,
    preferences,
    quiet_hours,
)
from crm.models import Member
from crm.preferences import SOURCE, WRITER, Choice
from privatedomain.demo.people import World
from staff.accounts import system_staff
from staff.models import OrgUnit, Staff

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


# Every n-th member agreed to marketing when they got their card.
AGREED = 3
COMPLAINTS = (
    ("面霜漏液，照片发来三天没有人回复，要求退款并道歉", ""),
    ("店员推荐时保证不过敏，用后泛红，要求门店负责人回电", ""),
    ("会员日积分没有到账，催了两次", "核对后补了 320 分，客户认可"),
)


def agree(members: Sequence[Member], brand: OrgUnit) -> int:
    """Marketing consents from the membership cards, as a file would bring them."""
    mine = [
        member
        for member in members
        if member.controller_id == brand.pk and member.opted_out_at is None
    ]
    said = [
        consent_loading.Said(
            member=member.pk,
            is_yes=True,
            at=member.first_seen_at,
            key=f"demo:card:{member.pk}",
            evidence=f"会员卡申请表 {member.first_seen_at:%Y-%m-%d} 第 3 项勾选同意",
        )
        for member in mine[::AGREED]
    ]
    return consent_loading.write(said, source="import")


def choose(members: Sequence[Member]) -> None:
    """A few have been on their preference page."""
    reachable = [
        member
        for member in members
        if member.opted_out_at is None and not member.is_placeholder_name
    ]
    for number, member in enumerate(reachable[4::11][:5]):
        offered = preferences.topics_of(member)
        channels = preferences.channels_of(member)
        preferences.choose(
            member,
            Choice(
                channels=frozenset(channels[:1] if number % 2 else channels),
                topics=frozenset(topic.pk for topic in offered[number % 3 :]),
                max_per_week=preferences.FREQUENCIES[number % 4],
                is_personal=number != 3,
            ),
            texts=consent_texts.current(member.controller_id),
        )


def complain(world: World, members: Sequence[Member], agent: Staff) -> None:
    """Two complaints are open, one was settled: marketing rests for all three."""
    angry = [member for member in members if member.opted_out_at is None][6::17]
    for days, (member, (reason, outcome)) in enumerate(
        zip(angry, COMPLAINTS, strict=False), 2
    ):
        at = world.now - timedelta(days=days, hours=3)
        complaint = complaints.begin(member, reason=reason, actor=agent, at=at)
        if outcome:
            complaints.close(complaint, outcome=outcome, actor=agent)
