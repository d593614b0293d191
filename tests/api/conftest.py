"""Two data controllers with an account each, and people who hold tokens."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from campaigns import snapshots
from campaigns.models import Campaign, Phase, Touch
from content import items
from content.models import Item
from crm.models import Event, Identity, Member, Order, Segment, SegmentMember
from service.models import Conversation, Message, Queue
from staff import tokens
from staff.models import OrgUnit, Staff
from wechat.models import Account, App, InboundEvent, OutboundMessage, ReplyWindow

NOON = datetime(2026, 11, 1, 4, tzinfo=UTC)
_numbers = itertools.count(1)


@dataclass
class Side:
    """One data controller: its unit, account, app and queue."""

    unit: OrgUnit
    account: Account
    app: App
    queue: Queue

    def member(self, name: str = "林小满", **fields: Any) -> Member:
        number = next(_numbers)
        member = Member.objects.create(
            controller=self.unit, display_name=name, phone="13800138000", **fields
        )
        Identity.objects.create(
            member=member,
            controller=self.unit,
            kind=Identity.Kind.OPENID,
            account=self.account,
            value=f"o{self.account.slug}{number}",
        )
        Identity.objects.create(
            member=member,
            controller=self.unit,
            kind=Identity.Kind.UNIONID,
            value=f"u{number}",
        )
        return member

    def order(self, member: Member | None = None, **fields: Any) -> Order:
        given = {"shop": "mini", "code": f"T{next(_numbers)}", "amount": 128}
        return Order.objects.create(
            controller=self.unit,
            member=member,
            **given | {"placed_at": NOON, "paid_at": NOON} | fields,
        )

    def segment(self, *members: Member, **fields: Any) -> Segment:
        """A segment computed with these members."""
        owner, _made = Staff.objects.get_or_create(
            username=f"writer-{self.unit.pk}", org_unit=self.unit
        )
        rule = {"all": [{"on": "phone", "known": True}]}
        given = {"name": f"人群{next(_numbers)}", "rule": rule, "owner": owner}
        segment = Segment.objects.create(controller=self.unit, **given | fields)
        for member in members:
            SegmentMember.objects.create(segment=segment, member=member)
        return segment

    def item(self, **fields: Any) -> Item:
        writer, _made = Staff.objects.get_or_create(
            username=f"writer-{self.unit.pk}", org_unit=self.unit
        )
        given = {"kind": "text", "title": "会员日", "content": {"body": "到店 8 折"}}
        return items.create(org_unit=self.unit, actor=writer, **given | fields)

    def campaign(self, **fields: Any) -> Campaign:
        owner, _made = Staff.objects.get_or_create(
            username=f"writer-{self.unit.pk}", org_unit=self.unit
        )
        given = {"name": "会员日", "live_date": NOON.date(), "owner": owner}
        return Campaign.objects.create(
            org_unit=self.unit, created_by=owner, **given | fields
        )

    def event(self, member: Member, **fields: Any) -> Event:
        number = next(_numbers)
        return Event.objects.create(
            member=member,
            kind="mp.followed",
            at=fields.pop("at", NOON + timedelta(seconds=number)),
            key=f"test:{number}",
            account=self.account,
            **fields,
        )

    def inbound(self, **fields: Any) -> InboundEvent:
        number = next(_numbers)
        return InboundEvent.objects.create(
            **{
                "app": self.app,
                "dedupe_key": f"msgid:{number}",
                "kind": "mp.message.text",
                "body": b"<xml>secret body</xml>",
                "state": "done",
                **fields,
            }
        )

    def outbound(self, actor: Staff, **fields: Any) -> OutboundMessage:
        number = next(_numbers)
        return OutboundMessage.objects.create(
            **{
                "app": self.app,
                "channel": "mp_custom",
                "recipient": "o1",
                "payload": {"text": "payload text"},
                "dedupe_key": f"test:{number}",
                "purpose": "test",
                "created_by": actor,
                **fields,
            }
        )

    def conversation(self, member: Member | None = None, **fields: Any) -> Conversation:
        member = member or self.member()
        return Conversation.objects.create(
            **{
                "app": self.app,
                "member": member,
                "recipient": member.identities.filter(kind="openid").get().value,
                "queue": self.queue,
                "waiting_since": NOON,
                **fields,
            }
        )

    def touch(
        self, *, people: int = 0, opted_out: int = 0, state: str = "sending"
    ) -> Touch:
        """A touch of a campaign of ours with its people fixed, in the state given."""
        campaign = self.campaign()
        for number in range(people):
            gone = timezone.now() if number < opted_out else None
            self.member(f"会员{number}", opted_out_at=gone)
        touch = Touch.objects.create(
            campaign=campaign,
            phase=Phase.objects.create(
                campaign=campaign, kind="live", start_day=0, end_day=3
            ),
            name="返场",
            channel="mass",
            account=self.account,
            version=self.item().versions.get(),
            created_by=campaign.owner,
        )
        snapshots.take(touch)
        for each in ("in_review", "approved", "sending", "paused"):
            Touch.objects.filter(pk=touch.pk).update(
                state=each, started_at=timezone.now()
            )
            if each == state:
                break
        touch.refresh_from_db()
        return touch

    def open_window(self, conversation: Conversation, allowed: int = 5) -> None:
        now = timezone.now()
        ReplyWindow.objects.create(
            app=self.app,
            recipient=conversation.recipient,
            trigger=ReplyWindow.Trigger.MESSAGE,
            opened_at=now,
            closes_at=now + timedelta(hours=48),
            allowed=allowed,
        )

    def said(self, conversation: Conversation, **fields: Any) -> Message:
        return Message.objects.create(
            **{
                "conversation": conversation,
                "direction": "in",
                "text": "怎么退货",
                "at": NOON + timedelta(seconds=next(_numbers)),
                **fields,
            }
        )


def make_side(name: str, unit: OrgUnit) -> Side:
    account = Account.objects.create(
        slug=name, name=name, kind="service", state="live", org_unit=unit
    )
    app = App.objects.create(
        account=account,
        slug=f"{name}-app",
        app_id=f"wx{name}",
        secret="canary-secret",
        token="canary-token",
        aes_key="canary-aes-key",
    )
    queue = Queue.objects.create(name=name, account=account)
    return Side(unit, account, app, queue)


@pytest.fixture
def brand(db: None) -> Side:
    return make_side("brand", OrgUnit.objects.create(name="林间", kind="brand"))


@pytest.fixture
def dealer(brand: Side) -> Side:
    unit = OrgUnit.objects.create(
        name="经销商", kind="dealer", parent=brand.unit, is_separate_controller=True
    )
    return make_side("dealer", unit)


@pytest.fixture
def api(make_staff: Callable[..., Staff]) -> Callable[..., APIClient]:
    """`api("agent", side)`: a client with the token of a new person of that role."""

    def client(role: str, side: Side, **fields: Any) -> APIClient:
        person = make_staff(role, org_unit=side.unit, **fields)
        return client_of(person)

    return client


def client_of(person: Staff) -> APIClient:
    token = tokens.issue(person, name="test", actor=person)
    client = APIClient(raise_request_exception=True)
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {token}")
    client.person = person
    return client
