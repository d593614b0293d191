"""A brand with a dealer beside it, an account each, and people who write to them."""

from __future__ import annotations

import itertools
import time
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from xml.sax.saxutils import escape

from django.utils import timezone

from content.models import AnswerRule
from crm.models import Identity, Member
from service.models import Conversation, Queue
from staff.models import OrgUnit
from tests.conftest import build_staff
from wechat import inbox
from wechat.models import Account, App, InboundEvent, ReplyWindow

_numbers = itertools.count(1000)
# The inbox compares with the transaction's own now(), which a test's rows come after.
LONG_DUE = timezone.now() - timedelta(hours=1)


@dataclass
class Side:
    """One data controller with an official account that is live."""

    name: str
    unit: OrgUnit
    account: Account
    app: App
    queue: Queue
    people: list[Any] = field(default_factory=list)

    def agent(self, role: str = "agent", **fields: Any) -> Any:
        return build_staff(role, org_unit=self.unit, **fields)

    def rule(self, keyword: str, answer: str, **fields: Any) -> AnswerRule:
        return AnswerRule.objects.create(
            account=self.account,
            name=keyword,
            keywords=[keyword],
            reply_text=answer,
            **fields,
        )

    def conversation(self, *, window: bool = True, **fields: Any) -> Conversation:
        number = next(_numbers)
        member = fields.pop("member", None) or Member.objects.create(
            controller=self.unit, display_name=f"林小满{number}"
        )
        openid = f"o{self.account.slug}{number}"
        Identity.objects.create(
            member=member,
            controller=self.unit,
            kind=Identity.Kind.OPENID,
            account=self.account,
            value=openid,
        )
        if window:
            self.open_window(openid)
        return Conversation.objects.create(
            app=self.app,
            member=member,
            recipient=openid,
            queue=self.queue,
            waiting_since=timezone.now(),
            **fields,
        )

    def open_window(self, openid: str, allowed: int = 5) -> None:
        now = timezone.now()
        ReplyWindow.objects.update_or_create(
            app=self.app,
            recipient=openid,
            trigger=ReplyWindow.Trigger.MESSAGE,
            defaults={
                "opened_at": now,
                "closes_at": now + timedelta(hours=48),
                "allowed": allowed,
                "used": 0,
            },
        )

    # -- what the platform pushes

    def push(self, openid: str, kind: str, body: str) -> InboundEvent:
        """Store a callback as the callback door does; `work()` runs it."""
        stamp = int(time.time())
        xml = (
            f"<xml><ToUserName>gh_x</ToUserName><FromUserName>{openid}</FromUserName>"
            f"<CreateTime>{stamp}</CreateTime>{body}</xml>"
        )
        return InboundEvent.objects.create(
            app=self.app,
            dedupe_key=f"test:{next(_numbers)}",
            kind=kind,
            subject=openid,
            body=xml.encode(),
            next_at=LONG_DUE,
        )

    def says(self, openid: str, text: str) -> InboundEvent:
        event = self.push(
            openid,
            "mp.message.text",
            f"<MsgType>text</MsgType><Content>{escape(text)}</Content>"
            f"<MsgId>{next(_numbers)}</MsgId>",
        )
        work()
        return event

    def sends_picture(self, openid: str) -> InboundEvent:
        number = next(_numbers)
        event = self.push(
            openid,
            "mp.message.image",
            "<MsgType>image</MsgType><PicUrl>http://p.example/1</PicUrl>"
            f"<MediaId>media{number}</MediaId><MsgId>{number}</MsgId>",
        )
        work()
        return event

    def leaves(self, openid: str) -> InboundEvent:
        event = self.push(
            openid,
            "mp.event.unsubscribe",
            "<MsgType>event</MsgType><Event>unsubscribe</Event><EventKey></EventKey>",
        )
        work()
        return event


def work() -> None:
    """What a worker does with the inbox; a failed event fails the test."""
    inbox.drain()
    failed = InboundEvent.objects.exclude(error="").first()
    assert failed is None, failed.error


def run_again(event: InboundEvent) -> None:
    InboundEvent.objects.filter(pk=event.pk).update(state="new", next_at=LONG_DUE)
    work()


def build_side(name: str) -> Side:
    number = next(_numbers)
    unit = OrgUnit.objects.create(name=f"{name}{number}", kind="brand")
    account = Account.objects.create(
        slug=f"{name}{number}",
        name=f"服务号{name}",
        kind="service",
        org_unit=unit,
        state="live",
    )
    app = App.objects.create(
        account=account, slug=f"{name}{number}", app_id=f"wx{number}"
    )
    queue = Queue.objects.create(name=f"{name}客服", account=account)
    return Side(name, unit, account, app, queue)
