"""Content of the demo in every state, and a calendar around today."""

from __future__ import annotations

import io
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone
from PIL import Image, ImageDraw

from content import items, pictures, review, slots, states
from content.models import Item, Picture, Slot, Version
from staff.models import OrgUnit, Staff
from wechat.models import Account, App

WINTER = """换季皮肤紧绷、起皮，多半不是缺水，是屏障在求助。

# 先看是哪一种干

- **紧绷型**：洗完脸五分钟就绷，先换温和洁面
- **起皮型**：别急着去角质，先停功效产品一周
- **泛红型**：只留清洁、保湿、防晒三步

# 三步就够

早上清水洗脸，薄涂 [山茶花面霜](https://shop.linjian.example/p/camellia)；晚上先精华后面霜，手心捂热再按压。

> 如果泛红超过两周，请先看医生，护肤品不能代替治疗。

---

想知道自己是哪一种？在对话框里回复“肤质”，护肤顾问会一对一帮你看。"""

STORE_DAY = """湖滨店开业三周年，谢谢每一位推门进来的你。

# 周六日到店

- 凭会员码领 **山茶花护手霜** 一支（每天 80 份）
- 免费皮肤检测，[先约时间](https://shop.linjian.example/book/hubin) 不排队
- 老照片墙：带一张你和这家店的合影来"""

TEXTS: tuple[tuple[str, str, str, dict[str, str]], ...] = (
    (
        "published",
        "双11 售后说明",
        "双11 订单已全部发出，大部分地区 3 天内送达。收到后有任何不满意，7 天内可退，"
        "运费我们承担。查物流：https://shop.linjian.example/orders",
        {"source_type": "problem", "cta": "查物流"},
    ),
    (
        "scheduled",
        "会员日提醒（老客）",
        "林间会员日就在这周四。您常用的面霜当天买一送小样，积分按双倍算。"
        "不需要囤货，用完再来也行：https://shop.linjian.example/day\n回复 TD 退订",
        {"source_type": "product", "cta": "看看会员日", "product_tie": "山茶花面霜"},
    ),
    (
        "in_review",
        "感恩节感谢信",
        "这一年谢谢您的每一次反馈：护手霜换了泵头，面霜出了小容量，都是您提的。"
        "我们把大家的建议写成了一篇小结：https://shop.linjian.example/thanks",
        {"source_type": "fans", "cta": "看看小结"},
    ),
    (
        "returned",
        "黑五跨境套装",
        "全年最低价，错过再等一年！跨境护肤套装限时五折：https://shop.linjian.example/bf",
        {"source_type": "product", "cta": "去抢购", "product_tie": "跨境套装"},
    ),
    (
        "draft",
        "冬至问候",
        "今天冬至，一年里夜最长的一天。记得吃碗热的，早点睡。",
        {"source_type": "new_use"},
    ),
)


class Desk:
    """Who writes and who approves, and where it goes out."""

    def __init__(
        self, units: dict[str, OrgUnit], apps: dict[str, App], logins: dict[str, Any]
    ) -> None:
        self.brand = units["brand"]
        self.writer = _staff(logins, "ops_specialist")
        self.manager = _staff(logins, "ops_manager")
        accounts = [app.account for app in apps.values()]
        self.service = _of_kind(accounts, Account.Kind.SERVICE)
        self.subscription = _of_kind(accounts, Account.Kind.SUBSCRIPTION)

    def item(self, kind: str, title: str, said: dict[str, Any], **facts: Any) -> Item:
        return items.create(
            kind=kind,
            org_unit=self.brand,
            title=title,
            actor=self.writer,
            content=said,
            **facts,
        )

    def submitted(self, item: Item) -> Version:
        return review.submit(item.versions.get(number=1), actor=self.writer)

    def approved(self, item: Item) -> Version:
        return review.approve(self.submitted(item), actor=self.manager)

    def planned(self, version: Version, account: Account, at: datetime) -> Slot:
        return slots.schedule(version, account, at, actor=self.writer)


def _staff(logins: dict[str, Any], role: str) -> Staff:
    return Staff.objects.get(username=logins[role]["username"])


def _of_kind(accounts: list[Account], kind: str) -> Account:
    return next(account for account in accounts if account.kind == kind)


