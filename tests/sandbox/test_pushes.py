"""Callbacks: what is pushed, how it is sealed, and what happens when nobody answers."""

import time
from typing import Any

import pytest

from sandbox import crypto
from tests.sandbox.console import fields_of, opened
from tests.sandbox.world import World


def settled(world: World, seconds: float = 10) -> list[dict[str, Any]]:
    """All pushes, once none is pending."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        pushes = world.get("pushes", limit=2000)
        if pushes and all(one["state"] != "pending" for one in pushes):
            return pushes
        time.sleep(0.05)
    raise AssertionError("pushes are still pending")


@pytest.mark.parametrize("mode", ["plain", "compat", "safe"])
def test_each_mode_carries_the_same_message(world: World, mode: str) -> None:
    account = world.post("accounts/lin-daily", mode=mode)
    person, openid = world.follower("lin-daily")
    text = "数组 a[b[0]]>c 与 <结尾> & 表情🌲 ]]>完"
    world.do(person, "say", account="lin-daily", text=text)
    follow, said = world.console.wait(2)
    assert opened(follow, account)["Event"] == "subscribe"
    fields = opened(said, account)
    assert fields["Content"] == text
    assert fields["FromUserName"] == said.query["openid"] == openid
    assert (fields["ToUserName"], fields["MsgType"]) == (account["gh_id"], "text")
    assert int(fields["MsgId"]) > 2**53
    outer = fields_of(said.body)
    assert ("Content" in outer) == (mode != "safe")
    assert ("Encrypt" in outer) == (mode != "plain")
    assert (said.query.get("encrypt_type") == "aes") == (mode != "plain")
    if mode == "compat":
        receiver = account["app_id"]
        inner = crypto.decrypt(account["aes_key"], receiver, outer["Encrypt"])
        assert fields_of(inner)["Content"] == text


def test_events_have_the_platforms_fields(world: World) -> None:
    account = world.accounts["lin-service"]
    person = world.person()
    for deed, body in (
        ("follow", {"scene": "门店A"}),
        ("follow", {"scene": 7}),
        ("tap", {"key": "MENU_会员中心"}),
        ("tap", {"key": "https://shop.example.com/new"}),
        ("tap", {"key": "MENU_验真"}),
        ("unfollow", {}),
    ):
        world.do(person, deed, account="lin-service", **body)
    found = [opened(one, account) for one in world.console.wait(6)]
    assert [(one["Event"], one["EventKey"]) for one in found] == [
        ("subscribe", "qrscene_门店A"),
        ("SCAN", "7"),
        ("CLICK", "MENU_会员中心"),
        ("VIEW", "https://shop.example.com/new"),
        ("scancode_waitmsg", "MENU_验真"),
        ("unsubscribe", ""),
    ]
    assert found[0]["Ticket"]
    assert found[1]["Ticket"]
    assert found[3]["MenuId"]
    assert all("MsgId" not in one for one in found)


def test_a_plain_follow_has_no_event_key(world: World) -> None:
    world.follower()
    fields = opened(world.console.wait(1)[0], world.accounts["lin-service"])
    assert "EventKey" not in fields


def test_a_picture_comes_with_a_url_that_works(world: World) -> None:
    person, _ = world.follower()
    world.do(person, "picture", account="lin-service")
    fields = opened(world.console.wait(2)[1], world.accounts["lin-service"])
    assert fields["MsgType"] == "image"
    path = fields["PicUrl"].removeprefix(world.url)
    assert world.call("GET", path).content.startswith(b"\xff\xd8\xff")


def test_the_same_event_twice_in_a_second_can_be_told_apart(world: World) -> None:
    person, _ = world.follower()
    for _ in range(3):
        world.do(person, "tap", account="lin-service", key="K")
    account = world.accounts["lin-service"]
    found = [opened(one, account) for one in world.console.wait(4)[1:]]
    assert len({one["CreateTime"] for one in found}) == 3


def test_wecom_events_are_always_sealed_and_have_no_openid(world: World) -> None:
    corp = world.accounts["lin-corp"]
    person = world.person()
    world.do(person, "add", colleague="zhangsan", state="门店A")
    received = world.console.wait(1)[0]
    assert set(received.query) == {"msg_signature", "timestamp", "nonce"}
    outer = fields_of(received.body)
    assert set(outer) == {"ToUserName", "Encrypt", "AgentID"}
    fields = opened(received, corp)
    code = fields.pop("WelcomeCode")
    assert code
    assert int(fields.pop("CreateTime"))
    assert fields == {
        "ToUserName": corp["corp_id"],
        "FromUserName": "sys",
        "MsgType": "event",
        "Event": "change_external_contact",
        "ChangeType": "add_external_contact",
        "UserID": "zhangsan",
        "ExternalUserID": person["external_userid"],
        "State": "门店A",
    }


@pytest.mark.parametrize("answer", [(200, b"", 0), (200, b"success", 0)])
def test_success_and_nothing_are_both_accepted(
    world: World, answer: tuple[int, bytes, float]
) -> None:
    world.console.answers.append(answer)
    world.follower()
    push = settled(world)[0]
    assert (push["state"], len(push["attempts"])) == ("done", 1)


@pytest.mark.parametrize(
    "answer", [(500, b"success", 0), (503, b"", 0), (200, b'{"ok":1}', 0)]
)
def test_any_other_answer_is_pushed_again_until_it_is_right(
    world: World, answer: tuple[int, bytes, float]
) -> None:
    world.post("push", retry_seconds=0.1)
    world.console.answers += [answer, answer]
    world.follower()
    push = settled(world)[0]
    assert push["state"] == "done"
    assert [one["status"] for one in push["attempts"]] == [answer[0], answer[0], 200]
    bodies = {
        opened(one, world.accounts["lin-service"])["CreateTime"]
        for one in world.console.received
    }
    assert len(bodies) == 1
    nonces = {one.query["nonce"] for one in world.console.received}
    assert len(nonces) == 3


def test_after_three_retries_the_push_is_given_up(world: World) -> None:
    world.post("push", retry_seconds=0.05)
    person, _ = world.follower()
    world.console.wait(1)
    world.console.answers += [(500, b"", 0)] * 10
    world.do(person, "say", account="lin-service", text="有人吗")
    push = settled(world)[-1]
    assert (push["state"], len(push["attempts"])) == ("failed", 4)
    lines = world.get(f"people/{person['id']}/screen", events=1)
    assert "出现故障" in lines[-1]["text"]


def test_no_answer_in_time_is_a_failure(world: World) -> None:
    world.post("push", timeout_seconds=0.3, retry_seconds=0.05)
    world.console.answers.append((200, b"success", 1.5))
    world.follower()
    push = settled(world)[0]
    first, second = push["attempts"]
    assert (first["status"], second["status"]) == (None, 200)
    assert "0.3 s" in first["error"]
    assert 250 <= first["milliseconds"] < 1450


def test_the_time_limit_is_five_seconds_and_retries_three(world: World) -> None:
    defaults = world.get("push")
    assert (defaults["timeout_seconds"], defaults["retries"]) == (5.0, 3)


def test_a_console_that_is_not_there_is_tried_again(world: World) -> None:
    world.post("push", retry_seconds=0.3, retries=20)
    world.post("accounts/lin-service", callback_url="http://127.0.0.1:1/x")
    world.follower()
    deadline = time.monotonic() + 5
    while not world.get("pushes")[0]["attempts"]:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    world.post("accounts/lin-service", callback_url="")
    push = settled(world)[0]
    assert push["state"] == "done"
    assert "ConnectionRefused" in push["attempts"][0]["error"]


def test_duplicates_are_pushed_with_the_same_message_id(world: World) -> None:
    person, _ = world.follower()
    world.post("push", duplicates=2)
    world.do(person, "say", account="lin-service", text="一遍")
    account = world.accounts["lin-service"]
    found = [opened(one, account) for one in world.console.wait(4)]
    assert len({one["MsgId"] for one in found[1:]}) == 1
    pushes = settled(world)
    first = pushes[1]["id"]
    assert [one["copy_of"] for one in pushes[1:]] == [None, first, first]


def test_a_fraction_duplicates_that_share_of_pushes(world: World) -> None:
    person, _ = world.follower()
    world.post("push", duplicates=0.3)
    for number in range(100):
        world.do(person, "say", account="lin-service", text=str(number))
    copies = [one for one in settled(world, 20) if one["copy_of"]]
    assert 12 <= len(copies) <= 50


def test_without_shuffling_one_persons_pushes_keep_their_order(world: World) -> None:
    person, _ = world.follower()
    for number in range(30):
        world.do(person, "say", account="lin-service", text=str(number))
    account = world.accounts["lin-service"]
    found = [opened(one, account) for one in world.console.wait(31)[1:]]
    assert [one["Content"] for one in found] == [str(n) for n in range(30)]


def test_shuffling_changes_the_order_and_loses_nothing(world: World) -> None:
    person, _ = world.follower()
    world.post("push", shuffle=True, shuffle_seconds=0.5)
    for number in range(30):
        world.do(person, "say", account="lin-service", text=str(number))
    account = world.accounts["lin-service"]
    found = [opened(one, account) for one in world.console.wait(31)[1:]]
    order = [int(one["Content"]) for one in found]
    assert order != sorted(order)
    assert sorted(order) == list(range(30))


def test_a_delay_holds_pushes_back(world: World) -> None:
    world.post("push", delay_seconds=0.7)
    started = time.time()
    world.follower()
    assert world.console.wait(1)[0].at - started >= 0.7


def test_an_account_that_keeps_failing_hears_nothing_for_a_minute(
    world: World,
) -> None:
    world.post("limits", markfail_after=2)
    world.post("push", retries=0)
    world.console.answers += [(500, b"", 0)] * 2
    world.follower()
    world.follower()
    settled(world)
    _, openid = world.follower()
    time.sleep(1.2)
    assert openid not in [one.query["openid"] for one in world.console.received]
    world.advance(61)
    assert openid in [one.query["openid"] for one in world.console.wait(3)]


def test_the_url_check_passes_when_the_console_does_it_right(world: World) -> None:
    corp = world.accounts["lin-corp"]

    def answer(slug: str, query: dict[str, str]) -> str:
        stamp, nonce = query["timestamp"], query["nonce"]
        account = world.accounts[slug]
        if slug != "lin-corp":
            expected = crypto.signature(account["token"], stamp, nonce)
            assert query["signature"] == expected
            return query["echostr"]
        sealed = query["echostr"]
        expected = crypto.signature(corp["token"], stamp, nonce, sealed)
        assert query["msg_signature"] == expected
        return crypto.decrypt(corp["aes_key"], corp["corp_id"], sealed)

    world.console.verify = answer
    for slug in world.accounts:
        assert world.post(f"accounts/{slug}/verify")["ok"] is True


def test_the_url_check_fails_on_a_wrong_or_padded_answer(world: World) -> None:
    assert world.post("accounts/lin-service/verify")["ok"] is False
    world.console.verify = lambda slug, query: query["echostr"] + "\n"
    assert world.post("accounts/lin-service/verify")["ok"] is False
    found = world.post("accounts/lin-corp/verify")
    assert (found["ok"], found["status"]) == (False, 200)


def test_any_body_can_be_delivered(world: World) -> None:
    xml = "<xml><MsgType><![CDATA[event]]></MsgType><Event>new_2027</Event></xml>"
    world.post("accounts/lin-service/deliver", xml=xml)
    fields = opened(world.console.wait(1)[0], world.accounts["lin-service"])
    assert fields == {"MsgType": "event", "Event": "new_2027"}
