"""Campaigns of the demo: one under way with touches in several states, one being planned."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.utils import timezone

from campaigns import (
    approving,
    blueprints,
    chores,
    clicks,
    gates,
    links,
    plans,
    snapshots,
    touches,
)
from campaigns.models import (
    Campaign,
    CampaignTemplate,
    LinkClick,
    Phase,
    Recipient,
    Task,
    Touch,
)
from content.models import Item, Version
from crm.models import Tag
from privatedomain.demo.contents import Desk, at
from privatedomain.demo.people import World
from staff.models import Staff

COUPON = (
    "您预约的双11 权益已经到账：山茶花面霜套装立减 60，本周日 24 点前有效。"
    "领取与使用：https://shop.linjian.example/coupon\n回复 TD 退订"
)
ENCORE = (
    "没赶上也不要紧：双11 返场到周五，您看过的护手霜还是活动价，每人限两支。"
    "去看看：https://shop.linjian.example/encore\n回复 TD 退订"
)
# What proves the tasks that are behind us, by step of the template.
PROOFS = {
    1: "活动简报 v3，11-02 签字",
    2: "问卷 312 份，作答率 9.4 %",
    3: "预约率 17.8 %",
    4: "文章 6 篇、海报 9 张，互动率 6.1 %",
    5: "领券率 41 %",
    6: "清单 100 %，值班表在群公告",
    7: "执行率 97 %",
}
ACCEPTED_AFTER = timedelta(seconds=40)


def plan(desk: Desk, world: World, manager: Staff) -> int:
    """Plan the campaigns; returns how many touches they have."""
    blueprints.load_builtin()
    found = {each.code: each for each in CampaignTemplate.objects.all()}
    _sale(desk, world, manager, found["big_sale"])
    _launch(desk, found["product_launch"])
    return Touch.objects.count()


def _sale(desk: Desk, world: World, manager: Staff, template: CampaignTemplate) -> None:
    """A sale on its second day: the warm-up done, the encore waits for the manager."""
    campaign = plans.create(
        name="双11 大促",
        template=template,
        org_unit=desk.brand,
        live_date=timezone.localdate() - timedelta(days=1),
        owner=manager,
        goal="复购 1,200 单；退订率低于 0.3 %；首响 P90 ≤ 60 秒",
        product_tie="山茶花面霜套装、护手霜",
        actor=desk.writer,
    )
    plans.start(campaign, campaign.revision, actor=manager)
    _work_through(campaign, desk.writer, manager)
    _said(desk, world, campaign)
    _asked(desk, campaign)


def _work_through(campaign: Campaign, writer: Staff, manager: Staff) -> None:
    State = Task.State
    for task in campaign.tasks.order_by("step"):
        chores.assign(task, manager if task.step in (1, 11) else writer, actor=manager)
        if task.step in PROOFS:
            proof = PROOFS[task.step]
            chores.set_state(
                task, State.DONE, seen=task.state, proof=proof, actor=writer
            )
        elif task.start_day <= 1:
            chores.set_state(task, State.DOING, seen=task.state, actor=writer)
    for point in campaign.gate_items.filter(code__in=("G0", "G1")):
        gates.tick(point, actor=manager)
    first = campaign.gate_items.filter(code="G2").order_by("position").first()
    if first is not None:
        gates.tick(first, note="返场券之外没有待发", actor=writer)


def _said(desk: Desk, world: World, campaign: Campaign) -> None:
    """A touch that went out four days ago, its people as the snapshot finds them now."""
    began = at(-4, 20)
    touch = touches.create(
        campaign,
        name="T-3 预约领券提醒",
        phase=_phase(campaign, "warm_up"),
        channel=Touch.Channel.MASS,
        account=desk.service,
        version=_version(desk, "双11 预约券提醒", COUPON),
        audience={"tags_any": _tags("大促型", "送礼", "有明确需求", "金卡")},
        batch_size=50,
        actor=desk.writer,
    )
    snapshots.take(touch)
    links.prepare(touch)
    for state in (Touch.State.IN_REVIEW, Touch.State.APPROVED, Touch.State.SENDING):
        Touch.objects.filter(pk=touch.pk).update(state=state)
    waiting = Recipient.objects.filter(touch=touch, state=Recipient.State.WAITING)
    waiting.update(state=Recipient.State.ACCEPTED, contacted_at=began + ACCEPTED_AFTER)
    Touch.objects.filter(pk=touch.pk).update(
        state=Touch.State.DONE,
        scheduled_at=began,
        snapshot_at=began - timedelta(hours=5),
        started_at=began,
        finished_at=began + ACCEPTED_AFTER,
        started_by=desk.writer,
    )
    _opened(world, touch, began)


def _opened(world: World, touch: Touch, began: datetime) -> None:
    """A mass send tells how often; by whom only of those who let WeChat say it."""
    reached = Recipient.objects.filter(touch=touch, state=Recipient.State.ACCEPTED)
    link = touch.links.first()
    if link is None:
        return
    LinkClick.objects.bulk_create(
        LinkClick(link=link, at=began + timedelta(minutes=world.draw.randint(1, 900)))
        for _number in range(reached.count() // 4)
    )
    for person in reached.select_related("member").order_by("pk")[::5]:
        opened = began + timedelta(minutes=world.draw.randint(1, 900))
        clicks.record(link, at=opened, recipient=person)


def _asked(desk: Desk, campaign: Campaign) -> None:
    touch = touches.create(
        campaign,
        name="T+3 返场券（未购）",
        phase=_phase(campaign, "live"),
        channel=Touch.Channel.MASS,
        account=desk.service,
        version=_version(desk, "双11 返场提醒", ENCORE),
        audience={
            "tags_any": _tags("大促型", "价格敏感", "夜间购买", "金卡"),
            "tags_none": _tags("好评用户"),
        },
        scheduled_at=at(2, 20),
        actor=desk.writer,
    )
    approving.ask(touch, actor=desk.writer)


def _launch(desk: Desk, template: CampaignTemplate) -> None:
    campaign = plans.create(
        name="山茶花面霜 2.0 新品上市",
        template=template,
        org_unit=desk.brand,
        live_date=timezone.localdate() + timedelta(days=24),
        owner=desk.writer,
        goal="100 位体验官；首批满意度 ≥ 4.6",
        product_tie="山茶花面霜 2.0",
        actor=desk.writer,
    )
    for task in campaign.tasks.filter(step__lte=3):
        chores.assign(task, desk.writer, actor=desk.writer)
    touches.create(
        campaign,
        name="招募 100 位体验官",
        phase=_phase(campaign, "warm_up"),
        channel=Touch.Channel.CUSTOM,
        account=desk.service,
        audience={"tags_any": _tags("尝新型"), "seen_within_days": 30},
        actor=desk.writer,
    )


def _phase(campaign: Campaign, kind: str) -> Phase:
    return campaign.phases.get(kind=kind)


def _tags(*names: str) -> list[int]:
    rows = Tag.objects.filter(controller=None, name__in=names)
    return sorted(rows.values_list("pk", flat=True))


def _version(desk: Desk, title: str, body: str) -> Version:
    facts = {
        "source_type": "product",
        "product_tie": "山茶花面霜套装",
        "category": "beauty",
    }
    return desk.approved(desk.item(Item.Kind.TEXT, title, {"body": body}, **facts))
