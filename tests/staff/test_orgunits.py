"""The tree of org units: what moves, moves with everything below it."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from crm.models import Member
from staff import orgunits
from staff.models import OrgUnit, Staff
from tests.conftest import build_staff


@pytest.fixture
def tree(db: None) -> dict[str, OrgUnit]:
    brand = OrgUnit.objects.create(name="brand", kind="brand")
    east = OrgUnit.objects.create(name="east", kind="region", parent=brand)
    west = OrgUnit.objects.create(name="west", kind="region", parent=brand)
    dealer = OrgUnit.objects.create(
        name="dealer", kind="dealer", parent=east, is_separate_controller=True
    )
    shop = OrgUnit.objects.create(name="shop", kind="store", parent=dealer)
    return {unit.name: unit for unit in (brand, east, west, dealer, shop)}


@pytest.fixture
def chief(tree: dict[str, OrgUnit]) -> Staff:
    return build_staff("administrator", org_unit=tree["brand"])


def _fresh(unit: OrgUnit) -> OrgUnit:
    return OrgUnit.objects.get(pk=unit.pk)


def test_a_moved_unit_takes_its_subtree_along(
    tree: dict[str, OrgUnit], chief: Staff
) -> None:
    dealer = tree["dealer"]
    dealer.parent = tree["west"]
    orgunits.save_unit(dealer, actor=chief)
    west = _fresh(tree["west"])
    assert _fresh(dealer).path == f"{west.path}{dealer.pk}/"
    assert _fresh(tree["shop"]).path == f"{west.path}{dealer.pk}/{tree['shop'].pk}/"
    assert _fresh(tree["shop"]).controller_id == dealer.pk


def test_a_unit_never_hangs_below_itself(
    tree: dict[str, OrgUnit], chief: Staff
) -> None:
    east = tree["east"]
    east.parent = tree["shop"]
    with pytest.raises(orgunits.NotBelowItself):
        orgunits.save_unit(east, actor=chief)
    assert _fresh(east).parent_id == tree["brand"].pk


def test_peoples_data_does_not_change_its_controller_by_a_click(
    tree: dict[str, OrgUnit], chief: Staff
) -> None:
    dealer = tree["dealer"]
    Member.objects.create(
        controller=dealer, org_unit=tree["shop"], display_name="林小满"
    )
    client = Client()
    client.force_login(chief)
    answer = client.post(
        reverse("admin:staff_orgunit_change", args=[dealer.pk]),
        {
            "name": "dealer",
            "kind": "dealer",
            "is_active": "on",
            "parent": str(tree["east"].pk),
        },
        follow=True,
    )
    assert "请先完成移交" in answer.content.decode()
    assert _fresh(dealer).controller_id == dealer.pk


def test_an_empty_dealer_may_become_part_of_the_brand(
    tree: dict[str, OrgUnit], chief: Staff
) -> None:
    dealer = tree["dealer"]
    dealer.is_separate_controller = False
    orgunits.save_unit(dealer, actor=chief)
    assert _fresh(tree["shop"]).controller_id == tree["brand"].pk


def test_the_list_shows_the_tree(tree: dict[str, OrgUnit], chief: Staff) -> None:
    client = Client()
    client.force_login(chief)
    page = client.get(reverse("admin:staff_orgunit_changelist")).content.decode()
    order = [page.index(f">{name}<") for name in ("brand", "east", "dealer", "shop")]
    assert order == sorted(order)


def test_only_a_store_has_a_place_and_both_coordinates_of_it(
    tree: dict[str, OrgUnit], chief: Staff
) -> None:
    client = Client()
    client.force_login(chief)

    def save(unit: OrgUnit, **place: str) -> str:
        page = client.post(
            reverse("admin:staff_orgunit_change", args=[unit.pk]),
            {
                "name": unit.name,
                "kind": unit.kind,
                "is_active": "on",
                "parent": str(unit.parent_id),
                **place,
            },
        )
        return page.content.decode()

    shop = tree["shop"]
    assert "经纬度请都填" in save(shop, latitude="31.22")
    assert "只有门店才有坐标" in save(tree["west"], latitude="31.22", longitude="121.4")
    assert "180" in save(shop, latitude="31.22", longitude="200")
    assert _fresh(shop).latitude is None
    assert save(shop, latitude="31.224", longitude="121.4453") == ""
    assert str(_fresh(shop).longitude) == "121.445300"
