"""Who opens a link of a mass message: asked of the platform, which is the sandbox."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import requests
from django.test import Client
from django.utils import timezone

from campaigns import links
from campaigns.models import Campaign, LinkClick, Phase, Recipient, Touch
from content.models import Item, Version
from crm import preference_links
from crm.models import Event, Identity, Member
from staff.accounts import system_staff
from tests.campaigns.returning import SHOP, WECHAT
from tests.wechat.outbound.conftest import (  # noqa: F401  fixtures
    app,
    sandbox,
    sandbox_process,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def mass(app: Any, sandbox: Any, settings: Any) -> SimpleNamespace:  # noqa: F811
    """A mass touch with one link on the sandbox's 服务号, accepted for one person."""
    account = app.account
    account.has_web_authorisation = True
    account.save()
    host = urlsplit(settings.PUBLIC_URL).netloc
    sandbox.ask(f"accounts/{account.slug}", {"web_domains": [host]})
    person = sandbox.person()
    sandbox.follows(person, account.slug)
    actor, unit = system_staff("test"), account.org_unit
    campaign = Campaign.objects.create(
        org_unit=unit,
        name="新品",
        owner=actor,
        created_by=actor,
        live_date=timezone.localdate(),
    )
    phase = Phase.objects.create(campaign=campaign, kind="live", start_day=0, end_day=1)
    item = Item.objects.create(org_unit=unit, kind="text", title="新品", owner=actor)
    touch = Touch.objects.create(
        campaign=campaign,
        phase=phase,
        name="群发",
        channel="mass",
        account=account,
        version=Version.objects.create(
            item=item, number=1, body=f"看 {SHOP}", created_by=actor, digest="d"
        ),
        created_by=actor,
        started_at=timezone.now(),
        state="sending",
    )
    openid = person["openid"][account.slug]
    member = Member.objects.create(controller=unit.controller, display_name="小林")
    Identity.objects.create(
        member=member,
        controller=unit.controller,
        kind="openid",
        account=account,
        value=openid,
    )
    recipient = Recipient.objects.create(
        touch=touch,
        member=member,
        address=openid,
        state="accepted",
        contacted_at=timezone.now(),
    )
    address = links.addresses(touch)[SHOP]
    return SimpleNamespace(person=person, recipient=recipient, address=address)


def authorised(place: str, person: dict[str, Any]) -> str:
    """Where the platform's page sends the phone of `person`."""
    answer = requests.get(
        place,
        cookies={"sandbox_person": str(person["id"])},
        allow_redirects=False,
        timeout=10,
    )
    assert answer.status_code == 302, answer.text
    return str(answer.headers["Location"])


def opened(client: Client, address: str) -> Any:
    parts = urlsplit(address)
    return client.get(parts.path, dict(parse_qsl(parts.query)))


def test_the_platform_says_who_opened_and_the_person_arrives(
    mass: SimpleNamespace,
) -> None:
    browser = Client(headers={"user-agent": WECHAT})
    back = authorised(opened(browser, mass.address)["Location"], mass.person)
    assert urlsplit(back).path == f"{urlsplit(mass.address).path}/who"
    assert LinkClick.objects.get().recipient is None  # counted before anybody answers
    assert opened(browser, back)["Location"] == SHOP
    assert LinkClick.objects.get().recipient == mass.recipient
    assert Event.objects.get(member=mass.recipient.member).kind == "link.opened"
    # The same page again: the code is spent, the person arrives, nothing is counted.
    assert opened(browser, back)["Location"] == SHOP
    assert LinkClick.objects.count() == Event.objects.count() == 1


def test_somebody_it_was_forwarded_to_counts_without_a_name(
    mass: SimpleNamespace,
    sandbox: Any,  # noqa: F811
) -> None:
    friend = sandbox.person()
    browser = Client(headers={"user-agent": WECHAT})
    back = authorised(opened(browser, mass.address)["Location"], friend)
    assert opened(browser, back)["Location"] == SHOP
    assert LinkClick.objects.get().recipient is None


def test_the_preference_page_of_an_account_is_the_one_of_whoever_opens_it(
    mass: SimpleNamespace,
    sandbox: Any,  # noqa: F811
) -> None:
    member = mass.recipient.member
    address = preference_links.address_for(mass.recipient.touch.account)
    browser = Client(headers={"user-agent": WECHAT})
    back = authorised(opened(browser, address)["Location"], mass.person)
    own = opened(browser, back)["Location"]
    assert urlsplit(own).path.startswith("/p/")
    assert "退订全部" in browser.get(urlsplit(own).path).content.decode()
    opened_for = preference_links.open_member(urlsplit(own).path.split("/")[-1])
    assert opened_for.member == member
    # The code is spent, and another browser was given no state of ours.
    assert "还不认识您" in opened(browser, back).content.decode()
    assert "请在微信中打开" in opened(Client(), back).content.decode()
    friend = authorised(opened(browser, address)["Location"], sandbox.person())
    assert opened(browser, friend).status_code == 404
