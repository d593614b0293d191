"""What the demo's accounts answer by themselves."""

from __future__ import annotations

from content.models import AnswerRule
from wechat.models import Account, App

# name, keywords, answer, match, priority
RULES: tuple[tuple[str, tuple[str, ...], str, str, int], ...] = (
    (
        "营业时间",
        ("营业时间", "几点开门", "几点关门", "开门时间"),
        "林间门店每天 10:00–22:00 营业，法定节假日照常。\n在线客服每天 9:00–21:00，"
        "回复“人工”就有同事来接待您。",
        "contains",
        30,
    ),
    (
        "退货",
        ("退货", "退款", "换货", "七天无理由"),
        "收到商品 7 天内、未拆封可以无理由退换，护肤品过敏 30 天包退。\n"
        "请提供订单号和商品照片；需要同事帮忙请回复“人工”。",
        "contains",
        20,
    ),
    (
        "会员权益",
        ("会员权益", "会员", "积分"),
        "林间会员每消费 1 元积 1 分：\n· 银卡：生日礼 1 份\n· 金卡：每季护理 1 次 + "
        "生日双倍积分\n· 黑卡：专属顾问与新品优先体验\n点菜单“会员中心”可查积分与等级。",
        "contains",
        50,
    ),
    (
        "门店查询",
        ("门店", "地址", "在哪"),
        "林间在上海、杭州、广州、深圳有门店。点菜单“在线商城 → 门店查询”，"
        "或者告诉我们您所在的区，我们为您找最近的一家。",
        "contains",
        60,
    ),
    (
        "发票",
        ("发票", "开票"),
        "电子发票在订单完成后 24 小时内自动开具，可在订单详情里下载。"
        "需要企业抬头请回复“人工”并附上抬头与税号。",
        "contains",
        40,
    ),
    (
        "物流",
        ("物流", "快递", "发货", "到哪了"),
        "工作日 16:00 前的订单当天发出，一般 2–3 天送达。把订单号发给我们，"
        "我们帮您查最新进度。",
        "contains",
        45,
    ),
    (
        "过敏",
        ("过敏", "泛红", "刺痛"),
        "请先停用产品，用清水冲洗，并拍下局部照片。严重不适请尽快就医。"
        "回复“人工”，我们的护肤顾问会跟进。",
        "contains",
        10,
    ),
    (
        "打招呼",
        ("你好", "您好", "在吗", "hi", "hello"),
        "您好，我在的～请问想了解什么？"
        "可以直接问“营业时间”“退货”“会员权益”，或回复“人工”。",
        "exact",
        90,
    ),
)
GREETINGS = {
    Account.Kind.SERVICE: (
        "欢迎来到林间🌿\n我们把山野里的植物做成每天用得上的护肤品。\n"
        "· 查积分、等级：点菜单“会员中心”\n· 退换货、物流：直接发消息给我们\n"
        "· 想和人聊：回复“人工”\n不想再收到活动消息，随时回复“退订”。"
    ),
    Account.Kind.SUBSCRIPTION: (
        "谢谢关注「林间日常」🌿\n每周二、四、六晚 8 点，聊聊皮肤、植物和慢一点的生活。\n"
        "回复“会员权益”看看会员能得到什么，回复“人工”可以和同事聊聊。"
    ),
}
WELCOME = (
    "您好，我是您在林间的专属顾问😊\n方便的话告诉我您的肤质和最近的困扰，"
    "我来帮您搭配；到店前说一声，我给您留好试用装。"
)


def write_rules(apps: dict[str, App]) -> None:
    for app in apps.values():
        account = app.account
        if account.is_wecom:
            _rule(account, "好友欢迎语", WELCOME, AnswerRule.Occasion.WELCOME)
            continue
        greeting = GREETINGS[Account.Kind(account.kind)]
        _rule(account, "关注问候语", greeting, AnswerRule.Occasion.FOLLOW)
        AnswerRule.objects.bulk_create(
            AnswerRule(
                account=account,
                name=name,
                keywords=list(keywords),
                reply_text=text,
                match=match,
                priority=priority,
            )
            for name, keywords, text, match, priority in RULES
        )


def _rule(account: Account, name: str, text: str, occasion: str) -> None:
    AnswerRule.objects.create(
        account=account, name=name, occasion=occasion, reply_text=text
    )
