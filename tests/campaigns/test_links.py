"""Tracked links: made once, opened by anybody, counted only when somebody opened them."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from campaigns import click_views, lifecycle, links
from campaigns.models import LinkClick, Recipient, TrackedLink
from content import rendering
from crm.models import Event
from crm.timeline import wordings
from tests.campaigns.returning import PHONE, SHOP, STORY, WECHAT, Side, build_side
from wechat.api import PlatformError, web

pytestmark = pytest.mark.django_db


@pytest.fixture
def side() -> Side:
    return build_side("linjian")


def opened(address: str, *, agent: str = PHONE, method: str = "get", **headers: str):
    path = urlsplit(address).path
    call = getattr(Client(headers={"user-agent": agent, **headers}), method)
    return call(path)


def test_every_address_of_a_touch_becomes_ours_once_however_often_it_is_prepared(
    side: Side, settings
) -> None:
    touch = side.touch()
    payload = {"text": f"看 {SHOP}，再看 {STORY}；还是 {SHOP}"}
    links.prepare(touch)
    mine = links.tracked(payload, touch, None)
    again = links.tracked(payload, touch, None)
    assert mine == again
    assert TrackedLink.objects.filter(touch=touch).count() == 2
    assert SHOP not in mine["text"]
    assert STORY not in mine["text"]
    assert mine["text"].count(f"{settings.PUBLIC_URL}/l/") == 3
    assert payload["text"].count(SHOP) == 2


def test_addresses_in_an_article_are_exchanged_in_its_html_and_its_source(
    side: Side,
) -> None:
    version = side.version(body=f"[去看看]({SHOP})")
    version.source_url = STORY
    version.save()
    touch = side.touch(version=version, channel="mass")
    article = {
        "title": "t",
        "content_html": f'<a href="{SHOP.replace("&", "&amp;")}">去看看</a>',
        "content_source_url": STORY,
    }
    assert set(rendering.links_of(version)) == {SHOP, STORY}
    changed = links.tracked({"article": article}, touch, None)["article"]
    by = links.addresses(touch)
    assert changed["content_html"] == f'<a href="{by[SHOP]}">去看看</a>'
    assert changed["content_source_url"] == by[STORY]


def test_a_changed_text_keeps_old_links_and_numbers_new_ones_after_them(
    side: Side,
) -> None:
    touch = side.touch()
    before = links.addresses(touch)
    touch.version = side.version(body="只看 https://new.example.com/")
    touch.save()
    after = links.addresses(touch)
    assert before.items() <= after.items()
    assert sorted(touch.links.values_list("number", flat=True)) == [1, 2, 3]


@pytest.mark.parametrize(
    "url",
    ["javascript:alert(1)", "ftp://a.example/", "https://", "http://[", "//a.example"],
)
def test_only_web_addresses_are_tracked(url: str) -> None:
    assert not links.is_trackable(url)


def test_opening_a_persons_link_counts_it_and_stands_in_their_history(
    side: Side,
) -> None:
    touch = side.touch()
    recipient = side.contact(touch, side.member())
    address = links.addresses(touch, recipient)[SHOP]
    with CaptureQueriesContext(
        connection,
    ) as queries:
        answer = opened(address)
    assert (answer.status_code, answer["Location"]) == (302, SHOP)
    assert answer["Cache-Control"] == "no-store"
    assert not answer.cookies
    click = LinkClick.objects.get()
    assert (click.recipient, click.link.url) == (recipient, SHOP)
    line = Event.objects.get(member=recipient.member)
    assert line.kind == "link.opened"
    assert SHOP in str(wordings[line.kind].text(line.data))
    # link, recipient, savepoint, click, line, release
    assert len(queries) == 6, [q["sql"][:80] for q in queries]


def test_opening_a_touchs_link_counts_without_a_person(side: Side) -> None:
    touch = side.touch(channel="mass")
    answer = opened(links.addresses(touch)[SHOP], agent=WECHAT)
    assert (answer.status_code, answer["Location"]) == (302, SHOP)
    assert LinkClick.objects.get().recipient is None
    assert not Event.objects.exists()


@pytest.mark.parametrize(
    "how",
    [
        {"method": "head"},
        {"agent": "Mozilla/5.0 (compatible; Baiduspider/2.0)"},
        {"agent": "WeChat link preview"},
        {"agent": ""},
        {"Sec-Purpose": "prefetch;prerender"},
    ],
)
def test_what_nobody_opened_is_not_counted_and_still_arrives(side: Side, how) -> None:
    address = links.addresses(side.touch())[SHOP]
    answer = opened(address, **how)
    assert (answer.status_code, answer["Location"]) == (302, SHOP)
    assert not LinkClick.objects.exists()


def test_forged_unknown_and_broken_tokens_find_nothing_in_chinese(side: Side) -> None:
    touch, other = side.touch(), side.touch()
    mine = side.contact(touch, side.member())
    theirs = side.contact(other, side.member("小周"))
    token = links.addresses(touch, mine)[SHOP].rpartition("/")[2]
    link, _recipient, signature = token.split("-")
    stranger = links.make_token(links.read_token(token).link_id, theirs.pk)
    for broken in (
        f"{link}-{signature}",
        token[:-1] + ("a" if token[-1] != "a" else "b"),
        stranger,  # signed, but of a recipient of another touch
        links.make_token(999_999),
        links.make_token(links.read_token(token).link_id, 999_999),
        *("-", "--", "0-0", "x" * 5000, "☃", "a-b-c-d", "..%2f", "%00", "'"),
    ):
        answer = Client(headers={"user-agent": PHONE}).get(f"/l/{broken}")
        assert answer.status_code in (400, 404), broken
        if broken == stranger:
            assert "链接" in answer.content.decode()
    assert not LinkClick.objects.exists()


def test_links_sent_under_a_former_key_stay_valid(side: Side, settings: Any) -> None:
    address = links.addresses(side.touch())[SHOP]
    former, settings.SECRET_KEY = settings.SECRET_KEY, "x" * 60
    assert opened(address).status_code == 404
    settings.SECRET_KEY_FALLBACKS = [former]
    assert opened(address)["Location"] == SHOP


def test_only_get_and_head_are_taken(side: Side) -> None:
    address = links.addresses(side.touch())[SHOP]
    assert opened(address, method="post").status_code == 405


def test_openings_of_a_purged_person_count_without_them(side: Side) -> None:
    touch = side.touch()
    recipient = side.contact(touch, side.member())
    address = links.addresses(touch, recipient)[SHOP]
    lifecycle.forget(recipient.member)
    recipient.member.purged_at = recipient.contacted_at
    recipient.member.save()
    assert opened(address)["Location"] == SHOP
    assert LinkClick.objects.get().recipient is None
    assert Recipient.objects.get(pk=recipient.pk).address == ""


# -- web authorisation; tests/campaigns/test_web_authorisation.py asks the sandbox


@pytest.fixture
def asking(side: Side) -> Side:
    side.account.has_web_authorisation = True
    side.account.save()
    return side


def test_a_mass_link_goes_by_the_platform_inside_wechat_only(asking: Side) -> None:
    touch = asking.touch(channel="mass")
    address = links.addresses(touch)[SHOP]
    assert opened(address)["Location"] == SHOP
    answer = opened(address, agent=WECHAT)
    place = urlsplit(answer["Location"])
    asked = {name: each[0] for name, each in parse_qs(place.query).items()}
    assert place.netloc == "open.weixin.qq.com"
    assert place.fragment == "wechat_redirect"
    assert asked["scope"] == "snsapi_base"
    assert asked["redirect_uri"] == f"{address}/who"
    assert asked["state"].isalnum()
    assert len(asked["state"]) <= web.MAX_STATE_LENGTH
    cookie = answer.cookies[click_views.COOKIE]
    assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == (
        True,
        "Lax",
        "/l/",
    )
    assert LinkClick.objects.count() == 2


def test_a_single_link_never_goes_by_the_platform(asking: Side) -> None:
    touch = asking.touch()
    recipient = asking.contact(touch, asking.member())
    address = links.addresses(touch, recipient)[SHOP]
    assert opened(address, agent=WECHAT)["Location"] == SHOP


class Visit:
    """One browser that was sent to the platform."""

    def __init__(self, side: Side) -> None:
        self.touch = side.touch(channel="mass")
        self.recipient = side.contact(self.touch, side.member(), "accepted")
        self.address = links.addresses(self.touch)[SHOP]
        self.client = Client(headers={"user-agent": WECHAT})
        answer = self.client.get(urlsplit(self.address).path)
        query = parse_qs(urlsplit(answer["Location"]).query)
        self.state = query["state"][0]

    def back(self, **query: str):
        return self.client.get(f"{urlsplit(self.address).path}/who", query)


def nowhere(side: Side) -> None:
    """The platform is a closed port."""
    side.account.is_sandbox = True
    side.account.api_base_url = "http://127.0.0.1:9"
    side.account.save()


def test_whoever_does_not_bring_back_what_we_gave_arrives_unnamed(
    asking: Side, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    visit, other = Visit(asking), Visit(asking)
    nowhere(asking)
    for query in (
        {},
        {"state": visit.state},
        {"code": "c"},
        {"code": "c", "state": visit.state[:-1] + "0g"[visit.state[-1] == "0"]},
        {"code": "c", "state": other.state},
        {"code": "c" * 600, "state": visit.state},
        {"code": "c", "state": "雪" * 40},
    ):
        assert visit.back(**query)["Location"] == SHOP
    stolen = Client(headers={"user-agent": WECHAT})
    stolen.get(
        f"{urlsplit(visit.address).path}/who", {"code": "c", "state": visit.state}
    )
    monkeypatch.setattr(click_views.time, "time", lambda: 4_000_000_000)
    assert visit.back(code="c", state=visit.state)["Location"] == SHOP
    assert "did not say who came" not in caplog.text  # it was never asked
    assert set(LinkClick.objects.values_list("recipient", flat=True)) == {None}


def test_a_platform_that_can_not_be_reached_costs_the_name_only(asking: Side) -> None:
    """The account's address leads nowhere: the real client meets a closed port."""
    visit = Visit(asking)
    nowhere(asking)
    assert visit.back(code="c", state=visit.state)["Location"] == SHOP
    assert LinkClick.objects.get().recipient is None
    with pytest.raises(PlatformError):
        web.openid_of(asking.account.apps.get(), "c")
