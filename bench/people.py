"""A brand at the sandbox with members, and touches to them, for benchmarks and fault runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bench.accounts import connect
from bench.traffic import call
from tests.stack import Stack, wait_until

PAGE = 1000
MEMBERS = """
WITH made AS (
    INSERT INTO crm_member (controller_id, display_name, is_placeholder_name, remark,
        name_tokens, stage, real_name, phone, phone_hash, phone_tail_hash, is_reachable,
        first_seen_at, last_seen_at, rfm, trust, gender, city, no_personalisation)
    SELECT %(controller)s, '会员', false, '', '{}', 'new', '', '', '', '', true,
        now(), now(), '', 'T0', '', '', false
    FROM unnest(%(openids)s::text[]) RETURNING id
), numbered AS (
    SELECT id, row_number() OVER (ORDER BY id) AS number FROM made
)
INSERT INTO crm_identity (member_id, controller_id, kind, account_id, value,
    is_following, scene, profile_tries, created_at)
SELECT numbered.id, %(controller)s, 'openid', %(account)s, given.openid, true, '', 0, now()
FROM numbered JOIN unnest(%(openids)s::text[]) WITH ORDINALITY AS given (openid, number)
    USING (number)
"""


@dataclass
class World:
    """Our account, its campaign's phase, who plans and who approves; `sandbox`: its URL."""

    account: Any
    phase: Any
    boss: Any
    approver: Any
    sandbox: str


def build_world(stack: Stack) -> World:
    """An empty console with one account; never quiet, nobody has had too much."""
    from django.db import connection
    from django.utils import timezone

    from campaigns.models import Campaign, Phase
    from core.models import SystemSetting
    from staff.models import Staff

    with connection.cursor() as cursor:
        cursor.execute(
            "TRUNCATE wechat_account, staff_staff, staff_orgunit, crm_member, "
            "content_item, campaigns_campaign CASCADE"
        )
    call("POST", f"{stack.sandbox_url}/control/reset", {})
    account = connect(stack.sandbox_url)
    boss, approver = (
        Staff.objects.create_user(
            name, display_name=name, org_unit=account.org_unit, is_superuser=True
        )
        for name in ("boss", "approver")
    )
    campaign = Campaign.objects.create(
        org_unit=account.org_unit,
        name="bench",
        owner=boss,
        created_by=boss,
        live_date=timezone.localdate(),
        state="running",
    )
    phase = Phase.objects.create(campaign=campaign, kind="live", start_day=0, end_day=3)
    for key, value in {
        "quiet_from": "00:00",
        "quiet_until": "00:00",
        "cap_day": 100,
        "cap_week": 100,
        "cap_month": 100,
    }.items():
        SystemSetting.objects.update_or_create(
            key=f"campaigns.{key}", defaults={"value": value}
        )
    return World(account, phase, boss, approver, stack.sandbox_url)


def add_members(world: World, openids: list[str]) -> None:
    """Members of ours with these openids, who follow."""
    from django.db import connection

    with connection.cursor() as cursor:
        for start in range(0, len(openids), 50_000):
            cursor.execute(
                MEMBERS,
                {
                    "controller": world.account.org_unit.controller_id,
                    "account": world.account.pk,
                    "openids": openids[start : start + 50_000],
                },
            )
        for table in ("crm_member", "crm_identity"):
            cursor.execute(f"ANALYZE {table}")


def writers(world: World, count: int) -> list[str]:
    """People of the sandbox who follow and just wrote; our windows are open too."""
    from django.utils import timezone

    from wechat import windows
    from wechat.models import App

    slug = world.account.slug
    call("POST", f"{world.sandbox}/control/limits", {"markfail_after": 10**9})
    call("POST", f"{world.sandbox}/control/push", {"retries": 0})
    body = {"count": count, "account": slug}
    _status, made = call(
        "POST", f"{world.sandbox}/control/people/bulk", body, seconds=120
    )
    app = App.objects.select_related("account").get()
    found = set(made["openids"])
    for person in _people(world):
        if person["openid"].get(slug) in found:
            path = f"{world.sandbox}/control/people/{person['id']}/say"
            call("POST", path, {"account": slug, "text": "你好"})
    # What they said is for nobody: gone before anything is measured.
    pending = f"{world.sandbox}/control/pushes?state=pending"
    wait_until(lambda: call("GET", pending)[1] == [], 300, "no push is left")
    for openid in made["openids"]:
        windows.open_window(app, openid, "message", timezone.now())
    return list(made["openids"])


def _people(world: World) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    while True:
        path = f"people?limit={PAGE}&offset={len(rows)}"
        _status, page = call("GET", f"{world.sandbox}/control/{path}", seconds=60)
        rows += page
        if len(page) < PAGE:
            return rows


def new_touch(world: World, channel: str, text: str, **fields: Any) -> Any:
    """A touch to everybody (or `audience`), approved by somebody else."""
    from django.utils import timezone

    from campaigns import approving
    from campaigns.models import Touch
    from content.models import Item, Version

    item = Item.objects.create(
        org_unit=world.account.org_unit, kind="text", title="bench", owner=world.boss
    )
    version = Version.objects.create(
        item=item,
        number=1,
        body=text,
        created_by=world.boss,
        digest="d",
        state="approved",
        approved_by=world.approver,
        approved_at=timezone.now(),
    )
    touch = Touch.objects.create(
        campaign=world.phase.campaign,
        phase=world.phase,
        name=text,
        channel=channel,
        account=world.account,
        version=version,
        created_by=world.boss,
        **fields,
    )
    approving.ask(touch, actor=world.boss)
    return approving.decide(touch, actor=world.approver, is_yes=True)
