"""Test sends to oneself: bound by a code, marked, counted nowhere."""

from __future__ import annotations

import itertools
import urllib.request
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from campaigns import links, sending, testers
from campaigns.models import Recipient, Touch
from campaigns.models import Tester as Binding
from content import pictures
from content.models import Item, PictureCopy, Version
from tests.campaigns.speaking import World, build_world
from tests.content.world import png
from tests.wechat.outbound.phone import Sandbox, running_sandbox
from wechat import inbox, windows
from wechat import sending as outgoing
from wechat.models import InboundEvent, OutboundMessage

_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def sandbox_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """One of their own: what is on a screen must be theirs alone."""
    with running_sandbox(tmp_path_factory.mktemp("sandbox")) as sandbox:
        yield sandbox


@pytest.fixture
def world(db: None, sandbox_process: Sandbox) -> World:
    return build_world(sandbox_process)


@pytest.fixture
def myself(world: World) -> dict[str, Any]:
    """The boss's own phone: follows, and just wrote."""
    person = world.sandbox.person()
    slug = world.app.account.slug
    world.sandbox.follows(person, slug)
    return {**person, "to": person["openid"][slug], "slug": slug}


def write(world: World, openid: str, text: str) -> None:
    """Their message, stored as the callback door does, and worked off."""
    number = next(_numbers)
    body = (
        f"<xml><ToUserName>gh</ToUserName><FromUserName>{openid}</FromUserName>"
        f"<CreateTime>{int(timezone.now().timestamp())}</CreateTime>"
        f"<MsgType>text</MsgType><Content>{text}</Content>"
        f"<MsgId>{number}</MsgId></xml>"
    )
    InboundEvent.objects.create(
        app=world.app,
        dedupe_key=f"testers:{number}",
        kind="mp.message.text",
        subject=openid,
        body=body.encode(),
        next_at=timezone.now() - timedelta(minutes=1),
    )
    inbox.drain()
    assert not InboundEvent.objects.exclude(error="").exists()


def bind(world: World, myself: dict[str, Any]) -> None:
    code, _until = testers.new_code(world.app.account, actor=world.boss)
    write(world, myself["to"], f"绑定 {code}")


def test_a_code_written_to_the_account_binds_ones_own_phone(
    world: World, myself: dict[str, Any]
) -> None:
    from service.models import Conversation, MissCount

    touch = world.touch_draft("新品到店")
    with pytest.raises(testers.NotBound):
        sending.send_test(touch, actor=world.boss)
    write(world, myself["to"], "绑定 000000")
    assert testers.binding(world.app.account, world.boss) is None
    misses = MissCount.objects.get().count
    bind(world, myself)
    found = testers.binding(world.app.account, world.boss)
    assert found is not None
    assert found.openid == myself["to"]
    # It was said to the console: no conversation, and no rule missed it.
    assert Conversation.objects.count() == 0
    assert MissCount.objects.get().count == misses
    confirmed = OutboundMessage.objects.filter(purpose=testers.PURPOSE).get()
    assert world.boss.display_name in confirmed.payload["text"]


def test_a_code_is_good_once_and_ten_minutes(
    world: World, myself: dict[str, Any]
) -> None:
    code, _until = testers.new_code(world.app.account, actor=world.boss)
    Binding.objects.update(code_until=timezone.now() - timedelta(seconds=5))
    write(world, myself["to"], f"绑定{code}")
    assert testers.binding(world.app.account, world.boss) is None


def test_tests_come_marked_to_oneself_only_and_count_nowhere(
    world: World, myself: dict[str, Any]
) -> None:
    bind(world, myself)
    world.people(2)
    touch = world.touch_draft("新品到店")
    sending.send_test(touch, actor=world.boss)
    assert world.sandbox.screen(myself, myself["slug"]) == ["【测试】新品到店"]
    single = world.touch_draft("单发", channel="custom")
    windows.close_windows(world.app, myself["to"], timezone.now())
    with pytest.raises(testers.NoWindow):
        sending.send_test(single, actor=world.boss)
    world.sandbox.writes(myself, myself["slug"])
    # The sandbox's clock is learnt to the second only: surely later than before.
    later = timezone.now() + timedelta(seconds=2)
    windows.open_window(world.app, myself["to"], "message", later)
    sending.send_test(single, actor=world.boss)
    outgoing.drain("realtime", 5)
    assert "【测试】单发" in world.sandbox.screen(myself, myself["slug"])
    assert Recipient.objects.count() == 0
    assert testers.unbind(world.app.account, actor=world.boss)
    assert testers.binding(world.app.account, world.boss) is None


