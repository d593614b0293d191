"""Loads the demo into an empty copy, all or nothing; then a few people write."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from core.errors import AppError
from crm import auto_tags, partitions, value
from crm.models import Member
from privatedomain.demo import (
    accounts,
    answers,
    choices,
    contents,
    dialogues,
    doubts,
    facts,
    groups,
    people,
    phones,
    plans,
    purchases,
    tags,
    talks,
)
from privatedomain.demo.units import demo_units
from privatedomain.logins import create_demo_staff
from service.models import Queue
from staff.models import OrgUnit, Staff
from wechat.models import Account, App, Colleague

logger = logging.getLogger(__name__)

MONTHS_OF_HISTORY = 15
# Who writes at the end: followers of the 服务号 whom the sandbox does not forget.
WRITERS_ACCOUNT = "service"


class NotEmpty(AppError):
    code = "not_empty"
    message = "There are accounts already: the demo loads into an empty copy only."


@dataclass(frozen=True)
class Loaded:
    members: int
    conversations: int


def load() -> Loaded:
    """Create units, staff, accounts, rules, queues, members and their history.

    Raises NotEmpty; OSError when the sandbox does not answer.
    """
    described, everybody = phones.accounts(), phones.people()
    _make_past_partitions()
    with transaction.atomic():
        if Account.objects.exists():
            raise NotEmpty
        units = demo_units()
        logins = create_demo_staff()
        owner = Staff.objects.get(username=logins["ops_manager"]["username"])
        apps = accounts.set_up(described, units, owner)
        answers.write_rules(apps)
        contents.write(units, apps, logins)
        queues = accounts.set_up_queues(apps)
        world = people.World(units, apps, _colleagues())
        known = [people.make_member(world, person) for person in everybody]
        members = [member for member in known if member is not None]
        members += _dealers(world, owner)
        agents = list(
            Staff.objects.filter(username__in=("agent", "agent2")).order_by("pk")
        )
        tags.put_on(world, members)
        _know(world, members, owner, agents[0])
        auto_tags.run_all()  # campaigns speak to who carries their tags
        plans.plan(contents.Desk(units, apps, logins), world, owner)
        written = talks.write_closed(world, members, _by_slug(apps, queues), agents)
        doubts.raise_some(units["brand"], _of(units["brand"], members), owner)
    purchases.open_shop(owner)
    value.recompute_all()
    auto_tags.run_all()
    writer = Staff.objects.get(username=logins["ops_specialist"]["username"])
    groups.write(units, writer, owner)
    return Loaded(len(members), written)


def _know(
    world: people.World, members: list[Member], owner: Staff, agent: Staff
) -> None:
    """What they bought, want and complained of, and what colleagues noted."""
    brand = world.units["brand"]
    mine = _of(brand, members)
    facts.fill(mine)
    facts.write_notes(mine, agent)
    purchases.write(brand, members, owner)
    purchases.hand_out(brand, members, owner)
    choices.open_doors(world.units)
    choices.tell(world, members)
    choices.agree(members, brand)
    choices.choose(mine)
    choices.complain(world, mine, agent)


def _of(brand: OrgUnit, members: list[Member]) -> list[Member]:
    return [member for member in members if member.controller_id == brand.pk]


def _by_slug(apps: dict[str, App], queues: dict[str, Queue]) -> dict[str, Queue]:
    return {app.account.slug: queues[slug] for slug, app in apps.items()}


def _colleagues() -> dict[str, Colleague]:
    rows = Colleague.objects.select_related("account", "staff__org_unit")
    return {colleague.userid: colleague for colleague in rows}


def _make_past_partitions() -> None:
    first = timezone.now().date() - timedelta(days=31 * MONTHS_OF_HISTORY)
    for start, end in partitions.months_from(first, MONTHS_OF_HISTORY + 2):
        partitions.ensure_month(start, end)


def _dealers(world: people.World, owner: Staff) -> list[Any]:
    """Members of the dealers, whose own accounts are not connected yet."""
    found = []
    for key, stores, name in (
        ("dealer", ("dealer_store", "dealer_store_2"), "林间·杭州"),
        ("dealer_west", ("dealer_west_store",), "林间·成都"),
    ):
        account = Account.objects.create(
            slug=f"lin-{key.replace('_', '-')}",
            name=name,
            kind=Account.Kind.SERVICE,
            role=Account.Role.SUB,
            org_unit=world.units[key],
            charter_value="经销商自己的会员服务",
            charter_audience="在经销商门店消费的会员",
            charter_goal="到店会员 80 % 关注",
            charter_owner=owner,
            is_sandbox=True,
        )
        for store in stores:
            unit: OrgUnit = world.units[store]
            found += people.make_dealer_members(world, account, unit, 24)
    return found


def let_people_write(seconds: float = 30.0) -> int:
    """Have a few people say something on their phones, once the web process answers.

    Their callbacks arrive like any other, so that the queue holds people who can be
    answered. Returns how many wrote; 0 when no web process runs.
    """
    if not _web_answers(seconds):
        return 0
    service = next(a for a in phones.accounts() if a["kind"] == WRITERS_ACCOUNT)
    slug = service["slug"]
    writers = [p for p in phones.people() if p["accounts"][slug]["subscribed"]]
    count = 0
    for person, texts in zip(writers, dialogues.WAITING, strict=False):
        for text in texts:
            phones.say(person["id"], slug, text)
        count += 1
    return count


def _web_answers(seconds: float) -> bool:
    import urllib.error
    import urllib.request

    deadline = time.monotonic() + seconds
    address = f"http://127.0.0.1:{settings.PORT}/readyz"
    while time.monotonic() < deadline:
        try:
            urllib.request.urlopen(address, timeout=2)
        except urllib.error.HTTPError:
            return True  # it says what is not ready, so it answers
        except OSError:
            time.sleep(0.3)
        else:
            return True
    return False
