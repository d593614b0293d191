"""A brand with a campaign that has spoken, and a dealer beside it."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.utils import timezone

from campaigns.models import Campaign, Phase, Recipient, Touch
from content.models import Item, Version
from crm.models import Identity, Member
from staff.models import OrgUnit, Staff
from tests.conftest import build_staff
from wechat.models import Account, App

_numbers = itertools.count(1)
SHOP = "https://shop.example.com/a?x=1&y=2"
STORY = "http://story.example.com/rain"
PHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15"
WECHAT = f"{PHONE} MicroMessenger/8.0.50"


@dataclass
class Side:
    """One data controller: its account, its campaign and who runs it."""

    unit: OrgUnit
    account: Account
    owner: Staff
    campaign: Campaign
    phase: Phase

    def version(self, body: str = f"新品 {SHOP} 故事 {STORY}") -> Version:
        item = Item.objects.create(
            org_unit=self.unit, kind="text", title="新品", owner=self.owner
        )
        return Version.objects.create(
            item=item, number=1, body=body, created_by=self.owner, digest="d"
        )

    def touch(self, **fields: Any) -> Touch:
        """A touch, sent unless `state` says otherwise."""
        fields.setdefault("channel", "custom")
        fields.setdefault("started_at", timezone.now() - timedelta(days=3))
        fields.setdefault("state", "sending")
        return Touch.objects.create(
            campaign=self.campaign,
            phase=self.phase,
            name=f"触达 {next(_numbers)}",
            account=self.account,
            version=fields.pop("version", None) or self.version(),
            created_by=self.owner,
            **fields,
        )

    def member(self, name: str = "小林", unit: OrgUnit | None = None) -> Member:
        """Somebody who follows the account, openid `o<id>`."""
        member = Member.objects.create(
            controller=self.unit.controller, org_unit=unit, display_name=name
        )
        Identity.objects.create(
            member=member,
            controller=self.unit.controller,
            kind="openid",
            account=self.account,
            value=f"o{member.pk}",
        )
        return member

    def contact(
        self, touch: Touch, member: Member, state: str = "sent", **fields: Any
    ) -> Recipient:
        if state in ("sent", "accepted", "unknown", "failed"):
            fields.setdefault("contacted_at", timezone.now() - timedelta(hours=1))
        return Recipient.objects.create(
            touch=touch, member=member, address=f"o{member.pk}", state=state, **fields
        )


def build_side(name: str, parent: OrgUnit | None = None) -> Side:
    number = next(_numbers)
    unit = OrgUnit.objects.create(
        name=f"{name}{number}",
        kind="dealer" if parent else "brand",
        parent=parent,
        is_separate_controller=parent is not None,
    )
    unit.refresh_from_db()
    account = Account.objects.create(
        slug=f"{name}-{number}",
        name=f"{name}服务号",
        kind="service",
        org_unit=unit,
        state="live",
    )
    App.objects.create(
        account=account, slug=f"app-{name}-{number}", app_id=f"wx{name}{number}"
    )
    owner = build_staff("ops_manager", org_unit=unit)
    campaign = Campaign.objects.create(
        org_unit=unit,
        name="新品上市",
        owner=owner,
        created_by=owner,
        live_date=timezone.localdate(),
        state="running",
    )
    phase = Phase.objects.create(campaign=campaign, kind="live", start_day=0, end_day=3)
    return Side(unit, account, owner, campaign, phase)
