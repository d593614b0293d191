"""What customers and agents of the demo said to each other."""

from __future__ import annotations

CUSTOMER, AGENT = "客", "我们"
Dialogue = tuple[tuple[str, str], ...]

# Finished ones: they begin with what led to the queue.
CLOSED: tuple[Dialogue, ...] = (
    (
        (CUSTOMER, "我上周买的面霜想退，盒子拆了但没用过"),
        (CUSTOMER, "人工"),
        (AGENT, "您好，我是周敏。拆了外盒、没开内封可以退的，麻烦发一下订单号～"),
        (CUSTOMER, "LJ20261103887"),
        (AGENT, "查到了，是 50 ml 的修护面霜。已经给您登记退货，快递员明天上门取件。"),
        (CUSTOMER, "好的谢谢，退款多久到？"),
        (AGENT, "仓库签收后 1–3 个工作日原路退回，到账我这边会再跟您说一声。"),
        (CUSTOMER, "👍"),
    ),
    (
        (CUSTOMER, "金卡的护理要提前多久约"),
        (CUSTOMER, "转人工"),
        (AGENT, "您好，提前一天就可以。您常去哪家店？我帮您看看时间。"),
        (CUSTOMER, "湖滨店，周六下午"),
        (AGENT, "周六 14:00 和 16:30 还有位置，给您留 14:00 好吗？"),
        (CUSTOMER, "16:30 吧，要接孩子"),
        (AGENT, "好的，周六 16:30 湖滨店，张珊接待您。当天早上会再提醒一次。"),
    ),
    (
        (CUSTOMER, "精华用了两天脸颊有点泛红"),
        (CUSTOMER, "人工客服"),
        (AGENT, "您好，请先停用，能发张自然光下的照片吗？我请护肤顾问看一下。"),
        (CUSTOMER, "[图片] 就这样，不疼就是红"),
        (
            AGENT,
            "像是建立耐受的反应。先停三天，只用舒缓喷雾和面霜；三天后从隔天一次开始。",
        ),
        (AGENT, "如果加重或者刺痛请马上告诉我们，过敏 30 天内都可以退。"),
        (CUSTOMER, "明白了，谢谢这么晚还回我"),
    ),
    (
        (CUSTOMER, "上海有没有门店可以试香"),
        (CUSTOMER, "请转人工"),
        (CUSTOMER, "人工"),
        (AGENT, "有的～静安寺店全系列都能试，地铁 2/7/14 号线 1 号口出来 50 米。"),
        (CUSTOMER, "周末人多吗"),
        (AGENT, "周日上午最清静。您要是来，我让店里给您留一份小样。"),
        (CUSTOMER, "太好了，周日见"),
    ),
    (
        (CUSTOMER, "快递显示签收了但我没收到"),
        (CUSTOMER, "人工"),
        (AGENT, "抱歉让您着急了，我马上联系快递。您方便告诉我收件人姓氏和小区名吗？"),
        (CUSTOMER, "王，翠苑三区"),
        (
            AGENT,
            "快递员放在了 2 号门丰巢，取件码 583201。给您添麻烦了，送您一张 20 元券。",
        ),
        (CUSTOMER, "找到了，谢谢！"),
    ),
    (
        (CUSTOMER, "想给妈妈买生日礼物，600 左右"),
        (CUSTOMER, "人工"),
        (AGENT, "妈妈平时护肤多吗？皮肤偏干还是偏油？"),
        (CUSTOMER, "偏干，平时就擦个面霜"),
        (AGENT, "推荐「润养礼盒」：洁面 + 精华油 + 面霜，598 元，可以写贺卡。"),
        (CUSTOMER, "贺卡写：妈妈生日快乐，少操心多睡觉"),
        (AGENT, "记下了😊 下单时备注“贺卡”，我跟仓库说好。"),
        (CUSTOMER, "已下单"),
    ),
)
# Said on the phones when the demo is loaded, so that people wait in the queue.
WAITING: tuple[tuple[str, ...], ...] = (
    ("面霜用着有点搓泥，是我顺序不对吗", "人工"),
    ("双十一买的两瓶精华只到了一瓶", "人工客服"),
    ("想改一下预约，周六来不了了", "转人工"),
    ("你们的香薰蜡烛猫能闻吗？", "家里有两只猫，有点担心"),
    ("开票抬头填错了能重开吗", "人工"),
)
SMALL_TALK = (
    "你好",
    "营业时间是几点",
    "会员积分怎么查",
    "物流到哪了",
    "有没有适合敏感肌的",
    "门店在哪",
    "生日礼怎么领",
    "发票怎么开",
    "新品什么时候上",
    "谢谢",
)
MENU_KEYS = ("MENU_会员中心", "MENU_门店查询", "MENU_人工")
LINKS = ("https://shop.example.com/new",)
REMARKS = (
    "湖滨店·敏感肌",
    "静安老客",
    "生日 3 月",
    "爱香氛",
    "喜欢礼盒装",
    "试用装已领",
)
