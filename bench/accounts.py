"""Connects the sandbox's 服务号 to a bench copy, as an administrator would."""

from __future__ import annotations

from typing import Any

from bench.traffic import call


def connect(sandbox_url: str) -> Any:
    """Our live account that is the sandbox's first 服务号; returns it."""
    from staff.models import OrgUnit
    from wechat.models import Account, App

    _, known = call("GET", f"{sandbox_url}/control/accounts")
    theirs = next(each for each in known if each["kind"] == "service")
    brand = OrgUnit.objects.create(name="林间", kind="brand", parent=None)
    account = Account.objects.create(
        slug=theirs["slug"],
        name=theirs["name"],
        kind=theirs["kind"],
        org_unit=brand,
        original_id=theirs["gh_id"],
        state="live",
        is_sandbox=True,
        api_base_url=f"{sandbox_url}/mp",
    )
    App.objects.create(
        account=account,
        slug=theirs["slug"],
        app_id=theirs["app_id"],
        secret=theirs["secret"],
        token=theirs["token"],
        aes_key=theirs["aes_key"],
    )
    return account
