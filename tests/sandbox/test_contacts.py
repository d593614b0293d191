"""WeCom contacts: adding, deleting, remarks, tags, welcome messages, contact ways."""

import threading
import time
from typing import Any

from tests.sandbox.console import opened
from tests.sandbox.world import World

WELCOME = "externalcontact/send_welcome_msg"


def added(world: World, colleague: str = "zhangsan", **more: Any) -> dict[str, Any]:
    person = world.person()
    world.do(person, "add", colleague=colleague, **more)
    return person


def last_event(world: World, count: int) -> dict[str, str]:
    return opened(world.console.wait(count)[-1], world.accounts["lin-corp"])


def welcome(world: World, code: str, text: str = "欢迎") -> int:
    body = {"welcome_code": code, "text": {"content": text}}
    return int(world.qy(WELCOME, body)["errcode"])


def test_a_contact_is_told_with_unionid_state_and_way(world: World) -> None:
    person = added(world, state="门店A", add_way=1)
    found = world.qy("externalcontact/get", external_userid=person["external_userid"])
    assert found["external_contact"]["unionid"] == person["unionid"]
    relation = found["follow_user"][0]
    assert (relation["userid"], relation["state"]) == ("zhangsan", "门店A")
    assert relation["add_way"] == 1
    listed = world.qy("externalcontact/list", userid="zhangsan")
    assert listed["external_userid"] == [person["external_userid"]]


def test_strangers_and_unknown_ids_have_their_codes(world: World) -> None:
    person = world.person()
    stranger = person["external_userid"]
    for path, query, code in (
        ("externalcontact/get", {"external_userid": stranger}, 84061),
        ("externalcontact/get", {"external_userid": "wm0"}, 40096),
        ("externalcontact/get", {}, 41035),
        ("externalcontact/list", {"userid": "lisi"}, 84061),
        ("externalcontact/list", {"userid": "nobody"}, 60111),
    ):
        assert world.qy(path, **query)["errcode"] == code


def test_a_welcome_arrives_once(world: World) -> None:
    person = added(world)
    code = last_event(world, 1)["WelcomeCode"]
    assert welcome(world, code, "你好呀") == 0
    assert welcome(world, code) == 41051
    line = world.screen(person, "zhangsan")[-1]
    assert (line["sender"], line["text"]) == ("account", "你好呀")


def test_a_welcome_is_too_late_after_twenty_seconds(world: World) -> None:
    added(world)
    code = last_event(world, 1)["WelcomeCode"]
    assert welcome(world, "never given") == 41050
    world.advance(21)
    assert welcome(world, code) == 41050


def test_no_welcome_after_the_chat_has_started(world: World) -> None:
    person = added(world)
    code = last_event(world, 1)["WelcomeCode"]
    world.do(person, "say", account="zhangsan", text="你好")
    assert welcome(world, code) == 41051


def test_a_second_sender_waits_while_the_first_is_answered(world: World) -> None:
    added(world)
    code = last_event(world, 1)["WelcomeCode"]
    world.post("faults", path=WELCOME, fault="slow:3", times=1)
    first: list[int] = []
    thread = threading.Thread(target=lambda: first.append(welcome(world, code)))
    thread.start()
    while not world.get("calls", path=WELCOME):
        time.sleep(0.02)
    assert welcome(world, code) == 41096
    thread.join()
    assert first == [0]
    assert welcome(world, code) == 41051


def test_bad_welcomes_use_nothing_up(world: World) -> None:
    added(world)
    code = last_event(world, 1)["WelcomeCode"]
    link = {"msgtype": "link", "link": {"title": "新品", "url": "https://e.com"}}
    for body, errcode in (
        ({"text": {"content": "长" * 1400}}, 45002),
        ({}, 40058),
        ({"attachments": [link] * 10}, 40058),
        ({"attachments": [{"msgtype": "image", "image": {"media_id": "x"}}]}, 40007),
        ({"attachments": [{"msgtype": "link", "link": {}}]}, 40058),
    ):
        answer = world.qy(WELCOME, {"welcome_code": code, **body})
        assert answer["errcode"] == errcode, body
    good = {"welcome_code": code, "text": {"content": "好"}, "attachments": [link]}
    assert world.qy(WELCOME, good)["errcode"] == 0


def test_deleting_has_an_event_in_each_direction(world: World) -> None:
    person = added(world)
    world.do(person, "delete", colleague="zhangsan")
    event = last_event(world, 2)
    assert event["ChangeType"] == "del_follow_user"
    external = person["external_userid"]
    assert world.qy("externalcontact/get", external_userid=external)["errcode"] == 84061
    world.do(person, "add", colleague="zhangsan")
    by = {"by": "colleague", "source": "DELETE_BY_TRANSFER"}
    world.do(person, "delete", colleague="zhangsan", **by)
    event = last_event(world, 4)
    assert event["ChangeType"] == "del_external_contact"
    assert event["Source"] == "DELETE_BY_TRANSFER"


