"""The demo world: accounts with fixed ids, colleagues, and some hundred people.

Everything is drawn from one seeded generator, so that two fresh worlds are the same
but for the clock.
"""

import random
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.apps import apps
from django.conf import settings
from django.db import connection

from sandbox import clock, faults, ids, options, world
from sandbox.models import (
    Account,
    Colleague,
    CorpTag,
    Follow,
    Friendship,
    KfAccount,
    MpTag,
    Person,
    Setting,
)

PEOPLE = 120
CORP_ID = "ww7a9f3c21d04be85c"
FIRST_KF = "wkJ8QxCwAAzE4rGm9OxDa1TlUc6YbWnA"
SECOND_KF = "wkJ8QxCwAAzTHqTs2NfKe5RzXv0LuPdM"
COLLEAGUES = [
    ("zhangsan", "张珊", "湖滨店导购"),
    ("lisi", "李思远", "湖滨店店长"),
    ("wangwu", "王悟", "会员顾问"),
    ("zhaoliu", "赵柳", "客服专员"),
    ("chenqi", "陈琪", "客服专员"),
    ("sunba", "孙芭", "社群运营"),
    ("zhoujiu", "周久", "西湖店导购"),
    ("wushi", "吴诗", "西湖店店长"),
]
MENU: dict[str, Any] = {
    "button": [
        {"type": "click", "name": "会员中心", "key": "MENU_会员中心"},
        {
            "name": "在线商城",
            "sub_button": [
                {"type": "view", "name": "新品", "url": "https://shop.example.com/new"},
                {"type": "click", "name": "门店查询", "key": "MENU_门店查询"},
                {"type": "scancode_waitmsg", "name": "扫一扫验真", "key": "MENU_验真"},
            ],
        },
        {"type": "click", "name": "联系客服", "key": "MENU_人工"},
    ]
}
MP_TAGS = ["湖滨店会员", "西湖店会员", "新品尝鲜", "生日月", "高客单"]
CORP_TAGS = {
    "客户等级": ["普通", "银卡", "金卡", "黑卡"],
    "意向": ["护肤", "香氛", "礼盒", "家居"],
    "来源": ["到店", "公众号", "朋友介绍"],
}
FOUND_BY = ("ADD_SCENE_SEARCH", "ADD_SCENE_PROFILE_CARD", "ADD_SCENE_PROFILE_LINK")
SCENES = ["store_湖滨店", "store_西湖店", "dm_春季画册", "pack_包裹卡", "event_周年庆"]
STATES = ["qr_湖滨店_导购01", "qr_西湖店_导购02", "公众号菜单", "包裹卡", ""]
SURNAMES = "王李张刘陈杨黄赵吴周徐孙马朱胡郭何林高罗郑梁谢宋唐许韩冯邓曹"
GIVEN = [
    "嘉怡",
    "子涵",
    "雨桐",
    "思琪",
    "浩然",
    "欣妍",
    "梓萱",
    "一诺",
    "俊杰",
    "诗涵",
    "宇轩",
    "可馨",
    "晓彤",
    "明哲",
    "若曦",
    "静雯",
    "志强",
    "丽娜",
    "婉清",
    "天佑",
    "佳宁",
    "文博",
    "书瑶",
    "慧敏",
    "芷若",
    "建国",
    "秀英",
    "安然",
    "乐怡",
    "沐阳",
]
NICKNAMES = [
    "小鹿🦌",
    "阿May",
    "想喝奶茶的猫",
    "山野有雾",
    "Luna🌙",
    "豆豆妈妈",
    "城南旧事",
    "A建材老周",
    "鱼丸粗面",
    "晚风",
]


def ensure() -> None:
    """Accounts in an empty database, and with SANDBOX_SEED the people of the demo."""
    with world.change():
        if Account.objects.exists():
            return
        _accounts()
        if settings.SEED:
            people_of_demo()


def wipe() -> None:
    """Forget people and everything that happened; accounts stay, as first made."""
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA defer_foreign_keys = ON")
        for model in apps.get_app_config("sandbox").get_models():
            if model is Setting:  # options.forget() knows which of them
                continue
            cursor.execute(f'DELETE FROM "{model._meta.db_table}"')  # noqa: S608
    for path in Path(settings.MEDIA_DIR).glob("*"):
        path.unlink()
    options.forget()
    faults.changed()
    _accounts()


def _accounts() -> None:
    for slug, kind, name, gh_id, prefix, mode in (
        ("lin-service", "service", "林间", "gh_7f083739789a", "oia2Tj", "safe"),
        (
            "lin-daily",
            "subscription",
            "林间日常",
            "gh_2c51e90b84d7",
            "oLd7Kw",
            "compat",
        ),
    ):
        Account.objects.create(
            slug=slug,
            kind=kind,
            name=name,
            app_id="wx" + ids.fixed_hex(16, "app", slug),
            gh_id=gh_id,
            secret=ids.fixed_hex(32, "secret", slug),
            token=ids.fixed_letters(24, "token", slug),
            aes_key=ids.fixed_aes_key(slug),
            mode=mode,
            openid_prefix=prefix,
            menu=MENU,
            web_domains=[urlsplit(settings.CONSOLE_URL).netloc],
        )
    _corp()


