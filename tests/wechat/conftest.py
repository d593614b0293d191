"""Accounts and apps of both platforms."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.wechat import platform


def build_app(kind: str = "service", **fields: Any) -> Any:
    """An active app with its account and brand; `kind` as of Account.Kind."""
    from staff.models import OrgUnit
    from wechat.models import Account, App

    number = Account.objects.count() + 1
    brand = OrgUnit.objects.filter(parent=None).first()
    if brand is None:
        brand = OrgUnit.objects.create(name="Brand", kind=OrgUnit.Kind.BRAND)
    account = fields.pop("account", None) or Account.objects.create(
        slug=f"account{number}",
        name=f"Account {number}",
        kind=kind,
        org_unit=fields.pop("org_unit", brand),
        state=Account.State.LIVE,
    )
    known = {
        "slug": f"app{number}",
        "app_id": f"wx{number:016d}",
        "token": f"token{number}",
        "aes_key": platform.new_key(),
        "mode": "safe",
    }
    return App.objects.create(account=account, **{**known, **fields})


@pytest.fixture
def make_app(db: None) -> Callable[..., Any]:
    return build_app


@pytest.fixture
def callbacks(transactional_db: None, settings: Any, tmp_path: Any) -> Iterator[None]:
    """Callbacks answered in this process, with committed rows and a spool of its own."""
    from wechat import credentials, storing

    settings.SPOOL_DIR = tmp_path / "spool"
    storing.reset()
    credentials.reset()
    yield
    storing.reset()
