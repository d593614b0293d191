"""What tests of values begin with: categories, weights, tags, people and purchases."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

from django.utils import timezone

from core.inserting import insert_new
from crm.models import (
    Category,
    Event,
    Member,
    MemberTag,
    Order,
    OrderItem,
    Product,
    Tag,
)
from crm.taxonomy import load_builtin as load_tags
from crm.value import weights
from staff.accounts import system_staff

ZONE = timezone.get_default_timezone()


def noon(day: date, hour: int = 12, minute: int = 0) -> datetime:
    return datetime(day.year, day.month, day.day, hour, minute, tzinfo=ZONE)


def stock(world: SimpleNamespace) -> SimpleNamespace:
    """Make the brand of `world` a shop, with a product in every category."""
    load_tags()
    weights.load_builtin()
    categories = {row.code: row for row in Category.objects.all()}
    world.categories = categories
    world.products = {
        code: Product.objects.create(
            controller=world.brand, code=code, name=code, category=category
        )
        for code, category in categories.items()
    }
    world.tags = {tag.builtin_key: tag for tag in Tag.objects.exclude(builtin_key="")}
    world.writer = system_staff("crm.value")
    world.number = 0
    return world


def add_member(shop: SimpleNamespace, **fields: Any) -> Member:
    return Member.objects.create(
        controller=fields.pop("controller", shop.brand), display_name="某人", **fields
    )


def add_order(
    shop: SimpleNamespace,
    member: Member,
    at: datetime,
    amount: Any = 100,
    *,
    refunded: Any = 0,
    state: str = "paid",
    items: dict[str, Any] | None = None,
) -> Order:
    shop.number += 1
    order = Order.objects.create(
        controller=member.controller,
        member=member,
        shop="店",
        code=f"o{shop.number}",
        state=state,
        placed_at=at,
        paid_at=at,
        amount=Decimal(amount),
        refunded=Decimal(refunded),
    )
    for code, part in (items if items is not None else {"beauty": amount}).items():
        OrderItem.objects.create(
            order=order, product=shop.products[code], amount=Decimal(part)
        )
    return order


def put(shop: SimpleNamespace, member: Member, key: str) -> None:
    MemberTag.objects.create(
        member=member, tag=shop.tags[key], source="manual", set_by=shop.writer
    )


def write(member: Member, kind: str, at: datetime, **data: Any) -> None:
    key = f"test:{member.pk}:{kind}:{at.timestamp()}"
    insert_new(Event(member=member, kind=kind, at=at, key=key, data=data))
