"""A controller with members of every sort, and the rules evaluated in plain Python."""

from __future__ import annotations

import itertools
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

from django.utils import timezone

from campaigns import caps
from campaigns.models import Recipient, Touch
from crm import phones, tagging
from crm.models import Identity, Member, Tag, TagGroup
from staff.accounts import system_staff
from tests.campaigns.returning import Side, build_side
from wechat.limits import PLATFORM_ZONE
from wechat.models import ReplyWindow

_numbers = itertools.count(1)


def morning(days: int = 1) -> datetime:
    """10:00 in so many days: no quiet hour."""
    local = timezone.now().astimezone(PLATFORM_ZONE) + timedelta(days=days)
    return local.replace(hour=10, minute=0, second=0, microsecond=0)


def build_tags(*names: str) -> list[Tag]:
    group, _made = TagGroup.objects.get_or_create(code="g", defaults={"name": "组"})
    return [
        Tag.objects.create(group=group, name=name, is_suppressing=name == "测试账号")
        for name in names
    ]


def build_audience(name: str = "brand") -> SimpleNamespace:
    side = build_side(name)
    return SimpleNamespace(
        side=side,
        account=side.account,
        app=side.account.apps.get(),
        tags=build_tags("甲", "乙", "丙", "测试账号"),
    )


def make_member(
    side: Side, *, is_following: bool = True, phone: str = "", **fields: Any
) -> Member:
    number = next(_numbers)
    member = Member(controller=side.unit, display_name=f"成员{number}", **fields)
    if phone:
        phones.fill(member, phone)
    member.save()
    Identity.objects.create(
        member=member,
        controller=side.unit,
        kind="openid",
        account=side.account,
        value=f"o{member.pk}",
        is_following=is_following,
    )
    return member


def put(member: Member, *tags: Tag) -> None:
    for tag in tags:
        tagging.tag([member.pk], tag, actor=system_staff("test"))


def open_window(app: Any, member: Member, until: datetime, left: int = 5) -> None:
    ReplyWindow.objects.create(
        app=app,
        recipient=f"o{member.pk}",
        trigger="message",
        opened_at=until - timedelta(hours=48),
        closes_at=until,
        allowed=5,
        used=5 - left,
    )


def draft(side: Side, **fields: Any) -> Touch:
    fields.setdefault("channel", "mass")
    fields.setdefault("scheduled_at", morning())
    return side.touch(state="draft", started_at=None, **fields)


def contacted(side: Side, member: Member, times: int, **fields: Any) -> list[Touch]:
    """Earlier touches that reached the member, at the start of the month of `morning`."""
    at = fields.pop("at", None) or caps.caps_at(morning()).month_start
    found = []
    for _number in range(times):
        fields.setdefault("channel", "mass")
        touch = side.touch(state="done", started_at=at, finished_at=at, **fields)
        Recipient.objects.create(
            touch=touch,
            member=member,
            address=f"o{member.pk}",
            state="accepted",
            contacted_at=at,
        )
        found.append(touch)
    return found


def verdicts(touch: Touch) -> dict[int, str]:
    """{member: reason, "" for those who wait}."""
    rows = Recipient.objects.filter(touch=touch)
    found = {}
    for row in rows:
        assert (row.state == "waiting") == (row.reason == "")
        assert row.state in ("waiting", "excluded")
        found[row.member_id] = row.reason
    return found


def is_meant(
    member: Member, carried: set[int], rule: dict[str, Any], now: datetime
) -> bool:
    """The rule in plain Python, one member at a time."""
    wanted = [
        not rule.get("tags_any") or bool(carried & set(rule["tags_any"])),
        carried >= set(rule.get("tags_all") or []),
        not carried & set(rule.get("tags_none") or []),
        not rule.get("stages") or member.stage in rule["stages"],
    ]
    if rule.get("seen_within_days"):
        since = now - timedelta(days=rule["seen_within_days"])
        wanted.append(member.last_seen_at > since)
    if rule.get("not_seen_within_days"):
        before = now - timedelta(days=rule["not_seen_within_days"])
        wanted.append(member.last_seen_at <= before)
    return all(wanted)
