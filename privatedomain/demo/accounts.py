"""The accounts of the demo, set up as an administrator would: from the sandbox's data."""

from __future__ import annotations

from typing import Any

from django.conf import settings

from service.models import Queue
from staff.models import OrgUnit, Staff
from wechat.models import Account, App, Colleague, KfAccount

# value, audience, goal of each kind's charter
CHARTERS: dict[str, tuple[str, str, str]] = {
    "service": (
        "会员在微信里的服务入口：查积分、问护肤、退换货都有人管",
        "买过林间产品、关注服务号的会员",
        "90 % 的咨询 5 分钟内有人回应，复购率每季度提升 1 个百分点",
    ),
    "subscription": (
        "每周三篇护肤与生活方式内容，先有用，再带货",
        "对天然护肤感兴趣、还没成为会员的读者",
        "每月 500 位读者转为会员",
    ),
    "wecom": (
        "导购与顾客一对一的长期关系：懂她的肤质，也记得她的喜好",
        "到过门店或主动添加顾问的顾客",
        "加好友 7 天内开口率 60 %，每位导购服务不超过 300 人",
    ),
}
# userid of the sandbox's colleagues → key of their unit
PLACES = {
    "zhangsan": "store_hubin",
    "lisi": "store_hubin",
    "zhoujiu": "store_xihu",
    "wushi": "store_xihu",
    "wangwu": "brand",
    "zhaoliu": "brand",
    "chenqi": "brand",
    "sunba": "brand",
}


def set_up(
    described: list[dict[str, Any]], units: dict[str, OrgUnit], owner: Staff
) -> dict[str, App]:
    """Create the accounts the sandbox describes; returns their apps by slug."""
    apps = {}
    for theirs in described:
        account = _account(theirs, units["brand"], owner)
        app = _app(theirs, account)
        apps[app.slug] = app
        if account.is_wecom:
            _colleagues(theirs, account, units)
            _kf_accounts(theirs, app)
    return apps


def _account(theirs: dict[str, Any], brand: OrgUnit, owner: Staff) -> Account:
    value, audience, goal = CHARTERS[theirs["kind"]]
    is_wecom = theirs["kind"] == Account.Kind.WECOM
    return Account.objects.create(
        slug=theirs["slug"],
        name=theirs["name"],
        kind=theirs["kind"],
        role=Account.Role.SUB
        if theirs["kind"] == Account.Kind.SUBSCRIPTION
        else Account.Role.MAIN,
        org_unit=brand,
        original_id=theirs["gh_id"] or theirs["corp_id"],
        state=Account.State.LIVE,
        charter_value=value,
        charter_audience=audience,
        charter_goal=goal,
        charter_owner=owner,
        # The sandbox knows the console's host as this account's web page domain.
        has_web_authorisation=theirs["kind"] == Account.Kind.SERVICE,
        is_sandbox=True,
        api_base_url=f"{settings.SANDBOX_URL}/{'qy' if is_wecom else 'mp'}",
    )


def _app(theirs: dict[str, Any], account: Account) -> App:
    return App.objects.create(
        account=account,
        slug=theirs["slug"],
        name=theirs["name"],
        app_id=theirs["app_id"] or theirs["corp_id"],
        agent_id=theirs["agent_id"],
        secret=theirs["secret"],
        token=theirs["token"],
        aes_key=theirs["aes_key"],
        mode=theirs["mode"],
    )


def _colleagues(
    theirs: dict[str, Any], account: Account, units: dict[str, OrgUnit]
) -> None:
    """Each colleague with the staff member behind; these have no login of their own."""
    for person in theirs["colleagues"]:
        staff, _ = Staff.objects.get_or_create(
            username=person["userid"],
            defaults={
                "display_name": person["name"],
                "org_unit": units[PLACES.get(person["userid"], "brand")],
                "password": "!",
            },
        )
        Colleague.objects.create(
            account=account, userid=person["userid"], name=person["name"], staff=staff
        )


def _kf_accounts(theirs: dict[str, Any], app: App) -> None:
    for kf in theirs["kf_accounts"]:
        KfAccount.objects.create(app=app, open_kfid=kf["open_kfid"], name=kf["name"])


def set_up_queues(apps: dict[str, App]) -> dict[str, Queue]:
    """One default queue per account; returns them by the account's slug."""
    return {
        slug: Queue.objects.create(
            name=f"{app.account.name}咨询", account=app.account, asks_rating=True
        )
        for slug, app in apps.items()
    }
