"""A brand with accounts, a dealer beside it, and callbacks that arrive."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import datetime
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from staff.models import OrgUnit
from wechat.models import Account, App, InboundEvent
from wechat.registry import Inbound, handlers_for

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
) -> Inbound:
    app = account.apps.get()
    event = InboundEvent.objects.create(
        app=app,
        dedupe_key=f"test-{next(_numbers)}",
        kind=kind,
        subject=subject,
        body=b"<xml/>",
    )
    inbound = Inbound(
        event=event,
        app=app,
        account=account,
        kind=kind,
        fields=fields,
        subject=subject,
        at=at or timezone.now(),
    )
    with transaction.atomic():
        for handler in handlers_for(kind):
            handler(inbound)
    return inbound


@pytest.fixture
def deliver(world: SimpleNamespace) -> Callable[..., Inbound]:
    """`deliver(account, kind, subject, at=None, **fields)`: one callback, handled."""
    return deliver_now
