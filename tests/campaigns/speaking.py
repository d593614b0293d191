"""A campaign that speaks: people of the sandbox who follow, and touches ready to go."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

from django.utils import timezone

from campaigns import approving, counts, feeding
from campaigns.models import Campaign, Phase, Touch
from content.models import Item, Version
from core.models import SystemSetting
from crm.models import Identity, Member
from staff.models import OrgUnit, Staff
from tests.conftest import build_staff
from tests.wechat.outbound.conftest import build_app
from tests.wechat.outbound.phone import Sandbox
from wechat import bulk, mass, reaping, windows
from wechat.models import App

_numbers = itertools.count(1)


@dataclass
class World:
    """An account of ours at the sandbox, its campaign and its members."""

    sandbox: Sandbox
    app: App
    unit: OrgUnit
    boss: Staff
    approver: Staff
    phase: Phase
    members: list[Member] = field(default_factory=list)

    def people(self, count: int, *, may_reply: bool = False) -> list[Member]:
        """Members who follow; `may_reply`: they just wrote, so five messages are free."""
        body = {"count": count, "account": self.app.account.slug}
        openids = self.sandbox.ask("people/bulk", body)["openids"]
        made = [self.member(openid) for openid in openids]
        if may_reply:
            for openid in openids:
                windows.open_window(self.app, openid, "message", timezone.now())
        return made

    def writer(self) -> Member:
        """A person of the sandbox who really wrote: single messages reach them."""
        person = self.sandbox.person()
        slug = self.app.account.slug
        self.sandbox.follows(person, slug)
        self.sandbox.writes(person, slug)
        member = self.member(person["openid"][slug])
        windows.open_window(self.app, person["openid"][slug], "message", timezone.now())
        return member

    def member(self, openid: str) -> Member:
        member = Member.objects.create(
            controller=self.unit.controller, display_name=f"会员{next(_numbers)}"
        )
        Identity.objects.create(
            member=member,
            controller=self.unit.controller,
            kind="openid",
            account=self.app.account,
            value=openid,
        )
        self.members.append(member)
        return member

    def version(self, text: str) -> Version:
        item = Item.objects.create(
            org_unit=self.unit, kind="text", title=text[:20], owner=self.boss
        )
        return Version.objects.create(
            item=item,
            number=1,
            body=text,
            created_by=self.boss,
            digest="d",
            state="approved",
            approved_by=self.approver,
            approved_at=timezone.now(),
        )

    def touch(self, text: str = "", *, channel: str = "mass", **fields: Any) -> Touch:
        """A touch to all members, approved by somebody else."""
        touch = self.touch_draft(text, channel=channel, **fields)
        approving.ask(touch, actor=self.boss)
        return approving.decide(touch, actor=self.approver, is_yes=True)

    def touch_draft(
        self, text: str = "", *, channel: str = "mass", **fields: Any
    ) -> Touch:
        text = text or f"春茶上市 {next(_numbers)}"
        return Touch.objects.create(
            campaign=self.phase.campaign,
            phase=self.phase,
            name=text,
            channel=channel,
            account=self.app.account,
            version=self.version(text),
            created_by=self.boss,
            **fields,
        )

    def at(self, touch: Touch, moment: datetime) -> None:
        """As if it had been approved for that time, past or not."""
        touch.scheduled_at = moment
        digest = approving.digest_of(touch)
        Touch.objects.filter(pk=touch.pk).update(scheduled_at=moment, digest=digest)
        touch.refresh_from_db()

    def received(self, touch: Touch) -> list[int]:
        """How often each person who got it got it."""
        path = f"deliveries?account={self.app.account.slug}&text={quote(touch.name)}"
        found = self.sandbox.ask(path)["received"]
        return sorted(found.values())


def build_world(sandbox: Sandbox) -> World:
    app = build_app(sandbox)
    unit = app.account.org_unit
    boss = build_staff("ops_manager", org_unit=unit)
    campaign = Campaign.objects.create(
        org_unit=unit,
        name="春茶",
        owner=boss,
        created_by=boss,
        live_date=timezone.localdate(),
        state="running",
    )
    phase = Phase.objects.create(campaign=campaign, kind="live", start_day=0, end_day=3)
    never_quiet()
    approver = build_staff("ops_manager", org_unit=unit)
    return World(sandbox, app, unit, boss, approver, phase)


def never_quiet() -> None:
    """Tests run at any hour."""
    set_quiet("00:00", "00:00")


def set_quiet(begin: str, end: str) -> None:
    for key, value in (("quiet_from", begin), ("quiet_until", end)):
        SystemSetting.objects.update_or_create(
            key=f"campaigns.{key}", defaults={"value": value}
        )


def quiet_now() -> None:
    """Quiet from an hour ago until an hour from now."""
    now = timezone.localtime()
    hour = timedelta(hours=1)
    set_quiet(f"{now - hour:%H:%M}", f"{now + hour:%H:%M}")


def turn(times: int = 1) -> None:
    """What the workers do all the time, once or more."""
    for _time in range(times):
        feeding.drain(5)
        reaping.sweep()
        mass.drain(5)
        bulk.drain(10)


def until_done(touch: Touch, turns: int = 20) -> Touch:
    for _turn in range(turns):
        turn()
        touch.refresh_from_db()
        check_sum(touch)
        if touch.state in ("done", "stopped", "paused", "held"):
            break
    return touch


def counts_of(touch: Touch) -> counts.Counts:
    return counts.of([touch.pk])[touch.pk]


def check_sum(touch: Touch) -> None:
    """planned = everybody in some state, and the tallies say what the rows say."""
    told = counts_of(touch)
    assert told.planned == touch.planned_count
    states = touch.recipients.values_list("state", flat=True)
    for state in ("waiting", "sent", "accepted", "failed", "unknown", "excluded"):
        assert getattr(told, state) == sum(each == state for each in states)


def states(touch: Touch) -> set[tuple[str, str]]:
    """What its recipients are in, each with its reason."""
    return set(touch.recipients.values_list("state", "reason"))
