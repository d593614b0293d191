"""微信客服: the message stream, its cursor and token, sessions, and answers."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.sandbox.console import opened
from tests.sandbox.world import World

KF = "wkJ8QxCwAAzE4rGm9OxDa1TlUc6YbWnA"
SAMPLE = json.loads((Path(__file__).parent / "data" / "kf-sync-msg.json").read_text())


def sync(world: World, **more: Any) -> dict[str, Any]:
    return world.qy("kf/sync_msg", {"open_kfid": KF, **more})


def customer(world: World, text: str = "在吗") -> dict[str, Any]:
    person = world.person()
    world.do(person, "kf", open_kfid=KF, text=text)
    return person


def send(world: World, person: dict[str, Any], **more: Any) -> int:
    body = {
        "touser": person["external_userid"],
        "open_kfid": KF,
        "msgtype": "text",
        "text": {"content": "您好"},
        **more,
    }
    return int(world.qy("kf/send_msg", body)["errcode"])


def state(world: World, person: dict[str, Any], value: int | None = None) -> Any:
    ids = {"open_kfid": KF, "external_userid": person["external_userid"]}
    if value is None:
        return world.qy("kf/service_state/get", ids)
    more = {"service_state": value, "servicer_userid": "zhaoliu"}
    return world.qy("kf/service_state/trans", {**ids, **more})


def test_the_callback_only_says_pull(world: World) -> None:
    customer(world)
    fields = opened(world.console.wait(2)[-1], world.accounts["lin-corp"])
    assert set(fields) == {
        "ToUserName",
        "CreateTime",
        "MsgType",
        "Event",
        "Token",
        "OpenKfId",
    }
    assert (fields["Event"], fields["OpenKfId"]) == ("kf_msg_or_event", KF)
    page = sync(world, token=fields["Token"])
    entered, said = page["msg_list"]
    assert entered["event"]["event_type"] == "enter_session"
    assert (said["origin"], said["text"]) == (3, {"content": "在吗"})


def test_items_have_the_fields_of_the_documented_sample(world: World) -> None:
    person = customer(world)
    world.do(person, "picture", account=KF)
    world.do(person, "servicer", open_kfid=KF, colleague="zhangsan", text="您好")
    ours = {(one["origin"], one["msgtype"]): one for one in sync(world)["msg_list"]}
    theirs = {(one["origin"], one["msgtype"]): one for one in SAMPLE["msg_list"]}
    for key in ((3, "text"), (3, "image"), (5, "text")):
        assert set(ours[key]) == set(theirs[key])
    event = next(
        one["event"]
        for one in SAMPLE["msg_list"]
        if one.get("event", {}).get("event_type") == "enter_session"
    )
    assert set(ours[(4, "event")]["event"]) | {"scene_param"} == set(event)


def test_the_cursor_goes_through_everything_once(world: World) -> None:
    person = customer(world, "0")
    for number in range(1, 7):
        world.do(person, "kf", open_kfid=KF, text=str(number))
    cursor, texts, more = "", [], 1
    while more:
        page = sync(world, cursor=cursor, limit=3)
        assert len(page["msg_list"]) <= 3
        texts += [one["text"]["content"] for one in page["msg_list"] if "text" in one]
        cursor, more = page["next_cursor"], page["has_more"]
    assert texts == [str(n) for n in range(7)]
    empty = sync(world, cursor=cursor)
    assert (empty["msg_list"], empty["has_more"]) == ([], 0)
    assert empty["next_cursor"] == cursor
    world.do(person, "kf", open_kfid=KF, text="新")
    assert [
        one["text"]["content"] for one in sync(world, cursor=cursor)["msg_list"]
    ] == ["新"]


def test_an_empty_page_may_still_say_more(world: World) -> None:
    customer(world)
    world.post("limits", kf_empty_pages=1)
    empty = sync(world)
    assert (empty["msg_list"], empty["has_more"]) == ([], 1)
    assert sync(world, cursor=empty["next_cursor"])["msg_list"]


def test_a_callbacks_token_ends_after_ten_minutes(world: World) -> None:
    customer(world)
    token = opened(world.console.wait(1)[-1], world.accounts["lin-corp"])["Token"]
    assert sync(world, token=token)["errcode"] == 0
    world.advance(601)
    assert sync(world, token=token)["errcode"] == 95007
    assert sync(world, token="never")["errcode"] == 95007


def test_without_a_token_calls_are_few(world: World) -> None:
    world.post("limits", kf_without_token_per_minute=2)
    world.begin(60)
    assert [sync(world)["errcode"] for _ in range(3)] == [0, 0, 45009]


def test_history_goes_back_three_days(world: World) -> None:
    customer(world, "旧")
    world.advance(3 * 86400 + 60)
    assert sync(world)["msg_list"] == []


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"open_kfid": "wk0"}, 95004),
        ({"open_kfid": ""}, 95000),
        ({"limit": 1001}, 40058),
        ({"cursor": "不是"}, 40058),
        ({"voice_format": 3}, 40058),
    ],
)
def test_bad_pulls_are_refused(world: World, body: dict[str, Any], code: int) -> None:
    assert sync(world, **body)["errcode"] == code


def test_five_answers_in_48_hours_after_each_message(world: World) -> None:
    person = customer(world)
    assert [send(world, person) for _ in range(6)] == [0, 0, 0, 0, 0, 95001]
    world.do(person, "kf", open_kfid=KF, text="还在吗")
    assert send(world, person) == 0
    world.advance(48 * 3600 + 1)
    assert send(world, person) == 95002


def test_an_answer_reaches_the_phone_but_not_the_stream(world: World) -> None:
    person = customer(world)
    before = len(sync(world)["msg_list"])
    assert send(world, person, msgid="once-1") == 0
    assert send(world, person, msgid="once-1") == 95033
    line = world.screen(person, KF)[-1]
    assert (line["sender"], line["text"], line["msgid"]) == (
        "account",
        "您好",
        "once-1",
    )
    assert len(sync(world)["msg_list"]) == before


def test_the_api_answers_only_in_states_0_and_1(world: World) -> None:
    person = customer(world)
    assert state(world, person)["service_state"] == 0
    for value, code in ((1, 0), (2, 95013), (3, 95013), (4, 95016)):
        assert state(world, person, value)["errcode"] == 0
        assert send(world, person) == code
    assert state(world, person, 1)["errcode"] == 95013
    world.do(person, "kf", open_kfid=KF, text="再问一句")
    assert state(world, person)["service_state"] == 0
    assert send(world, person) == 0


def test_a_served_session_names_its_servicer(world: World) -> None:
    person = customer(world)
    assert "msg_code" in state(world, person, 3)
    assert state(world, person)["servicer_userid"] == "zhaoliu"


def test_a_code_is_good_for_one_message_in_its_time(world: World) -> None:
    person = customer(world)
    event = sync(world)["msg_list"][0]["event"]
    body = {
        "code": event["welcome_code"],
        "msgtype": "text",
        "text": {"content": "欢迎光临"},
    }
    assert world.qy("kf/send_msg_on_event", body)["errcode"] == 0
    assert world.qy("kf/send_msg_on_event", body)["errcode"] == 95008
    assert world.screen(person, KF)[-1]["text"] == "欢迎光临"
    body["code"] = state(world, person, 4)["msg_code"]
    world.advance(21)
    assert world.qy("kf/send_msg_on_event", body)["errcode"] == 95008


def test_a_welcome_code_comes_only_to_who_was_not_welcomed(world: World) -> None:
    person = world.person()
    world.do(person, "kf", open_kfid=KF, scene="after_sale", scene_param="order%3D1")
    world.do(person, "kf", open_kfid=KF)
    first, second = (one["event"] for one in sync(world)["msg_list"])
    assert (first["scene"], first["scene_param"]) == ("after_sale", "order%3D1")
    assert "welcome_code" in first
    assert "welcome_code" not in second


def test_customers_are_told_by_nickname(world: World) -> None:
    person = customer(world)
    external = person["external_userid"]
    body = {"external_userid_list": [external, "wm0"], "need_enter_session_context": 1}
    found = world.qy("kf/customer/batchget", body)
    assert found["customer_list"][0]["nickname"] == person["name"]
    assert found["customer_list"][0]["unionid"] == person["unionid"]
    assert found["customer_list"][0]["enter_session_context"]["scene"] == "sandbox"
    assert found["invalid_external_userid"] == ["wm0"]


def test_accounts_are_listed_by_get_and_post(world: World) -> None:
    for body in (None, {"offset": 0, "limit": 100}):
        accounts = world.qy("kf/account/list", body)["account_list"]
        assert accounts[0]["open_kfid"] == KF
    url = world.qy("kf/add_contact_way", {"open_kfid": KF, "scene": "web"})["url"]
    assert url.startswith("https://work.weixin.qq.com/kfid/")