def at(days: int, hour: int, minute: int = 0) -> datetime:
    """That time of the day, `days` from today."""
    day = timezone.localtime() + timedelta(days=days)
    return day.replace(hour=hour, minute=minute, second=0, microsecond=0)


def write(
    units: dict[str, OrgUnit], apps: dict[str, App], logins: dict[str, Any]
) -> int:
    """Write the items and plan some of them; returns how many items there are."""
    desk = Desk(units, apps, logins)
    for state, title, body, facts in TEXTS:
        _text(desk, state, title, body, facts)
    _picture(desk)
    _articles(desk)
    return Item.objects.count()


def _text(desk: Desk, state: str, title: str, body: str, facts: dict[str, str]) -> None:
    item = desk.item(Item.Kind.TEXT, title, {"body": body}, **facts)
    if state == "published":
        # It went out some days ago; planning lets nobody begin in the past.
        Slot.objects.create(
            version=desk.approved(item),
            account=desk.service,
            publish_at=at(-9, 10),
            state=Slot.State.PUBLISHED,
            ended_at=at(-9, 10),
            created_by=desk.writer,
        )
        states.refresh(item)
    elif state == "scheduled":
        desk.planned(desk.approved(item), desk.service, at(3, 10))
    elif state == "in_review":
        desk.planned(desk.submitted(item), desk.service, at(5, 12, 30))
    elif state == "returned":
        review.give_back(
            desk.submitted(item),
            actor=desk.manager,
            comment="“全年最低价”是绝对化用语，广告法不允许；请改成具体的价格和日期。",
        )


def _picture(desk: Desk) -> None:
    poster = _poster(desk, "会员日", (900, 1200))
    item = desk.item(
        Item.Kind.PICTURE,
        "会员日海报",
        {"picture_id": poster.pk},
        source_type="product",
    )
    desk.planned(desk.approved(item), desk.subscription, at(2, 20))


def _articles(desk: Desk) -> None:
    winter = desk.item(
        Item.Kind.ARTICLE,
        "换季干燥护理指南",
        {
            "headline": "皮肤一到冬天就干？先分清是哪一种",
            "byline": "林间护肤顾问",
            "summary": "紧绷、起皮、泛红，三种干各有办法，三步就够。",
            "body": WINTER,
            "source_url": "https://shop.linjian.example/guide/winter",
            "picture_id": _poster(desk, "冬季护理", (940, 400)).pk,
        },
        source_type="problem",
        subject="how_to",
        category="beauty",
        product_tie="山茶花面霜",
        rights_note="文：内容组；图：自有拍摄",
    )
    desk.planned(desk.approved(winter), desk.subscription, at(1, 20))
    desk.planned(winter.versions.get(number=1), desk.service, at(8, 12))
    store = desk.item(
        Item.Kind.ARTICLE,
        "湖滨店三周年",
        {
            "headline": "湖滨店三岁了，周末来坐坐",
            "byline": "林间湖滨店",
            "summary": "到店礼、皮肤检测、老照片墙。",
            "body": STORE_DAY,
            "picture_id": _poster(desk, "三周年", (940, 400)).pk,
        },
        source_type="fans",
        cta="预约到店",
        rights=Item.Rights.CONSENT,
        rights_note="老照片均有顾客书面同意，存门店",
    )
    desk.planned(store.versions.get(number=1), desk.service, at(12, 11))


def _poster(desk: Desk, seed: str, size: tuple[int, int]) -> Picture:
    """A quiet gradient with shapes; the demo needs no photographs."""
    start = sum(map(ord, seed)) % 90
    image = Image.new("RGB", size)
    draw = ImageDraw.Draw(image)
    width, height = size
    for y in range(height):
        shade = y / height
        colour = (
            int(20 + start + 60 * shade),
            int(110 + 70 * shade),
            int(100 + 40 * shade),
        )
        draw.line([(0, y), (width, y)], fill=colour)
    for number in range(5):
        radius = width // (4 + number)
        x, y = (number * 3 + start) * width // 14 % width, (number * 5) * height // 19
        draw.ellipse(
            (x - radius, y - radius, x + radius, y + radius),
            outline=(235, 245, 240),
            width=3,
        )
    out = io.BytesIO()
    image.save(out, "PNG")
    return pictures.keep(out.getvalue(), desk.brand, actor=desk.writer)
