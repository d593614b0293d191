"""Tags people put on the demo's members, and their levels; the rules do the others."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from crm import tagging, taxonomy
from crm.models import Member, Tag
from crm.models.tags import Source
from privatedomain.demo.people import World
from staff.accounts import system_staff

# What the member system says, and how often each; drawn once per member.
LEVELS = (("普通会员", "银卡", "金卡", "黑金/VIP"), (8, 4, 2, 1))
# What colleagues noted, with the share of members who carry each.
SOME = {
    "送礼": 0.12,
    "有明确需求": 0.1,
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
        carriers[world.draw.choices(*LEVELS)[0]].append(member.pk)
        for name, share in SOME.items():
            if world.draw.random() < share:
                carriers[name].append(member.pk)
    tags = {tag.name: tag for tag in Tag.objects.filter(controller=None)}
    actor = system_staff("demo")
    return sum(
        tagging.tag(
            pks,
            tags[name],
            actor=actor,
            source=Source.SYNC if name in LEVELS[0] else Source.MANUAL,
        )
        for name, pks in carriers.items()
    )
