"""A small base full of edges, and random rules about it, for the tests of segments."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from crm.models import (
    Category,
    ConsentEntry,
    Event,
    Identity,
    Member,
    MemberTag,
    MemberValue,
    Order,
    OrderItem,
    Product,
    Relation,
    Segment,
    SegmentMember,
    Tag,
    TagGroup,
)
from crm.naming import tokens
from crm.segments.conditions import CONDITIONS
from staff.models import OrgUnit
from tests.conftest import build_staff
from wechat.models import Account, Colleague

# 00:30 of 1 March in Beijing, still February in UTC; no leap year, so that whoever was
# born on 29 February has their birthday today.
NOW = datetime(2026, 2, 28, 16, 30, tzinfo=UTC)
DAY = timedelta(days=1)
CITIES = ("上海", "杭州", "Ürümqi")
KINDS = ("message.text", "follow", "click")
SHOPS = ("tmall", "mini")
MEMBERS = 70
NUMBERS = (0, 1, 2, 3, 4.5, 30, 50, 99, 100, 150, 300)
TEXTS = {
    "city": CITIES,
    "name": ("张", "小明", "anna", "li", "%", "_", "\\", "上海"),
    "identity": ("store.", "store_"),
    "relation": ("store_1",),
    "orders": SHOPS,
}


@dataclass
class SegmentWorld:
    """Ids of everything a rule may point to."""

    brand: OrgUnit
    rows: dict[str, list[int]] = field(default_factory=dict)
    paths: dict[int, str] = field(default_factory=dict)
    owner: Any = None


def build_world(seed: int = 7) -> SegmentWorld:
    chance = random.Random(seed)
    world = _directory()
    members = [_member(world, chance, number) for number in range(MEMBERS)]
    Member.objects.bulk_create(members)
    members[3].merged_into = members[4]
    members[5].purged_at = NOW
    Member.objects.bulk_update(members, ["merged_into", "purged_at"])
    for member in members:
        _surroundings(world, chance, member)
    return world


def _directory() -> SegmentWorld:
    brand = OrgUnit.objects.create(name="Brand", kind="brand")
    dealer = OrgUnit.objects.create(
        name="Dealer", kind="dealer", parent=brand, is_separate_controller=True
    )
    region = OrgUnit.objects.create(name="East", kind="region", parent=brand)
    shops = [
        OrgUnit.objects.create(name=f"Shop {n}", kind="store", parent=parent)
        for n, parent in enumerate((brand, region, region))
    ]
    units = [brand, region, *shops]
    owner = build_staff(None, org_unit=brand)
    accounts = [
        Account.objects.create(slug=slug, name=slug, kind=kind, org_unit=brand)
        for slug, kind in (("one", "service"), ("two", "service"), ("corp", "wecom"))
    ]
    colleagues = [
        Colleague.objects.create(account=accounts[2], userid=userid, name=userid)
        for userid in ("anna", "ben")
    ]
    group = TagGroup.objects.create(code="world", name="World")
    tags = [Tag.objects.create(group=group, name=f"tag {n}") for n in range(5)]
    categories = [
        Category.objects.create(code=f"world-{n}", name=f"Category {n}")
        for n in range(2)
    ]
    # One of the brand's own, in the place of the first.
    categories.append(
        Category.objects.create(controller=brand, code="world-0", name="Own")
    )
    products = [
        Product.objects.create(
            controller=brand, code=f"P{n}", name=f"P{n}", category=categories[n % 3]
        )
        for n in range(5)
    ]
    segments = [
        Segment.objects.create(
            controller=brand, name=f"list {n}", kind="list", owner=owner
        )
        for n in range(2)
    ]
    named: dict[str, list[Any]] = {
        "unit": units,
        "staff": [owner, build_staff(None, org_unit=shops[0])],
        "account": accounts,
        "colleague": colleagues,
        "tag": tags,
        "category": categories,
        "product": products,
        "segment": segments,
    }
    return SegmentWorld(
        brand=brand,
        rows={of: [row.pk for row in rows] for of, rows in named.items()}
        | {"dealer": [dealer.pk]},
        paths={unit.pk: unit.path for unit in units},
        owner=owner,
    )


def _ago(chance: random.Random) -> datetime:
    """Often exactly on an edge: whole days back, or midnight of Beijing."""
    days = chance.choice((0, 1, 2, 7, 29, 30, 31, 90, 365))
    edge = chance.random()
    if edge < 0.4:
        return NOW - days * DAY
    if edge < 0.6:
        return NOW - timedelta(minutes=30) - days * DAY
    if edge < 0.7:
        return NOW - timedelta(minutes=30, microseconds=1) - days * DAY
    return NOW - timedelta(days=days, seconds=chance.randrange(86_400))


def _member(world: SegmentWorld, chance: random.Random, number: int) -> Member:
    name = chance.choice(("张三", "李小明", "Anna Li", "王%_", "赵\\六"))
    remark = chance.choice(("", "", "vip 上海"))
    birthdays = (None, date(1992, 2, 29), date(1990, 3, 1), date(1985, 12, 31))
    is_dealers = number % 17 == 16
    return Member(
        controller_id=world.rows["dealer"][0] if is_dealers else world.brand.pk,
        org_unit_id=chance.choice([None, *world.rows["unit"]]),
        display_name=name,
        remark=remark,
        name_tokens=tokens(name, remark),
        stage=chance.choice(Member.Stage.values),
        rfm=chance.choice(["", *Member.Rfm.values]),
        trust=chance.choice(Member.Trust.values),
        owner_id=chance.choice([None, *world.rows["staff"]]),
        gender=chance.choice(["", "f", "m"]),
        birthday=chance.choice([*birthdays, date(2000, chance.randint(1, 12), 7)]),
        city=chance.choice(["", *CITIES]),
        phone_hash=chance.choice(["", "abc"]),
        is_reachable=chance.random() < 0.8,
        opted_out_at=chance.choice([None, None, None, NOW - DAY]),
        frozen_until=chance.choice([None, None, NOW - DAY, NOW, NOW + DAY]),
        first_seen_at=_ago(chance),
        last_seen_at=_ago(chance),
    )


def _surroundings(world: SegmentWorld, chance: random.Random, member: Member) -> None:
    rows = world.rows
    for tag in chance.sample(rows["tag"], chance.randrange(4)):
        MemberTag.objects.create(member=member, tag_id=tag, set_by=world.owner)
    for segment in rows["segment"]:
        if chance.random() < 0.3:
            SegmentMember.objects.create(segment_id=segment, member=member)
    for kind, account in zip(
        ("openid", "openid", "unionid"), [*rows["account"][:2], None], strict=True
    ):
        if chance.random() < 0.6:
            Identity.objects.create(
                member=member,
                controller_id=member.controller_id,
                kind=kind,
                account_id=account,
                value=f"o{member.pk}-{account}",
                is_following=chance.random() < 0.7,
                scene=chance.choice(["", "store.1", "store_2"]),
            )
    for colleague in rows["colleague"]:
        if chance.random() < 0.4:
            Relation.objects.create(
                member=member,
                colleague_id=colleague,
                state=chance.choice(Relation.State.values),
                add_way=chance.choice([None, 1, 3]),
                channel_state=chance.choice(["", "store_1"]),
            )
    _value(chance, member)
    _history(world, chance, member)
    for number in range(chance.randrange(5)):
        _order(world, chance, member, number)


def _value(chance: random.Random, member: Member) -> None:
    if chance.random() < 0.7:
        MemberValue.objects.create(
            member=member,
            interactions=chance.randrange(6),
            relationship=Decimal(chance.randrange(50)) / 10,
            **{f"{each}_score": chance.choice([None, 1, 3, 5]) for each in "rfm"},
        )


def _history(world: SegmentWorld, chance: random.Random, member: Member) -> None:
    Event.objects.bulk_create(
        Event(
            member=member,
            kind=chance.choice(KINDS),
            at=_ago(chance),
            key=f"{member.pk}:{number}",
            account_id=chance.choice([None, *world.rows["account"]]),
            data=chance.choice(
                [
                    {},
                    {"text": "要退货"},
                    {"text": ""},
                    {"text": None, "n": 5},
                    {"n": 7.5, "ok": True},
                    {"n": "5", "ok": 1},
                    {"n": 1, "text": ["退货"]},
                ]
            ),
        )
        for number in range(chance.randrange(7))
    )
    same = _ago(chance)
    for number in range(chance.randrange(4)):
        ConsentEntry.objects.create(
            member=member,
            account_id=chance.choice([None, *world.rows["account"]]),
            purpose=chance.choice(["marketing", "marketing", "profile"]),
            channel=chance.choice(["", "", "sms"]),
            action=chance.choice(["granted", "withdrawn"]),
            source="staff",
            key=f"{member.pk}:{number}",
            at=same if chance.random() < 0.5 else _ago(chance),
        )


def _order(
    world: SegmentWorld, chance: random.Random, member: Member, number: int
) -> None:
    amount = Decimal(chance.choice([0, 50, 99, 100, 300]))
    state = chance.choice([*Order.State.values, "paid", "paid", "paid"])
    part = amount / 2 if state == "part_back" else Decimal(0)
    order = Order.objects.create(
        controller_id=member.controller_id,
        member=member,
        shop=chance.choice(SHOPS),
        code=f"{member.pk}-{number}",
        state=state,
        amount=amount,
        refunded=amount if state == "refunded" else part,
        paid_at=None if chance.random() < 0.1 else _ago(chance),
    )
    for product in chance.sample(world.rows["product"], chance.randrange(3)):
        OrderItem.objects.create(order=order, product_id=product, amount=amount / 2)


# -- random rules


class Rules:
    """Rules nobody thought of, all of them valid, over the rows of a world."""

    def __init__(self, world: SegmentWorld, seed: int) -> None:
        self.world, self.chance = world, random.Random(seed)

    def rule(self, depth: int = 1) -> dict[str, Any]:
        kind = self.chance.random()
        if depth >= 5 or kind < 0.35 + depth * 0.1:
            return self.condition()
        if kind > 0.85:
            return {"not": self.rule(depth + 1)}
        word = self.chance.choice(["all", "any"])
        count = self.chance.choice((1, 2, 2, 3))
        return {word: [self.rule(depth + 1) for _ in range(count)]}

    def condition(self) -> dict[str, Any]:
        kind = CONDITIONS[self.chance.choice(list(CONDITIONS))]
        while True:
            found: dict[str, Any] = {"on": kind.on}
            for param in kind.params:
                if not param.applies(found):
                    continue
                if param.is_required or self.chance.random() < 0.3:
                    found[param.name] = self.value(kind.on, param)
            if self.is_sound(found):
                return found

    def value(self, on: str, param: Any) -> Any:
        chance = self.chance
        if param.of:
            rows = self.world.rows[param.of]
            if param.form == "id":
                return chance.choice(rows)
            return chance.sample(rows, chance.randint(1, min(3, len(rows))))
        if param.form == "choice":
            return chance.choice(param.known())
        if param.form == "choices":
            known = list(KINDS) if on == "event" else param.known()
            return chance.sample(known, chance.randint(1, min(3, len(known))))
        if param.form == "whole":
            most = min(param.most, 400)
            if param.name == "at_least":
                return chance.choice((1, 1, 2, 3))
            return min(most, chance.choice((1, 2, 7, 29, 30, 31, 90, 366)))
        if param.form in ("text", "texts"):
            text = chance.choice(TEXTS[on])
            return text if param.form == "text" else [text]
        return self.plain(param.form)

    def plain(self, form: str) -> Any:
        chance = self.chance
        plain = {
            "wholes": lambda: chance.sample(range(1, 13), 3),
            "number": lambda: chance.choice(NUMBERS),
            "flag": lambda: chance.random() < 0.6,
            "date": lambda: str((NOW - chance.choice((0, 1, 30, 365)) * DAY).date()),
            "where": lambda: [self.where() for _ in range(chance.randint(1, 2))],
        }
        return plain[form]()

    def where(self) -> dict[str, Any]:
        chance = self.chance
        key, op = (
            chance.choice(("text", "n", "ok", "none")),
            chance.choice(("eq", "ne", "contains", "gte", "lte", "known")),
        )
        found: dict[str, Any] = {"key": key, "is": op}
        if op in ("gte", "lte"):
            found["value"] = chance.choice((1, 5, 7.5))
        elif op == "contains":
            found["value"] = chance.choice(("退", "5"))
        elif op != "known":
            found["value"] = chance.choice(("要退货", 5, "5", True, 1, 7.5))
        return found

    @staticmethod
    def is_sound(found: dict[str, Any]) -> bool:
        """What two values together would be refused for."""
        if found["on"] == "tags":
            refused = set(found.get("none", ()))
            wanted, every = set(found.get("any", ())), set(found.get("all", ()))
            empty = not (refused or wanted or every)
            return not (empty or refused & every or (wanted and wanted <= refused))
        if "within_days" in found and ("since" in found or "until" in found):
            return False
        if "since" in found and "until" in found and found["since"] > found["until"]:
            return False
        return not ("to" in found and found["to"] < found["value"])
