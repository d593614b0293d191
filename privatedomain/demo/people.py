"""Members of the demo with months of history, the same after every fresh start.

The sandbox says who they are to the platforms; what else is known of them is drawn from
one seeded generator.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from crm import consent, following, phones, timeline
from crm.models import Identity, Member, Relation
from crm.naming import placeholder, tokens
from privatedomain.demo import dialogues
from staff.accounts import system_staff
from staff.models import OrgUnit
from wechat.models import Account, App, Colleague

SEED = 20261123
STAGES = (
    [Member.Stage.NEW] * 3
    + [Member.Stage.GROWING] * 4
    + [Member.Stage.LOYAL] * 2
    + [Member.Stage.DORMANT] * 2
    + [Member.Stage.PROSPECT]
)
# The codes they scanned, and how often each; "" found the account by itself.
SCENES = (
    ("", "store.jingan", "parcel.2026", "invite.7", "event.open"),
    (8, 4, 3, 2, 1),
)
SURNAMES = "王李张刘陈杨黄赵吴周徐孙马朱胡"
GIVEN = ("晓雯", "建平", "思远", "玉兰", "志明", "佳琪", "文静", "浩宇", "美玲", "国庆")


@dataclass
class World:
    """What members are made of."""

    units: dict[str, OrgUnit]
    apps: dict[str, App]
    colleagues: dict[str, Colleague]
    now: datetime = field(default_factory=timezone.now)
    draw: random.Random = field(default_factory=lambda: random.Random(SEED))  # noqa: S311
    number: int = 0

    def key(self) -> str:
        self.number += 1
        return f"demo:{self.number}"

    def between(self, start: datetime, end: datetime) -> datetime:
        if end <= start:
            return start
        at = timezone.localtime(start + (end - start) * self.draw.random())
        # People write by day.
        return max(at.replace(hour=self.draw.randint(9, 21), microsecond=0), start)


def make_member(world: World, person: dict[str, Any]) -> Member | None:
    """The member behind one of the sandbox's people; None when nobody knows them yet."""
    follows = {
        slug: facts
        for slug, facts in person["accounts"].items()
        if facts["subscribed"] and slug in world.apps
    }
    friends = [f for f in person["colleagues"] if f["userid"] in world.colleagues]
    if not follows and not friends:
        return None
    starts = [_moment(facts["subscribe_time"]) for facts in follows.values()]
    starts += [_moment(friend["createtime"]) for friend in friends]
    member = _member(
        world,
        world.units["brand"],
        name=person["name"] if friends else "",
        tail=next(iter(person["openid"].values())),
        first_seen_at=min(starts),
    )
    for slug, facts in follows.items():
        _follow(world, member, world.apps[slug].account, facts)
    if friends:
        _befriend(world, member, person, friends)
    if follows and friends:
        # Only an answer of the platforms' proves that these are one person.
        _identity(member, Identity.Kind.UNIONID, None, person["unionid"], None)
    # Who left an account is within reach of the colleagues whose friend they are.
    following.refresh_reach(member)
    return _finish(world, member)


def make_dealer_members(
    world: World, account: Account, unit: OrgUnit, count: int
) -> list[Member]:
    """Members of a dealer, known by the dealer's own account only."""
    found = []
    for number in range(count):
        start = world.now - timedelta(days=world.draw.randint(20, 300))
        openid = f"oDemo{account.pk:04}{unit.pk:04}{number:015}"
        member = _member(world, unit, name="", tail=openid, first_seen_at=start)
        if world.draw.random() < 0.6:
            name = world.draw.choice(SURNAMES) + world.draw.choice(GIVEN)
            member.remark = f"{name}（{unit.name}）"
        facts = {"openid": openid, "subscribe_time": start.timestamp(), "scene": ""}
        _follow(world, member, account, facts)
        found.append(_finish(world, member))
    return found


