"""Segments of the demo, computed and with versions, and views people saved for themselves."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db import transaction

from crm import segment_lists, segmenting
from crm.models import Category, Member, Segment, Tag
from crm.segments import computing
from staff import saved_views
from staff.models import OrgUnit, Staff

Rule = dict[str, Any]
ON_LIST = 9
VIEWS = (
    ("高价值、30 天没互动", "rfm=rfm&rfm=fm&rfm=rm&seen=not-30"),
    ("沉睡预警、还能触达", "stage=at_risk&stage=dormant&reach=may"),
)


@transaction.atomic
def write(units: dict[str, OrgUnit], writer: Staff, manager: Staff) -> int:
    """Make, compute, change and fix them; how many segments there are.

    In one transaction, so that no worker computes them in between.
    """
    brand = units["brand"]
    tags = {tag.name: tag.pk for tag in Tag.objects.filter(controller=None)}
    made = {
        name: segmenting.create(
            brand, actor=writer, name=name, description=description, rule=rule
        )
        for name, description, rule in _rules(units, tags)
    }
    valued = made["高价值护肤会员"]
    asleep = made["沉睡预警待唤醒"]
    _compute(made.values())
    quiet = segmenting.create(
        brand,
        actor=manager,
        name="高价值，30 天没互动",
        description="导购这周逐个问候，不发群发",
        rule=_all(
            {"on": "segment", "segment": valued.pk, "in": True},
            {"on": "seen", "is": "not_within", "days": 30},
        ),
    )
    asleep = segmenting.update(
        asleep,
        segmenting.revision_of(asleep),
        actor=manager,
        name=asleep.name,
        description=asleep.description,
        rule=_all(
            *asleep.rule["all"],
            {"not": {"on": "tags", "any": [tags["投诉中"], tags["售后中"]]}},
        ),
    )
    _compute([asleep, quiet])
    reserved = Segment.objects.get(pk=made["双11 预售名单"].pk)
    segmenting.freeze(reserved, segmenting.revision_of(reserved), actor=manager)
    _list_by_hand(brand, writer)
    for name, query in VIEWS:
        saved_views.save("crm.member", name, query, actor=manager)
    return Segment.objects.filter(controller=brand).count()


def _rules(
    units: dict[str, OrgUnit], tags: dict[str, int]
) -> Iterable[tuple[str, str, Rule]]:
    beauty = Category.objects.get(controller=None, code="beauty").pk
    yield (
        "高价值护肤会员",
        "RFM 里的三个重要分层，一年内护肤花了 500 元以上",
        _all(
            {"on": "rfm", "in": ["rfm", "rm", "fm"]},
            _bought("amount", 500, within_days=365, categories=[beauty]),
        ),
    )
    yield (
        "沉睡预警待唤醒",
        "快要或已经沉睡、还能发营销消息的人",
        _all(
            {"on": "stage", "in": ["at_risk", "dormant"]},
            {"on": "marketing", "is": "may"},
        ),
    )
    yield (
        "华东门店，买过两次以上",
        "店庆邀约用",
        _all(
            {"on": "store", "units": [units["region"].pk], "with_below": True},
            _bought("count", 2),
        ),
    )
    yield (
        "常互动，90 天没下单",
        "90 天里说话或点击两次以上，适合一对一问一句",
        _all(
            {
                "on": "event",
                "kinds": ["message.text", "click", "view"],
                "did": True,
                "at_least": 2,
                "within_days": 90,
            },
            {
                "on": "orders",
                "measure": "count",
                "is": "lte",
                "value": 0,
                "within_days": 90,
            },
        ),
    )
    yield (
        "双11 预售名单",
        "开售前一晚固定，发尾款提醒用",
        {"on": "tags", "any": [tags["预约未付"], tags["预售已付定金"]]},
    )


def _all(*parts: Rule) -> Rule:
    return {"all": list(parts)}


def _bought(measure: str, least: int, **more: Any) -> Rule:
    return {"on": "orders", "measure": measure, "is": "gte", "value": least, **more}


def _compute(segments: Iterable[Segment]) -> None:
    for segment in computing.in_order(segments):
        computing.compute(segment)


def _list_by_hand(brand: OrgUnit, writer: Staff) -> None:
    """Whom colleagues thought of themselves."""
    chosen = segmenting.create(
        brand,
        actor=writer,
        name="体验官候选",
        description="各店推荐，先打电话问意愿",
        kind=Segment.Kind.LIST,
    )
    loyal = Member.objects.known().filter(controller=brand, stage=Member.Stage.LOYAL)
    numbers = loyal.order_by("pk").values_list("pk", flat=True)[:ON_LIST]
    text = " ".join(f"#{number}" for number in numbers)
    segment_lists.add(chosen, text, actor=writer)
