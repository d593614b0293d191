"""Test sends to oneself: bound by a code, marked, counted nowhere."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from campaigns import sending, testers
from campaigns.models import Recipient
from campaigns.models import Tester as Binding
from tests.campaigns.speaking import World, build_world
from tests.wechat.outbound.phone import Sandbox, running_sandbox
from wechat import inbox, windows
from wechat import sending as outgoing
from wechat.models import InboundEvent, OutboundMessage

_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def sandbox_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
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