def test_adding_a_contact_again_is_no_event(world: World) -> None:
    person = added(world)
    assert world.do(person, "add", colleague="zhangsan")["pushes"] == []


def test_a_half_added_contact_is_confirmed_later(world: World) -> None:
    person = added(world, half=True)
    assert last_event(world, 1)["ChangeType"] == "add_half_external_contact"
    external = person["external_userid"]
    assert world.qy("externalcontact/get", external_userid=external)["errcode"] == 84061
    world.do(person, "add", colleague="zhangsan", welcome=False)
    event = last_event(world, 2)
    assert event["ChangeType"] == "add_external_contact"
    assert "WelcomeCode" not in event


def test_an_edit_in_the_client_is_pushed_but_not_one_by_api(world: World) -> None:
    person = added(world)
    external = person["external_userid"]
    body = {"userid": "zhangsan", "external_userid": external, "remark": "小满"}
    assert world.qy("externalcontact/remark", body)["errcode"] == 0
    world.do(person, "edit", colleague="zhangsan", remark="林小满")
    assert last_event(world, 2)["ChangeType"] == "edit_external_contact"
    world.do(person, "edit", colleague="zhangsan", remark_mobiles=["13800000000"])
    assert len(world.get("pushes")) == 2
    found = world.qy("externalcontact/get", external_userid=external)
    assert found["follow_user"][0]["remark"] == "林小满"
    body["remark"] = "长" * 21
    assert world.qy("externalcontact/remark", body)["errcode"] == 40058


def test_tags_are_set_and_taken_away(world: World) -> None:
    person = added(world)
    groups = world.qy("externalcontact/get_corp_tag_list", {})["tag_group"]
    one, two = (tag["id"] for tag in groups[0]["tag"][:2])
    ids = {"userid": "zhangsan", "external_userid": person["external_userid"]}
    path = "externalcontact/mark_tag"
    assert world.qy(path, {**ids, "add_tag": [one, two]})["errcode"] == 0
    assert world.qy(path, {**ids, "remove_tag": [one]})["errcode"] == 0
    found = world.qy("externalcontact/get", external_userid=ids["external_userid"])
    assert [tag["tag_id"] for tag in found["follow_user"][0]["tags"]] == [two]
    assert world.qy(path, {**ids, "add_tag": ["x"]})["errcode"] == 40068
    assert world.qy(path, ids)["errcode"] == 40058


def test_contacts_are_read_in_pages(world: World) -> None:
    people = [added(world, colleague) for colleague in ("zhangsan", "lisi") * 3]
    cursor, found = "", []
    for _ in range(4):
        body = {"userid_list": ["zhangsan", "lisi"], "cursor": cursor, "limit": 2}
        page = world.qy("externalcontact/batch/get_by_user", body)
        found += page["external_contact_list"]
        cursor = page["next_cursor"]
        if not cursor:
            break
    ids = [one["external_contact"]["external_userid"] for one in found]
    assert ids == [person["external_userid"] for person in people]
    assert {"userid", "tag_id", "add_way"} <= set(found[0]["follow_info"])
    path = "externalcontact/batch/get_by_user"
    for bad in ({}, {"userid": "lisi"}, {"userid_list": ["lisi"], "limit": 101}):
        assert world.qy(path, bad)["errcode"] == 40058
    assert world.qy(path, {"userid_list": ["x"]})["errcode"] == 60111


def test_colleagues_are_listed_with_their_names(world: World) -> None:
    users = world.qy("externalcontact/get_follow_user_list")["follow_user"]
    assert "zhangsan" in users
    listed = world.qy("user/simplelist", department_id=1)["userlist"]
    assert {one["userid"] for one in listed} == set(users)
    assert world.qy("user/get", userid="zhangsan")["name"] == "张珊"
    assert world.qy("user/get", userid="nobody")["errcode"] == 60111


def test_a_contact_way_is_made_changed_listed_and_removed(world: World) -> None:
    base = "externalcontact/"
    body = {"type": 2, "scene": 2, "user": ["lisi", "wangwu"], "state": "包裹卡"}
    made = world.qy(base + "add_contact_way", body)
    assert made["qr_code"].startswith("https://")
    key = {"config_id": made["config_id"]}
    changed = {**key, "state": "新渠道"}
    assert world.qy(base + "update_contact_way", changed)["errcode"] == 0
    way = world.qy(base + "get_contact_way", key)["contact_way"]
    assert (way["state"], way["user"]) == ("新渠道", ["lisi", "wangwu"])
    assert world.qy(base + "list_contact_way", {})["contact_way"] == [key]
    assert world.qy(base + "del_contact_way", key)["errcode"] == 0
    assert world.qy(base + "get_contact_way", key)["errcode"] == 41044
    for bad in (
        {**body, "state": "长" * 31},
        {**body, "type": 1},
        {**body, "type": 3},
        {**body, "user": []},
    ):
        assert world.qy(base + "add_contact_way", bad)["errcode"] == 40058
    assert (
        world.qy(base + "add_contact_way", {**body, "user": ["x"]})["errcode"] == 60111
    )
