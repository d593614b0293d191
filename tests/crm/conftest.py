"""A brand with accounts, a dealer beside it, and callbacks that arrive."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any
from xml.sax.saxutils import escape

import pytest
from django.db import connection
from django.utils import timezone

from staff.models import OrgUnit
from wechat import inbox, parsing
from wechat.models import Account, App, InboundEvent

_numbers = itertools.count(1)


def make_account(unit: OrgUnit, kind: str = "service", **fields: Any) -> Account:
    number = next(_numbers)
    account = Account.objects.create(
        slug=f"account-{number}",
        name=f"账号 {number}",
        kind=kind,
        org_unit=unit,
        state="live",
        **fields,
    )
    App.objects.create(
        account=account, slug=f"app-{number}", app_id=f"wx{number}", secret="s"
    )
    return account


def build_world() -> SimpleNamespace:
    brand = OrgUnit.objects.create(name="林间", kind="brand")
    store = OrgUnit.objects.create(name="静安寺店", kind="store", parent=brand)
    dealer = OrgUnit.objects.create(
        name="经销商甲", kind="dealer", parent=brand, is_separate_controller=True
    )
    return SimpleNamespace(
        brand=brand,
        store=store,
        dealer=dealer,
        service=make_account(brand),
        sub=make_account(brand, "subscription"),
        wecom=make_account(brand, "wecom"),
        dealer_service=make_account(dealer),
        dealer_wecom=make_account(dealer, "wecom"),
    )


@pytest.fixture
def world(db: None) -> SimpleNamespace:
    return build_world()


def deliver_now(
    account: Account,
    kind: str,
    subject: str,
    *,
    at: datetime | None = None,
    **fields: Any,
) -> InboundEvent:
    """Store one callback of `kind` as the gateway does, and work the inbox off.

    `kind` is ours ("mp.event.subscribe"); `fields` are the platform's own.
    """
    at = at or timezone.now()
    platform, what, *rest = kind.split(".")
    if platform == "kf":
        body, envelope = _kf(what, rest, subject, at, fields)
    else:
        body, envelope = _xml(platform, what, rest, subject, at, fields)
    assert (envelope.kind, envelope.subject) == (kind, subject)
    event = InboundEvent.objects.create(
        app=account.apps.first(),
        dedupe_key=f"{envelope.dedupe_key};{next(_numbers)}",
        kind=envelope.kind,
        subject=envelope.subject,
        body=body,
        received_at=at,
    )
    work_off()
    event.refresh_from_db()
    return event


def work_off() -> None:
    """Drain the inbox; PostgreSQL's now() stands still in a test's transaction."""
    if connection.in_atomic_block:
        yesterday = timezone.now() - timedelta(days=1)
        InboundEvent.objects.filter(state="new").update(next_at=yesterday)
    inbox.drain()


def _kf(what, rest, subject, at, fields):
    item = {"msgid": f"m{next(_numbers)}", "send_time": int(at.timestamp()), **fields}
    if what == "event":
        event = {"event_type": rest[0], "external_userid": subject}
        item |= {"msgtype": "event", "origin": 4}
        item["event"] = event | fields.get("event", {})
    else:
        origin = 3 if what == "message" else 5
        item |= {"msgtype": rest[0], "origin": origin, "external_userid": subject}
    body = json.dumps(item).encode()
    return body, parsing.kf_envelope(item, body)


def _xml(platform, what, rest, subject, at, fields):
    values = {"CreateTime": str(int(at.timestamp())), **fields}
    if what == "message":
        values |= {"FromUserName": subject, "MsgType": rest[0]}
    elif platform == "mp":
        values |= {"FromUserName": subject, "MsgType": "event", "Event": rest[0]}
    else:
        values |= {"FromUserName": "sys", "MsgType": "event", "Event": rest[0]}
        values |= {"ChangeType": rest[1], "ExternalUserID": subject}
    inner = "".join(
        f"<{name}>{escape(value)}</{name}>" for name, value in values.items()
    )
    body = f"<xml>{inner}</xml>".encode()
    return body, parsing.envelope(parsing.parse_xml(body), body, platform=platform)


@pytest.fixture
def deliver(world: SimpleNamespace) -> Callable[..., InboundEvent]:
    """`deliver(account, kind, subject, at=None, **fields)`: one callback, worked off."""

    def deliver_and_check(*args: Any, **kwargs: Any) -> InboundEvent:
        event = deliver_now(*args, **kwargs)
        assert event.state in ("done", "ignored"), event.error
        return event

    return deliver_and_check


from tests.wechat.outbound.conftest import (  # noqa: E402, F401  fixtures
    sandbox,
    sandbox_process,
)
