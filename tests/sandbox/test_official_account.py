"""Followers, tags, codes and menus of an official account."""

import json

from tests.sandbox.world import World


def test_a_follower_is_told_without_name_but_with_unionid(world: World) -> None:
    person = world.person()
    openid = person["openid"]["lin-service"]
    assert world.mp("user/info", openid=openid) == {"subscribe": 0, "openid": openid}
    world.do(person, "follow", account="lin-service", scene="门店A")
    info = world.mp("user/info", openid=openid, lang="zh_CN")
    assert info["subscribe"] == 1
    assert (info["nickname"], info["unionid"]) == ("", person["unionid"])
    assert info["subscribe_scene"] == "ADD_SCENE_QR_CODE"
    assert (info["qr_scene"], info["qr_scene_str"]) == (0, "门店A")
    assert world.mp("user/info")["errcode"] == 41009
    assert world.mp("user/info", openid="x")["errcode"] == 40003


def test_followers_come_in_batches_of_a_hundred(world: World) -> None:
    openids = [world.follower()[1] for _ in range(2)]
    wanted = [{"openid": openid, "lang": "zh_CN"} for openid in openids]
    answer = world.mp("user/info/batchget", {"user_list": wanted})
    assert [one["openid"] for one in answer["user_info_list"]] == openids
    too_many = {"user_list": wanted * 51}
    assert world.mp("user/info/batchget", too_many)["errcode"] == 40032
    assert world.mp("user/info/batchget", {"user_list": []})["errcode"] == 40032
    foreign = {"user_list": [{"openid": "x"}]}
    assert world.mp("user/info/batchget", foreign)["errcode"] == 40003


def test_the_list_of_followers_goes_on_after_the_last_openid(world: World) -> None:
    openids = [world.follower()[1] for _ in range(3)]
    page = world.mp("user/get")
    assert (page["total"], page["count"]) == (3, 3)
    assert page["data"]["openid"] == openids
    rest = world.mp("user/get", next_openid=openids[1])
    assert rest["data"]["openid"] == openids[2:]
    end = world.mp("user/get", next_openid=openids[2])
    assert end == {"total": 3, "count": 0, "next_openid": ""}


def test_a_remark_is_kept_and_bounded(world: World) -> None:
    _, openid = world.follower()
    body = {"openid": openid, "remark": "常客"}
    assert world.mp("user/info/updateremark", body)["errcode"] == 0
    assert world.mp("user/info", openid=openid)["remark"] == "常客"
    body["remark"] = "长" * 30
    assert world.mp("user/info/updateremark", body)["errcode"] == 40054


def test_tags_are_made_renamed_and_removed_with_their_members(world: World) -> None:
    _, openid = world.follower()
    tag = world.mp("tags/create", {"tag": {"name": "老客"}})["tag"]
    for name, code in (("老客", 45157), ("长" * 31, 45158), (" ", 45157)):
        assert world.mp("tags/create", {"tag": {"name": name}})["errcode"] == code
    body = {"tagid": tag["id"], "openid_list": [openid]}
    assert world.mp("tags/members/batchtagging", body)["errcode"] == 0
    assert world.mp("tags/getidlist", {"openid": openid})["tagid_list"] == [tag["id"]]
    members = world.mp("user/tag/get", {"tagid": tag["id"], "next_openid": ""})
    assert members["data"]["openid"] == [openid]
    renamed = {"tag": {"id": tag["id"], "name": "常客"}}
    assert world.mp("tags/update", renamed)["errcode"] == 0
    listed = {one["id"]: one for one in world.mp("tags/get")["tags"]}
    assert listed[tag["id"]] == {"id": tag["id"], "name": "常客", "count": 1}
    assert world.mp("tags/delete", {"tag": {"id": 2}})["errcode"] == 45058
    assert world.mp("tags/delete", {"tag": {"id": tag["id"]}})["errcode"] == 0
    assert world.mp("user/info", openid=openid)["tagid_list"] == []


def test_tagging_refuses_foreign_people_long_lists_and_a_21st_tag(
    world: World,
) -> None:
    person, openid = world.follower()
    ids = [
        world.mp("tags/create", {"tag": {"name": f"标签{n}"}})["tag"]["id"]
        for n in range(21)
    ]
    path = "tags/members/batchtagging"
    codes = [
        world.mp(path, {"tagid": one, "openid_list": [openid]})["errcode"]
        for one in ids
    ]
    assert codes == [0] * 20 + [45059]
    daily = person["openid"]["lin-daily"]
    for openids, code in (([daily], 49003), (["x"], 40003), ([openid] * 51, 40032)):
        body = {"tagid": ids[20], "openid_list": openids}
        assert world.mp(path, body)["errcode"] == code
    body = {"tagid": 9999, "openid_list": [openid]}
    assert world.mp(path, body)["errcode"] == 45159
    body = {"tagid": ids[0], "openid_list": [openid]}
    assert world.mp("tags/members/batchuntagging", body)["errcode"] == 0
    assert ids[0] not in world.mp("user/info", openid=openid)["tagid_list"]