def version_of(world: World, kind: str, **said: Any) -> Version:
    item = Item.objects.create(
        org_unit=world.unit, kind=kind, title="雨季", owner=world.boss
    )
    return Version.objects.create(
        item=item,
        number=1,
        created_by=world.boss,
        picture=pictures.keep(png(), world.unit, actor=world.boss),
        digest="d",
        state="approved",
        approved_by=world.approver,
        approved_at=timezone.now(),
        **said,
    )


@pytest.fixture
def tried(world: World, myself: dict[str, Any]) -> Callable[..., str]:
    """`tried(touch)`: what the page says after 发给我; the boss's phone is bound."""
    bind(world, myself)
    browser = Client()
    browser.force_login(world.boss)

    def press(touch: Touch) -> str:
        page = reverse("admin:campaigns_touch_test", args=[touch.pk])
        answer = browser.post(page, {"what": "send"})
        assert answer.status_code == 200
        return answer.content.decode()

    return press


def lines(world: World, myself: dict[str, Any]) -> list[dict[str, Any]]:
    """What came from the account, with pictures and articles."""
    path = f"people/{myself['id']}/screen?account={myself['slug']}"
    return [each for each in world.sandbox.ask(path) if each["sender"] == "account"]


def opened(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return answer.read()


def test_a_picture_comes_to_oneself_after_words_that_say_it_is_a_test(
    world: World, myself: dict[str, Any], tried: Callable[..., str]
) -> None:
    touch = world.touch_draft("雨季海报")
    touch.version = version_of(world, "picture")
    touch.save(update_fields=["version"])

    assert "正在发往您的手机" in tried(touch)

    words, picture = lines(world, myself)
    assert (words["type"], words["text"]) == ("text", "【测试】雨季海报")
    assert picture["type"] == "image"
    assert opened(picture["url"])[:4] in (b"\xff\xd8\xff\xe0", b"\x89PNG")
    assert Recipient.objects.count() == 0

    # Nothing half: without the file not even the words go out.
    pictures.path_of(touch.version.picture).unlink()
    PictureCopy.objects.all().delete()
    assert "请先选择内容" in tried(touch)
    assert len(lines(world, myself)) == 2


def test_an_article_comes_to_oneself_marked_with_cover_and_counted_links(
    world: World, myself: dict[str, Any], tried: Callable[..., str]
) -> None:
    touch = world.touch_draft("雨季长文")
    touch.version = version_of(
        world,
        "article",
        headline="雨天" * 32,
        summary="三步收好一件外套",
        byline="林间",
        body="看[这里](https://s.example/a?x=1&y=2)",
        source_url="https://s.example/b",
    )
    touch.save(update_fields=["version"])

    assert "正在发往您的手机" in tried(touch)

    (line,) = lines(world, myself)
    (card,) = line["articles"]
    assert line["type"] == "mpnews"
    assert card["title"] == ("【测试】" + "雨天" * 32)[:64]
    assert (card["digest"], card["author"]) == ("三步收好一件外套", "林间")
    assert opened(card["cover"])
    page = opened(card["url"]).decode()
    for address in links.addresses(touch).values():
        assert address in page
    assert "s.example" not in page


def test_what_the_platform_refuses_to_show_is_told_in_words(
    world: World, myself: dict[str, Any], tried: Callable[..., str]
) -> None:
    touch = world.touch_draft("雨季短信")
    world.sandbox.ask(f"people/{myself['id']}/unfollow", {"account": myself["slug"]})
    told = tried(touch)
    assert 'role="alert"' in told
    assert "关注" in told
