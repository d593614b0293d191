"""Records of the demo that may be one person: two pairs to decide, and one merge to undo."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal

from django.utils import timezone

from crm import members as people
from crm import merging, orders
from crm.models import Identity, Member
from privatedomain.demo.purchases import PRODUCTS, SHOP
from staff.models import OrgUnit, Staff

PHONE = "13917240619"
REAL_NAME = "陈雨桐"
BUYER = "mini-88412"
PAIRS = 3


def raise_some(brand: OrgUnit, members: Sequence[Member], manager: Staff) -> None:
    """Each pair: known to a guide in WeCom only, and to an official account only."""
    friends, followers = _known_one_way(members)
    pairs = list(zip(friends[:PAIRS], followers[:PAIRS], strict=True))
    _same_phone(*pairs[0], manager)
    _same_buyer(brand, *pairs[1], manager)
    merging.merge(
        *pairs[2], actor=manager, why="到店核对：出示的会员码就是这位企微好友的"
    )


def _known_one_way(members: Sequence[Member]) -> tuple[list[Member], list[Member]]:
    kinds: defaultdict[int, set[str]] = defaultdict(set)
    rows = Identity.objects.filter(member__in=members)
    for member, kind in rows.values_list("member", "kind"):
        kinds[member].add(kind)
    clear = [member for member in members if member.opted_out_at is None]
    friend, follower = {Identity.Kind.EXTERNAL_USERID}, {Identity.Kind.OPENID}
    return (
        [member for member in clear if kinds[member.pk] == friend],
        [member for member in clear if kinds[member.pk] == follower],
    )


def _same_phone(friend: Member, follower: Member, actor: Staff) -> None:
    """Two colleagues wrote down the same number and name."""
    for member in (friend, follower):
        member.real_name = REAL_NAME
        member.save(update_fields=["real_name"])
        people.set_phone(member, PHONE, actor=actor, source="staff")


def _same_buyer(brand: OrgUnit, friend: Member, follower: Member, actor: Staff) -> None:
    """The shop names one buyer for both; their birthdays speak against it."""
    friend.birthday, follower.birthday = date(1991, 4, 18), date(1986, 11, 2)
    now = timezone.now()
    code, _name, _category, price = PRODUCTS[1]
    for days, member in ((40, friend), (9, follower)):
        member.save(update_fields=["birthday"])
        at = now - timedelta(days=days)
        orders.record(
            brand,
            orders.Told(
                shop=SHOP,
                code=f"D{at:%y%m%d}9{member.pk:04d}",
                placed_at=at,
                paid_at=at + timedelta(minutes=4),
                lines=[orders.Line(code, 1, Decimal(price))],
                region="浙江省杭州市",
                buyer=orders.Buyer(member=member, buyer=BUYER),
            ),
            actor=actor,
        )
