"""Tags of the demo's members: a source and a level each, needs of some, a few testers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from crm import tagging, taxonomy
from crm.models import Member, Tag
from privatedomain.demo.people import World
from staff.accounts import system_staff

# (tags of one exclusive group, how often each), drawn once per member.
ONE_OF = (
    (("公众号", "门店扫码", "包裹卡", "老客转介绍"), (5, 3, 2, 1)),
    (("普通会员", "银卡", "金卡", "黑金/VIP"), (8, 4, 2, 1)),
    (("高互动", "中互动", "低互动", "静默"), (2, 4, 3, 2)),
)
# Tags beside them, with the share of members who carry each.
SOME = {
    "送礼": 0.12,
    "有明确需求": 0.1,
    "价格敏感": 0.15,
    "大促型": 0.2,
    "尝新型": 0.12,
    "兴趣·新品": 0.25,
    "兴趣·教程": 0.15,
    "好评用户": 0.08,
    "KOC": 0.04,
    "员工": 0.02,
    "测试账号": 0.01,
}


def put_on(world: World, members: Sequence[Member]) -> int:
    """Put tags on the members; how many were put on."""
    taxonomy.load_builtin()
    carriers: defaultdict[str, list[int]] = defaultdict(list)
    for member in members:
        for names, weights in ONE_OF:
            carriers[world.draw.choices(names, weights)[0]].append(member.pk)
        for name, share in SOME.items():
            if world.draw.random() < share:
                carriers[name].append(member.pk)
    tags = {tag.name: tag for tag in Tag.objects.filter(controller=None)}
    actor = system_staff("demo")
    return sum(
        tagging.tag(pks, tags[name], actor=actor) for name, pks in carriers.items()
    )
