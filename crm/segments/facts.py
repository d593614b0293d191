"""What is known of a member, loaded once, to judge rules without the database."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import OuterRef
from django.utils import timezone

from crm import kept
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
    Relation,
    SegmentMember,
)
from crm.segments import conditions as on
from crm.segments.tree import Node, conditions_of


@dataclass(frozen=True)
class Item:
    """One line of an order: ids, and what was kept of it, in yuan (crm.kept).

    `categories`: its own and those with the same code.
    """

    product: int
    categories: tuple[int, ...]
    kept: Decimal


@dataclass(frozen=True)
class Bought:
    """One order that counts."""

    paid_at: datetime | None
    shop: str
    net: Decimal
    items: tuple[Item, ...]


@dataclass(frozen=True)
class Line:
    """One event."""

    kind: str
    at: datetime
    account: int | None
    data: dict[str, Any]


@dataclass
class Facts:
    """One member with everything a rule may ask of them."""

    member: Member
    path: str = ""
    tags: set[int] = field(default_factory=set)
    identities: list[Identity] = field(default_factory=list)
    relations: list[Relation] = field(default_factory=list)
    corps: set[int] = field(default_factory=set)
    orders: list[Bought] = field(default_factory=list)
    events: list[Line] = field(default_factory=list)
    consents: list[ConsentEntry] = field(default_factory=list)
    value: MemberValue | None = None
    segments: set[int] = field(default_factory=set)


def load(
    members: Sequence[Member], *, node: Node | None = None, now: datetime | None = None
) -> dict[int, Facts]:
    """Facts of the members by id, in ten queries for any number of them.

    `node`: of events, only what this rule asks for; without it, all of them.
    """
    found = {member.pk: Facts(member) for member in members}
    pks = list(found)
    paths = Member.objects.filter(pk__in=pks, org_unit__isnull=False)
    for pk, path in paths.values_list("pk", "org_unit__path"):
        found[pk].path = path
    for pk, tag in _pairs(MemberTag.objects.filter(member__in=pks), "tag"):
        found[pk].tags.add(tag)
    for pk, segment in _pairs(SegmentMember.objects.filter(member__in=pks), "segment"):
        found[pk].segments.add(segment)
    for identity in Identity.objects.filter(member__in=pks):
        found[identity.member_id].identities.append(identity)
    for relation in Relation.objects.filter(member__in=pks).select_related("colleague"):
        facts = found[relation.member_id]
        facts.relations.append(relation)
        if relation.state == Relation.State.ACTIVE:
            facts.corps.add(relation.colleague.account_id)
    for entry in ConsentEntry.objects.filter(member__in=pks).order_by("at", "id"):
        found[entry.member_id].consents.append(entry)
    for value in MemberValue.objects.filter(member__in=pks):
        found[value.member_id].value = value
    _load_orders(found, pks)
    _load_events(found, pks, node, now or timezone.now())
    return found


def _pairs(rows: Any, name: str) -> Iterable[tuple[int, int]]:
    return list(rows.values_list("member", name))


def _load_orders(found: dict[int, Facts], pks: list[int]) -> None:
    lines: dict[int, list[tuple[int, int, list[int], Decimal]]] = defaultdict(list)
    same_code = Category.objects.filter(code=OuterRef("product__category__code"))
    orders = Order.objects.filter(member__in=pks).paid()
    rows = OrderItem.objects.filter(order__in=orders).values_list(
        "order", "pk", "product", ArraySubquery(same_code.values("pk")), "amount"
    )
    for order_id, item, product, categories, amount in rows:
        lines[order_id].append((item, product, categories, amount))
    for order in orders:
        found[order.member_id or 0].orders.append(_bought(order, lines[order.pk]))


def _bought(order: Order, lines: list[tuple[int, int, list[int], Decimal]]) -> Bought:
    """`lines`: item, product, categories and amount of each item."""
    costs = [(item, amount) for item, _product, _categories, amount in lines]
    left = kept.amounts(order.amount, order.refunded, costs)
    items = (
        Item(product, tuple(categories), amount)
        for (_item, product, categories, _cost), amount in zip(lines, left, strict=True)
    )
    return Bought(order.paid_at, order.shop, order.net, tuple(items))


def _load_events(
    found: dict[int, Facts], pks: list[int], node: Node | None, now: datetime
) -> None:
    rows = Event.objects.filter(member__in=pks)
    if node is not None:
        asked = [each for each in conditions_of(node) if isinstance(each, on.Happened)]
        rows = rows.filter(kind__in={kind for each in asked for kind in each.kinds})
        if asked and all(each.within_days is not None for each in asked):
            days = max(each.within_days or 0 for each in asked)
            rows = rows.filter(at__gt=now - timedelta(days=days))
    for member, kind, at, account, data in rows.values_list(
        "member", "kind", "at", "account", "data"
    ):
        found[member].events.append(Line(kind, at, account, data))
