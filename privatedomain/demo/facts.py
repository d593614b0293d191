"""What the brand knows of the demo's members beyond the platforms, and who looks after whom."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import timedelta

from django.utils import timezone

from crm import notes
from crm.models import Member, Relation
from staff.models import Staff

SEED = 20261001
CITIES = (
    "杭州",
    "杭州",
    "上海",
    "上海",
    "苏州",
    "广州",
    "深圳",
    "成都",
    "绍兴",
    "嘉兴",
)
WOMEN = 0.78
YEARS = (19, 58)
NOTES = (
    "敏感肌，试用装先给无香款；上次提过在备孕，推荐前先问。",
    "每逢节日帮全家买，喜欢提前一周被提醒，别打电话。",
    "想等 2.0 面霜上市再换，到店可以先试用。",
)


def fill(members: Sequence[Member]) -> None:
    """Gender, birthday, city and owner, each of a part of the members."""
    chance = random.Random(SEED)  # noqa: S311  the same demo every time
    today, guides = timezone.localdate(), _guides(members)
    for member in members:
        if chance.random() < 0.6:
            is_woman = chance.random() < WOMEN
            member.gender = Member.Gender.FEMALE if is_woman else Member.Gender.MALE
        if chance.random() < 0.5:
            days = chance.randint(YEARS[0] * 365, YEARS[1] * 365)
            member.birthday = today - timedelta(days=days)
        if chance.random() < 0.6:
            member.city = chance.choice(CITIES)
        member.owner_id = guides.get(member.pk)
    fields = ["gender", "birthday", "city", "owner"]
    Member.objects.bulk_update(members, fields, batch_size=500)


def _guides(members: Sequence[Member]) -> dict[int, int]:
    """The colleague each member is friends with; of two the one who came first."""
    rows = Relation.objects.filter(member__in=members, colleague__staff__isnull=False)
    return dict(
        rows.order_by("-added_at", "-pk").values_list("member", "colleague__staff")
    )


def write_notes(members: Sequence[Member], writer: Staff) -> None:
    """What a colleague should know before answering."""
    looked_after = [member for member in members if member.owner_id is not None]
    for member, text in zip(looked_after[::9], NOTES, strict=False):
        notes.add(member, text, actor=writer)
