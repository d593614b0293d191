"""The brand the made-up members belong to: units, accounts, colleagues, tags, products."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from django.utils import timezone

from crm.models import Category, Product, Tag, TagGroup
from staff.accounts import system_staff
from staff.models import OrgUnit, Staff
from wechat.models import Account, Colleague

Kind = OrgUnit.Kind
REGIONS = ("华东大区", "华南大区", "华北大区", "西南大区")
PLACES = [
    "静安寺",
    "湖滨",
    "西湖",
    "天河",
    "南山",
    "国贸",
    "三里屯",
    "太古里",
    "新街口",
    "观前街",
    "江汉路",
    "小寨",
    "解放碑",
    "天一广场",
    "五一广场",
    "万象城",
    "二七广场",
    "淮河路",
    "中山路",
    "和平路",
]
# Name, share of the members in percent, stores; the first is the brand itself.
CONTROLLERS = (("林间", 88), ("杭州经销商", 8), ("成都经销商", 4))
MEMBERS_PER_STORE, MOST_STORES, GUIDES = 5_000, 120, 3
OWN_TAGS, PRODUCTS = 100, 200
GOODS = (
    "面霜",
    "精华",
    "洁面",
    "身体乳",
    "香薰",
    "挂耳咖啡",
    "燕麦脆",
    "衬衫",
    "针织衫",
    "床品四件套",
)
CATEGORIES = (
    ("beauty", "美妆护肤", 60),
    ("coffee", "咖啡零食", 10),
    ("apparel", "服饰", 75),
    ("home", "家纺", 180),
)


@dataclass(frozen=True)
class Shelf:
    """Products of a controller as (id, price in yuan)."""

    products: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Store:
    """A store with the guides who befriend its members, by primary key."""

    unit: int
    # (staff, colleague) of each guide; dealers have no WeCom corp, so no colleague.
    guides: tuple[tuple[int, int | None], ...]


@dataclass(frozen=True)
class TagChoice:
    """A tag members may carry. `group` is its exclusive group, else 0."""

    tag: int
    group: int
    source: str
    days: int


@dataclass(frozen=True)
class Controller:
    """A data controller with all that its members refer to, by primary key."""

    unit: int
    share: int
    service: int
    subscription: int | None
    wecom: int | None
    stores: tuple[Store, ...]
    tags: tuple[TagChoice, ...]
    stage_tags: dict[str, int]
    shelf: Shelf


@dataclass(frozen=True)
class World:
    """All that generated members refer to; `now` is the last moment of their history."""

    now: datetime
    controllers: tuple[Controller, ...]
    # Who sets tags by rule, and who by hand.
    rules: int
    clerk: int


def build(count: int) -> World:
    """Make what is missing of the brand; what an earlier run made is used again."""
    clerk = _person("gen-clerk", "运营小林", None)
    midnight = timezone.now().replace(hour=0, minute=0, second=0, microsecond=0)
    # All of it happened by last night.
    now = midnight - timedelta(days=1)
    brand: OrgUnit | None = None
    made = []
    for number, (name, share) in enumerate(CONTROLLERS):
        unit = _unit(name, Kind.DEALER if brand else Kind.BRAND, brand, bool(brand))
        made.append(_controller(unit, number, share, count))
        brand = brand or unit
    Staff.objects.filter(pk=clerk.pk).update(org_unit=brand)
    return World(now, tuple(made), system_staff("crm.rules").pk, clerk.pk)


def _controller(unit: OrgUnit, number: int, share: int, count: int) -> Controller:
    is_brand = number == 0
    service = _account(unit, f"gen-service-{number}", f"{unit}服务号", "service")
    wecom = _account(unit, "gen-wecom", f"{unit}企微", "wecom") if is_brand else None
    weekly = (
        _account(unit, "gen-weekly", f"{unit}周刊", "subscription")
        if is_brand
        else None
    )
    tags, stages = _tags(unit)
    return Controller(
        unit=unit.pk,
        share=share,
        service=service.pk,
        subscription=weekly.pk if weekly else None,
        wecom=wecom.pk if wecom else None,
        stores=tuple(_stores(unit, number, count * share // 100, wecom)),
        tags=tags,
        stage_tags=stages,
        shelf=_shelf(unit),
    )


def _unit(name: str, kind: str, parent: OrgUnit | None, is_separate: bool) -> OrgUnit:
    known = {"name": name, "kind": kind, "parent": parent}
    found = OrgUnit.objects.filter(**known).first()
    return found or OrgUnit.objects.create(**known, is_separate_controller=is_separate)


def _account(unit: OrgUnit, slug: str, name: str, kind: str) -> Account:
    found, _made = Account.objects.get_or_create(
        slug=slug,
        defaults={
            "name": name,
            "kind": kind,
            "org_unit": unit,
            "original_id": f"gh_{slug}",
            "state": Account.State.LIVE,
            "is_sandbox": True,
        },
    )
    return found


def _person(username: str, name: str, unit: OrgUnit | None) -> Staff:
    found, _made = Staff.objects.get_or_create(
        username=username,
        defaults={"display_name": name, "org_unit": unit, "password": "!"},
    )
    return found


def _stores(
    unit: OrgUnit, number: int, members: int, wecom: Account | None
) -> list[Store]:
    count = min(MOST_STORES, max(3, members // MEMBERS_PER_STORE))
    found = []
    for place in range(count):
        parent = unit
        if number == 0:
            region = REGIONS[place % len(REGIONS)]
            parent = _unit(region, Kind.REGION, unit, False)
        round_, at = divmod(place, len(PLACES))
        name = f"{PLACES[at]}{round_ + 1 if round_ else ''}店"
        store = _unit(name, Kind.STORE, parent, False)
        guides = tuple(
            _guide(store, f"gen-{number}-{place}-{turn}", turn, wecom)
            for turn in range(GUIDES)
        )
        found.append(Store(store.pk, guides))
    return found


def _guide(
    store: OrgUnit, username: str, turn: int, wecom: Account | None
) -> tuple[int, int | None]:
    person = _person(username, f"{store.name[:-1]}导购{turn + 1}", store)
    if wecom is None:
        return person.pk, None
    colleague, _made = Colleague.objects.get_or_create(
        account=wecom,
        userid=username,
        defaults={"name": person.display_name, "staff": person},
    )
    return person.pk, colleague.pk


def _tags(unit: OrgUnit) -> tuple[tuple[TagChoice, ...], dict[str, int]]:
    """The tags in the order of their frequency; those of stages apart."""
    group, _made = TagGroup.objects.get_or_create(
        controller=unit, code="gen-topics", defaults={"name": f"{unit}话题"}
    )
    for number in range(1, OWN_TAGS + 1):
        Tag.objects.get_or_create(group=group, controller=unit, name=f"话题{number:03}")
    rows = Tag.objects.of_controller(unit.pk).in_use().select_related("group")
    stages: dict[str, int] = {}
    plain: list[TagChoice] = []
    seldom: list[TagChoice] = []
    for tag in rows.order_by("id"):
        if tag.builtin_key.startswith("lifecycle."):
            stages[_stage(tag.builtin_key)] = tag.pk
            continue
        exclusive = tag.group_id if tag.group.is_exclusive else 0
        days = tag.group.expires_after_days or 0
        choice = TagChoice(tag.pk, exclusive, tag.group.source, days)
        (seldom if tag.is_suppressing else plain).append(choice)
    # Own tags and built-in ones stand mixed, frequent and rare of both.
    plain.sort(key=lambda choice: choice.tag * 7919 % 1009)
    return (*plain, *seldom), stages


def _stage(builtin_key: str) -> str:
    """ "lifecycle.New customer" → "new"; the others are called as the stage is."""
    name = builtin_key.partition(".")[2].lower().replace(" ", "_")
    return "new" if name == "new_customer" else name


def _shelf(unit: OrgUnit) -> Shelf:
    if not Category.objects.filter(controller=None).exists():
        Category.objects.bulk_create(
            Category(code=code, name=name, cycle_days=days)
            for code, name, days in CATEGORIES
        )
    categories = list(Category.objects.filter(controller=None))
    Product.objects.bulk_create(
        [
            Product(
                controller=unit,
                code=f"G{number:04}",
                name=f"{GOODS[number % len(GOODS)]} {number:03}",
                category=categories[number % len(GOODS) % len(categories)],
                price=Decimal(19 + number * 37 % 480),
            )
            for number in range(PRODUCTS)
        ],
        ignore_conflicts=True,
    )
    rows = Product.objects.filter(controller=unit, code__startswith="G")
    found = rows.order_by("code").values_list("pk", "price")
    return Shelf(tuple((key, int(price)) for key, price in found))
