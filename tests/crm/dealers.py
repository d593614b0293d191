"""Two dealers of one brand: one from which is tried, one with people to get at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.test import Client
from rest_framework.test import APIClient

from crm import phones
from crm.models import (
    Category,
    Identity,
    Member,
    Product,
    Segment,
    Tag,
    TagGroup,
    Topic,
)
from staff.models import OrgUnit, Staff
from tests.api.conftest import Side, client_of, make_side
from tests.conftest import build_staff
from wechat.models import Colleague

NOBODY = 999_999_999
PHONE, BUYER, CODE = "13912345678", "buyer-of-b", "B-20261111"


@dataclass
class Place:
    """`theirs` is a member of `b`, `rows` one row of `b` of each kind."""

    a: Side
    b: Side
    store: OrgUnit
    dealer: Staff
    theirs: Member
    rows: dict[str, Any]

    def login(self, role: str = "dealer", unit: OrgUnit | None = None) -> Client:
        person = build_staff(role, org_unit=unit) if unit else self.dealer
        client = Client(raise_request_exception=False)
        client.force_login(person)
        return client

    def api(self) -> APIClient:
        return client_of(self.dealer)


def rows_of(side: Side) -> dict[str, Any]:
    """One row of each kind that a form, filter or rule may name."""
    group = TagGroup.objects.create(
        controller=side.unit, code=f"g{side.unit.pk}", name="组"
    )
    name = f"店长 {side.account.slug}"
    owner = build_staff("dealer", org_unit=side.unit, display_name=name)
    category = Category.objects.create(controller=side.unit, code="c", name="品类")
    lists = {"controller": side.unit, "owner": owner, "kind": "list"}
    product = {
        "controller": side.unit,
        "code": f"P-{side.account.slug}",
        "name": "商品",
    }
    return {
        "tag": Tag.objects.create(controller=side.unit, group=group, name="标签"),
        "group": group,
        "account": side.account,
        "colleague": Colleague.objects.create(
            account=side.account, userid="guide", name="导购"
        ),
        "unit": OrgUnit.objects.create(name="门店", kind="store", parent=side.unit),
        "staff": owner,
        "segment": Segment.objects.create(name="名单", **lists),
        "product": Product.objects.create(category=category, **product),
        "category": category,
        "topic": Topic.objects.create(controller=side.unit, name="主题"),
    }


def build_place() -> Place:
    brand = OrgUnit.objects.create(name="林间", kind="brand")
    a, b = (
        make_side(
            name,
            OrgUnit.objects.create(
                name=name, kind="dealer", parent=brand, is_separate_controller=True
            ),
        )
        for name in ("dealer-a", "dealer-b")
    )
    theirs = b.member("乙家的客")
    phones.fill(theirs, PHONE)
    theirs.save()
    Identity.objects.create(member=theirs, controller=b.unit, kind="buyer", value=BUYER)
    b.order(theirs, code=CODE, buyer=BUYER)
    store = OrgUnit.objects.create(name="甲店", kind="store", parent=a.unit)
    dealer = build_staff("dealer", org_unit=a.unit)
    return Place(a, b, store, dealer, theirs, rows_of(b))
