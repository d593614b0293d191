"""A brand that writes, a store below it, a dealer beside it, and their accounts."""

from __future__ import annotations

import io
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone
from PIL import Image

from content import items, pictures, review
from content.models import Item, Picture, Version
from staff.models import OrgUnit, Staff
from tests.conftest import build_staff
from wechat.models import Account, App

TEXT = "会员日到店即享 8 折，详情 https://shop.example/day?a=1&b=2。"


@dataclass
class Newsroom:
    brand: OrgUnit
    store: OrgUnit
    dealer: OrgUnit
    account: Account
    second: Account
    elsewhere: Account
    writer: Staff
    manager: Staff

    def item(self, **fields: Any) -> Item:
        given: dict[str, Any] = {
            "kind": "text",
            "org_unit": self.brand,
            "title": "会员日",
            "actor": self.writer,
            "content": {"body": TEXT},
        }
        return items.create(**(given | fields))

    def submitted(self, item: Item | None = None) -> Version:
        item = item or self.item()
        return review.submit(newest(item), actor=self.writer)

    def approved(self, item: Item | None = None) -> Version:
        return review.approve(self.submitted(item), actor=self.manager)

    def picture(self, colour: str = "teal", unit: OrgUnit | None = None) -> Picture:
        return pictures.keep(png(colour), unit or self.brand, actor=self.writer)


def build_newsroom() -> Newsroom:
    brand = OrgUnit.objects.create(name="林间", kind="brand")
    store = OrgUnit.objects.create(name="静安寺店", kind="store", parent=brand)
    dealer = OrgUnit.objects.create(
        name="经销商甲", kind="dealer", parent=brand, is_separate_controller=True
    )
    return Newsroom(
        brand,
        store,
        dealer,
        account=_account("linjian", "林间服务号", brand),
        second=_account("linjian-news", "林间公众号", brand, kind="subscription"),
        elsewhere=_account("dealer", "经销商号", dealer),
        writer=build_staff("ops_specialist", org_unit=brand, display_name="周敏"),
        manager=build_staff("ops_manager", org_unit=brand, display_name="李主管"),
    )


def _account(slug: str, name: str, unit: OrgUnit, **fields: Any) -> Account:
    given = {"kind": "service", "state": "live"} | fields
    account = Account.objects.create(slug=slug, name=name, org_unit=unit, **given)
    App.objects.create(account=account, slug=slug, app_id=f"wx-{slug}")
    return account


def newest(item: Item) -> Version:
    return item.versions.order_by("-number")[0]


def png(colour: str = "teal", size: tuple[int, int] = (60, 40)) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, colour).save(out, "PNG")
    return out.getvalue()


def later(days: float = 1) -> datetime:
    """A whole minute, `days` from now."""
    at = timezone.now() + timedelta(days=days)
    return at.replace(second=0, microsecond=0)
