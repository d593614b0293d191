"""Rules of segments: what is accepted, what is refused and where it stands."""

from __future__ import annotations

from typing import Any

import pytest

from crm import segments
from crm.models import Segment
from crm.segments import SegmentInvalid, as_rule
from staff.models import OrgUnit

pytestmark = pytest.mark.django_db


@pytest.fixture
def brand() -> OrgUnit:
    return OrgUnit.objects.create(name="Brand", kind="brand")


GOOD: list[dict[str, Any]] = [
    {"all": []},
    {"on": "stage", "in": ["new"]},
    {"not": {"on": "gender", "in": ["f", "unknown"]}},
    {
        "all": [
            {"on": "city", "is": "in", "values": ["上海", "杭州"]},
            {
                "any": [
                    {"on": "birthday", "is": "next_days", "days": 7},
                    {
                        "on": "orders",
                        "measure": "amount",
                        "is": "between",
                        "value": 99.5,
                        "to": 500,
                        "since": "2026-06-01",
                        "until": "2026-06-20",
                    },
                    {
                        "on": "event",
                        "kinds": ["message.text"],
                        "did": False,
                        "at_least": 2,
                        "within_days": 30,
                        "where": [{"key": "text", "is": "contains", "value": "退货"}],
                    },
                ]
            },
        ]
    },
]


@pytest.mark.parametrize("rule", GOOD)
def test_a_rule_is_stored_as_it_was_read(rule: Any, brand: OrgUnit) -> None:
    assert as_rule(segments.parse(rule, controller=brand)) == rule
    assert segments.parse({}, controller=brand) == segments.parse(
        {"all": []}, controller=brand
    )


@pytest.mark.parametrize(
    ("rule", "path"),
    [
        ([], ""),
        ("x", ""),
        ({"all": [], "any": []}, ""),
        ({"any": []}, "/any"),
        ({"all": [{"all": []}]}, "/all/0/all"),
        ({"on": "password"}, "/on"),
        ({"on": ["stage"]}, "/on"),
        ({"on": "stage"}, "/in"),
        ({"on": "stage", "in": ["king"]}, "/in"),
        ({"on": "stage", "in": "new"}, "/in"),
        ({"on": "stage", "in": ["new"], "controller_id": 1}, ""),
        ({"on": "name", "contains": "a\x00"}, "/contains"),
        ({"on": "name", "contains": "\ud800"}, "/contains"),
        ({"on": "tags", "any": [999_999]}, "/any"),
        ({"on": "tags", "any": [True]}, "/any"),
        ({"on": "tags", "any": [2**70]}, "/any"),
        ({"on": "tags"}, ""),
        ({"on": "tags", "any": [1], "none": [1]}, "/none"),
        ({"on": "orders", "measure": "count", "is": "between", "value": 2}, "/to"),
        (
            {"on": "orders", "measure": "count", "is": "gte", "value": 2, "to": 3},
            "/to",
        ),
        ({"on": "orders", "measure": "count", "is": "gte", "value": 1e400}, "/value"),
        ({"on": "score", "of": "r", "is": "gte", "value": 0.125}, "/value"),
        (
            {
                "on": "event",
                "kinds": ["message.text"],
                "did": True,
                "where": [{"key": "a' OR 1=1 --", "is": "eq", "value": "x"}],
            },
            "/where/0/key",
        ),
        (
            {
                "on": "event",
                "kinds": ["message.text"],
                "did": True,
                "since": "2026-02-30",
            },
            "/since",
        ),
    ],
)
def test_anything_else_is_refused_with_its_place(
    rule: Any, path: str, brand: OrgUnit
) -> None:
    with pytest.raises(SegmentInvalid) as refusal:
        segments.parse(rule, controller=brand)
    assert path in [place for place, _words in refusal.value.problems]


def test_groups_can_not_be_nested_without_end(brand: OrgUnit) -> None:
    rule: Any = {"on": "phone", "known": True}
    for _ in range(2000):
        rule = {"not": rule}
    with pytest.raises(SegmentInvalid):
        segments.parse(rule, controller=brand)
    wide = {"all": [{"on": "phone", "known": True}] * 61}
    with pytest.raises(SegmentInvalid):
        segments.parse(wide, controller=brand)


def test_segments_never_stand_in_a_circle(brand: OrgUnit, make_staff: Any) -> None:
    owner = make_staff("ops_manager", org_unit=brand)

    def made(name: str, rule: Any) -> Segment:
        return Segment.objects.create(
            controller=brand, name=name, rule=rule, owner=owner
        )

    first = made("first", {"all": []})
    second = made("second", {"on": "segment", "segment": first.pk, "in": True})
    third = {"not": {"on": "segment", "segment": second.pk, "in": False}}
    segments.parse(third, controller=brand)
    segments.parse(third, controller=brand, segment=second.pk + 100)
    with pytest.raises(SegmentInvalid, match=r"circle|成环"):
        segments.parse(third, controller=brand, segment=first.pk)


def test_a_rule_names_nothing_of_another_controller(
    brand: OrgUnit, make_staff: Any
) -> None:
    dealer = OrgUnit.objects.create(
        name="Dealer", kind="dealer", parent=brand, is_separate_controller=True
    )
    shop = OrgUnit.objects.create(name="Shop", kind="store", parent=dealer)
    with pytest.raises(SegmentInvalid):
        segments.parse({"on": "store", "units": [shop.pk]}, controller=brand)
    segments.parse({"on": "store", "units": [shop.pk]}, controller=dealer)


def test_the_catalogue_describes_every_condition(
    brand: OrgUnit, make_staff: Any
) -> None:
    described = segments.catalogue(brand, make_staff("ops_manager", org_unit=brand))
    grouped = [on for group in described["groups"] for on in group["conditions"]]
    assert sorted(grouped) == sorted(described["conditions"])
    for condition in described["conditions"].values():
        for param in condition["params"]:
            assert param["form"] not in ("choice", "choices") or param["choices"]
            assert "of" not in param or param["of"] in described["options"]
    shapes = segments.schema()["$defs"]["node"]["oneOf"]
    assert len(shapes) == 3 + len(grouped)