def _member(
    world: World, unit: OrgUnit, *, name: str, tail: str, first_seen_at: datetime
) -> Member:
    assert unit.controller is not None
    return Member.objects.create(
        controller=unit.controller,
        org_unit=None if unit.pk == unit.controller_id else unit,
        display_name=name or placeholder(tail),
        is_placeholder_name=not name,
        stage=world.draw.choice(STAGES),
        first_seen_at=first_seen_at,
        last_seen_at=first_seen_at,
    )


def _identity(
    member: Member,
    kind: str,
    account: Account | None,
    value: str,
    since: datetime | None,
    scene: str = "",
) -> Identity:
    return Identity.objects.create(
        member=member,
        controller=member.controller,
        kind=kind,
        account=account,
        value=value,
        is_following=account is not None,
        followed_at=since,
        scene=scene[:64],
    )


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, tz=timezone.get_current_timezone())


def _follow(
    world: World, member: Member, account: Account, facts: dict[str, Any]
) -> None:
    at, scene = _moment(facts["subscribe_time"]), str(facts["scene"])
    scene = scene or world.draw.choices(*SCENES)[0]
    identity = _identity(
        member, Identity.Kind.OPENID, account, facts["openid"], at, scene
    )
    _line(world, member, "follow", at, account, scene=scene)
    for _ in range(world.draw.randint(0, 6)):
        _visit(world, member, account, at)
    if world.draw.random() < 0.05:
        left_at = world.now - timedelta(days=world.draw.randint(1, 25))
        if left_at > at:
            following.unfollow(identity, at=left_at)
            _line(world, member, "unfollow", left_at, account)


def _visit(world: World, member: Member, account: Account, since: datetime) -> None:
    at = world.between(since, world.now - timedelta(days=3))
    draw = world.draw
    kind = draw.choice(("click", "click", "view", "message.text", "message.text"))
    if kind == "click":
        _line(
            world, member, kind, at, account, key=draw.choice(dialogues.MENU_KEYS[:2])
        )
    elif kind == "view":
        _line(world, member, kind, at, account, key=draw.choice(dialogues.LINKS))
    else:
        _line(world, member, kind, at, account, text=draw.choice(dialogues.SMALL_TALK))
    member.last_seen_at = max(member.last_seen_at, at)


def _befriend(
    world: World,
    member: Member,
    person: dict[str, Any],
    friends: list[dict[str, Any]],
) -> None:
    account = world.colleagues[friends[0]["userid"]].account
    since = _moment(min(friend["createtime"] for friend in friends))
    kind = Identity.Kind.EXTERNAL_USERID
    _identity(member, kind, account, person["external_userid"], since)
    for friend in friends:
        colleague = world.colleagues[friend["userid"]]
        at = _moment(friend["createtime"])
        Relation.objects.create(
            member=member,
            colleague=colleague,
            remark=friend["remark"],
            description=friend["description"],
            add_way=friend["add_way"],
            channel_state=friend["state"],
            added_at=at,
        )
        data = {"colleague": colleague.pk, "channel": friend["state"]}
        _line(world, member, "friend.added", at, account, **data)
        staff = colleague.staff
        if staff is not None and staff.org_unit != world.units["brand"]:
            member.org_unit = staff.org_unit


def _finish(world: World, member: Member) -> Member:
    draw = world.draw
    if member.is_placeholder_name and not member.remark and draw.random() < 0.35:
        surname, remark = draw.choice(SURNAMES), draw.choice(dialogues.REMARKS)
        member.remark = f"{surname}女士 {remark}"
    if draw.random() < 0.4:
        phones.fill(member, f"139{draw.randint(0, 99_999_999):08}")
    member.name_tokens = tokens(member.display_name, member.remark)
    member.save()
    if draw.random() < 0.05:
        at = world.now - timedelta(days=draw.randint(4, 60))
        consent.withdraw(
            member,
            actor=system_staff("demo"),
            at=at,
            key=world.key(),
            source="message",
            evidence="退订",
        )
    return member


def _line(
    world: World,
    member: Member,
    kind: str,
    at: datetime,
    account: Account,
    **data: Any,
) -> None:
    timeline.write(
        member=member,
        kind=kind,
        at=at,
        key=world.key(),
        account=account,
        data={name: value for name, value in data.items() if value},
    )