def test_there_are_a_hundred_tags_at_most(world: World) -> None:
    codes = [
        world.mp("tags/create", {"tag": {"name": f"t{n}"}}).get("errcode", 0)
        for n in range(97)
    ]
    assert codes[:95] == [0] * 95
    assert codes[95:] == [45056] * 2


def test_a_code_has_a_ticket_a_picture_and_an_end(world: World) -> None:
    scene = {"scene": {"scene_str": "门店A"}}
    body = {
        "expire_seconds": 600,
        "action_name": "QR_STR_SCENE",
        "action_info": scene,
    }
    made = world.mp("qrcode/create", body)
    assert made["expire_seconds"] == 600
    picture = world.call(
        "GET", "/mp/cgi-bin/showqrcode", params={"ticket": made["ticket"]}
    )
    assert picture.headers["Content-Type"] == "image/png"
    assert picture.content.startswith(b"\x89PNG")
    person, openid = world.follower()
    world.do(person, "follow", account="lin-service", scene="门店A")
    push = world.get("pushes")[-1]["body"]
    assert f"<Ticket><![CDATA[{made['ticket']}]]></Ticket>" in push
    assert world.mp("user/info", openid=openid)["qr_scene_str"] == ""
    world.advance(601)
    gone = world.call(
        "GET", "/mp/cgi-bin/showqrcode", params={"ticket": made["ticket"]}
    )
    assert "errcode" in gone.json()


def test_codes_outside_the_rules_are_refused(world: World) -> None:
    number = {"scene": {"scene_id": 100001}}
    text = {"scene": {"scene_str": "长" * 65}}
    for body, code in (
        ({"action_name": "QR_LIMIT_SCENE", "action_info": number}, 40053),
        ({"action_name": "QR_STR_SCENE", "action_info": text}, 40053),
        ({"action_name": "QR_SCENE", "expire_seconds": 2592001}, 40051),
        ({"action_name": "QR"}, 40052),
    ):
        assert world.mp("qrcode/create", body)["errcode"] == code
    plain = world.mp("qrcode/create", {"action_name": "QR_SCENE"})
    assert plain["expire_seconds"] == 60


def test_a_menu_is_replaced_read_and_removed(world: World) -> None:
    assert world.mp("menu/get")["menu"]["button"]
    menu = {"button": [{"type": "click", "name": "会员", "key": "K1"}]}
    assert world.mp("menu/create", menu)["errcode"] == 0
    assert world.mp("menu/get")["menu"] == menu
    info = world.mp("get_current_selfmenu_info")
    assert (info["is_menu_open"], info["selfmenu_info"]) == (1, menu)
    assert world.mp("menu/delete")["errcode"] == 0
    assert world.mp("menu/get")["errcode"] == 46003


def test_menus_outside_the_rules_are_refused(world: World) -> None:
    good = {"type": "click", "name": "a", "key": "k"}
    for buttons, code in (
        ([], 40017),
        ([good] * 4, 40017),
        ([{**good, "name": "六个字的菜单"}], 40018),
        ([{**good, "type": "x"}], 40016),
        ([{**good, "key": "k" * 129}], 40019),
        ([{"type": "view", "name": "a", "url": "h" * 1025}], 40020),
        ([{"name": "a", "sub_button": [good] * 6}], 40023),
    ):
        assert world.mp("menu/create", {"button": buttons})["errcode"] == code


def test_what_the_console_changes_is_never_pushed_back(world: World) -> None:
    _, openid = world.follower()
    pushed = len(world.get("pushes"))
    world.mp("menu/create", {"button": [{"type": "click", "name": "a", "key": "k"}]})
    world.mp("user/info/updateremark", {"openid": openid, "remark": "x"})
    world.write_to(openid)
    assert len(world.get("pushes")) == pushed


def test_answers_are_raw_utf8(world: World) -> None:
    query = {"access_token": world.token()}
    answer = world.call("GET", "/mp/cgi-bin/menu/get", params=query)
    assert "会员中心".encode() in answer.content
    assert json.loads(answer.content)


def test_addresses_and_the_network_check_answer(world: World) -> None:
    assert world.mp("getcallbackip")["ip_list"]
    assert world.mp("get_api_domain_ip")["ip_list"]
    body = {"action": "all", "check_operator": "DEFAULT"}
    assert {"dns", "ping"} <= set(world.mp("callback/check", body))