def _corp() -> None:
    corp = Account.objects.create(
        slug="lin-corp",
        kind=Account.Kind.WECOM,
        name="林间生活",
        corp_id=CORP_ID,
        agent_id="1000002",
        secret=ids.fixed_letters(43, "secret", "lin-corp"),
        token=ids.fixed_letters(24, "token", "lin-corp"),
        aes_key=ids.fixed_aes_key("lin-corp"),
        mode=Account.Mode.SAFE,
    )
    Colleague.objects.bulk_create(
        Colleague(userid=userid, account=corp, name=name, position=position)
        for userid, name, position in COLLEAGUES
    )
    KfAccount.objects.create(open_kfid=FIRST_KF, account=corp, name="林间客服")
    KfAccount.objects.create(open_kfid=SECOND_KF, account=corp, name="林间售后")
    _tags(corp)


def _tags(corp: Account) -> None:
    for account in Account.objects.exclude(pk=corp.pk):
        MpTag.objects.create(account=account, tag_id=2, name="星标组")
        for number, name in enumerate(MP_TAGS):
            MpTag.objects.create(account=account, tag_id=100 + number, name=name)
    for group, names in CORP_TAGS.items():
        for order, name in enumerate(names):
            CorpTag.objects.create(
                id="etJ8QxCwAA" + ids.fixed_letters(22, "tag", group, name),
                account=corp,
                group_id="etJ8QxCwAA" + ids.fixed_letters(22, "group", group),
                group_name=group,
                name=name,
                order=order,
                create_time=int(clock.now()),
            )


def people_of_demo(count: int = PEOPLE) -> None:
    """``count`` people with months of history behind them."""
    draw = random.Random(20261122)  # noqa: S311
    accounts = list(Account.objects.exclude(kind=Account.Kind.WECOM).order_by("slug"))
    colleagues = list(Colleague.objects.order_by("pk"))
    tags = list(CorpTag.objects.order_by("pk").values_list("id", flat=True))
    people: list[Person] = []
    follows: list[Follow] = []
    friends: list[Friendship] = []
    for number in range(1, count + 1):
        person = _person(draw, number)
        people.append(person)
        follows += [_follow(draw, person, account) for account in accounts]
        for colleague in draw.sample(colleagues, draw.choice((0, 0, 1, 1, 1, 2))):
            friends.append(_friendship(draw, person, colleague, tags))
    Person.objects.bulk_create(people)
    Follow.objects.bulk_create(follows)
    Friendship.objects.bulk_create(friends)


def _person(draw: random.Random, number: int) -> Person:
    name = draw.choice(SURNAMES) + draw.choice(GIVEN)
    if draw.random() < 0.15:
        name = f"{draw.choice(NICKNAMES)}"
    person_id = f"p{number:03d}"
    made = clock.now() - draw.uniform(2, 400) * 86400
    return Person(
        id=person_id,
        name=name,
        unionid=ids.unionid(person_id),
        external_userid=ids.external_userid(person_id),
        created_at=made,
        touched_at=made,
    )


def _follow(draw: random.Random, person: Person, account: Account) -> Follow:
    follow = Follow(
        person=person,
        account=account,
        openid=ids.openid(account.openid_prefix, person.id),
    )
    chance = 0.85 if account.kind == Account.Kind.SERVICE else 0.45
    if draw.random() > chance:
        return follow
    follow.subscribed = draw.random() > 0.06
    follow.subscribe_time = int(person.created_at + draw.uniform(0, 86400))
    follow.subscribe_scene = draw.choice(FOUND_BY)
    if draw.random() < 0.6:
        follow.subscribe_scene = "ADD_SCENE_QR_CODE"
        follow.qr_scene_str = draw.choice(SCENES)
    if follow.subscribed and draw.random() < 0.5:
        number = draw.randrange(len(MP_TAGS))
        follow.tag_ids = [100 + number]
    return follow


def _friendship(
    draw: random.Random, person: Person, colleague: Colleague, tags: list[str]
) -> Friendship:
    remark = draw.choice(("", f"{person.name}-{colleague.position[:3]}", person.name))
    friendship = Friendship(
        person=person,
        colleague=colleague,
        remark=remark[:20],
        createtime=int(person.created_at + draw.uniform(0, 40) * 3600),
        add_way=draw.choice((1, 1, 1, 3, 2, 4)),
        state=draw.choice(STATES),
        tag_ids=draw.sample(tags, draw.choice((0, 1, 1, 2))),
    )
    if draw.random() < 0.06:
        friendship.ended_at = person.created_at + 86400.0
        friendship.ended_by = "person"
    return friendship
