"""Every endpoint of the control API, and who may use it."""

from email.utils import parsedate_to_datetime

import pytest

from tests.sandbox.world import World

KF = "wkJ8QxCwAAzE4rGm9OxDa1TlUc6YbWnA"


def test_accounts_carry_all_that_a_console_must_be_told(world: World) -> None:
    assert set(world.accounts) == {"lin-service", "lin-daily", "lin-corp"}
    for account in world.accounts.values():
        assert {
            "slug",
            "kind",
            "app_id",
            "gh_id",
            "corp_id",
            "token",
            "aes_key",
            "mode",
            "callback_url",
            "secret",
        } <= set(account)
        assert len(account["aes_key"]) == 43
        url = f"{world.console.url}/wechat/callback/{account['slug']}/"
        assert account["callback_url"] == url
    assert world.accounts["lin-service"]["gh_id"] == "gh_7f083739789a"
    corp = world.accounts["lin-corp"]
    assert corp["corp_id"] == "ww7a9f3c21d04be85c"
    assert "zhangsan" in [one["userid"] for one in corp["colleagues"]]
    assert corp["kf_accounts"][0]["open_kfid"] == KF


def test_a_mode_and_a_callback_url_can_be_changed(world: World) -> None:
    changed = world.post("accounts/lin-daily", mode="plain", callback_url="http://h/x")
    assert (changed["mode"], changed["callback_url"]) == ("plain", "http://h/x")
    again = world.post("accounts/lin-daily", callback_url="")
    assert again["callback_url"].startswith(world.console.url)


def test_a_new_person_has_an_openid_per_account_and_one_unionid(world: World) -> None:
    person = world.person("周小舟")
    assert set(person["openid"]) == {"lin-service", "lin-daily"}
    assert all(len(openid) == 28 for openid in person["openid"].values())
    assert person["openid"]["lin-service"].startswith("oia2Tj")
    assert len(person["unionid"]) == 28
    assert person["external_userid"].startswith("wm")
    assert world.get(f"people/{person['id']}")["openid"] == person["openid"]


def test_people_are_listed_in_pages_and_found_by_name(world: World) -> None:
    for name in ("甲", "乙", "丙"):
        world.person(name)
    pages = [world.get("people", limit=2, offset=at) for at in (0, 2)]
    assert [one["name"] for page in pages for one in page] == ["甲", "乙", "丙"]
    assert [one["name"] for one in world.get("people", q="乙")] == ["乙"]


def test_the_list_of_people_tells_follow_state_and_colleagues(world: World) -> None:
    person, openid = world.follower()
    world.do(person, "add", colleague="lisi", state="门店")
    found = world.get("people")[0]
    follow = found["accounts"]["lin-service"]
    assert (follow["openid"], follow["subscribed"]) == (openid, True)
    assert found["accounts"]["lin-daily"]["subscribed"] is False
    assert [one["userid"] for one in found["colleagues"]] == ["lisi"]


def test_the_screen_shows_both_sides_in_order(world: World) -> None:
    person, openid = world.follower()
    world.do(person, "say", account="lin-service", text="在吗")
    world.write_to(openid, "在的")
    lines = world.screen(person, "lin-service")
    assert [(one["sender"], one["type"], one["text"]) for one in lines] == [
        ("person", "text", "在吗"),
        ("account", "text", "在的"),
    ]
    assert lines[0]["at"] <= lines[1]["at"]
    events = world.get(f"people/{person['id']}/screen", events=1)
    assert events[0]["sender"] == "system"


def test_calls_are_kept_with_query_body_and_answer(world: World) -> None:
    _, openid = world.follower()
    since = world.get("clock")["now"]
    world.write_to(openid, "您好")
    calls = world.get("calls", path="message/custom/send", since=since)
    assert len(calls) == 1
    call = calls[0]
    assert call["path"] == "/cgi-bin/message/custom/send"
    assert call["query"]["access_token"] == world.token()
    assert call["body"]["text"]["content"] == "您好"
    assert (call["status"], call["answer"]["errcode"]) == (200, 0)
    assert world.get("calls", since=since + 60) == []


def test_since_follows_whichever_clock_it_was_read_from(world: World) -> None:
    world.advance(86400)
    world.token()
    world.advance(10)
    ahead = world.get("clock")["now"]
    world.mp("tags/get")
    assert [one["path"] for one in world.get("calls", since=ahead - 5)] == [
        "/cgi-bin/tags/get"
    ]


def test_the_clock_moves_the_date_header_and_comes_back(world: World) -> None:
    before = world.get("clock")["now"]
    world.advance(3 * 86400)
    date = world.call("GET", "/mp/cgi-bin/tags/get").headers["Date"]
    moved = world.get("clock")
    assert moved["now"] - before >= 3 * 86400
    assert abs(parsedate_to_datetime(date).timestamp() - moved["now"]) < 3
    assert world.post("clock", reset=True)["offset_seconds"] == 0


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("people", {}),
        ("people", {"name": ""}),
        ("people", {"name": "  "}),
        ("people", {"name": 5}),
        ("people", {"name": "长" * 65}),
        ("people/{id}/follow", {}),
        ("people/{id}/follow", {"account": "lin-service", "scene": ""}),
        ("people/{id}/follow", {"account": "lin-service", "scene": {"a": 1}}),
        ("people/{id}/say", {"account": "lin-service"}),
        ("people/{id}/say", {"account": "lin-service", "text": ""}),
        ("people/{id}/picture", {"account": "lin-service", "image": "不是"}),
        ("people/{id}/add", {"colleague": "lisi", "state": "长" * 31}),
        ("people/{id}/delete", {"colleague": "lisi", "by": "nobody"}),
        ("faults", {"path": "*", "fault": "unknown", "times": 1}),
        ("faults", {"path": "*", "fault": "busy", "times": 0}),
        ("faults", {"path": "*", "fault": "slow:x", "times": 1}),
        ("clock", {}),
        ("clock", {"advance_seconds": "1"}),
        ("clock", {"advance_seconds": 1e300}),
        ("push", {"duplicates": -1}),
        ("push", {"shuffle": 1}),
        ("limits", {"no_such": 1}),
        ("limits", {"push_retries": "many"}),
        ("accounts/lin-service", {"mode": "loud"}),
        ("accounts/lin-corp", {"mode": "plain"}),
        ("accounts/lin-service", {"callback_url": "ftp://x"}),
    ],
)
def test_bad_input_is_refused_with_a_reason(
    world: World, path: str, body: dict[str, object]
) -> None:
    person, _ = world.follower()
    url = "/control/" + path.format(id=person["id"])
    answer = world.call("POST", url, json=body)
    assert answer.status_code == 400, answer.text
    assert set(answer.json()) == {"code", "message"}


def test_a_body_that_is_no_json_object_is_refused(world: World) -> None:
    for data in ("{", "[]", '"x"'):
        assert world.call("POST", "/control/people", data=data).status_code == 400


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("people/nobody/say", {"account": "lin-service", "text": "x"}),
        ("people/{id}/follow", {"account": "nowhere"}),
        ("people/{id}/say", {"account": "nowhere", "text": "x"}),
        ("people/{id}/add", {"colleague": "nobody"}),
        ("people/{id}/kf", {"open_kfid": "wk0", "text": "x"}),
        ("accounts/nowhere", {"mode": "safe"}),
        ("accounts/nowhere/verify", {}),
    ],
)
def test_who_does_not_exist_is_not_found(
    world: World, path: str, body: dict[str, object]
) -> None:
    url = "/control/" + path.format(id=world.person()["id"])
    answer = world.call("POST", url, json=body)
    assert answer.status_code == 404, answer.text
    assert answer.json()["code"] == "not_found"


def test_what_a_phone_could_not_do_is_a_conflict(world: World) -> None:
    url = f"/control/people/{world.person()['id']}"
    for deed, body in (
        ("say", {"account": "lin-service", "text": "x"}),
        ("picture", {"account": "lin-service"}),
        ("unfollow", {"account": "lin-service"}),
        ("tap", {"account": "lin-service", "key": "x"}),
    ):
        answer = world.call("POST", f"{url}/{deed}", json=body)
        assert (answer.status_code, answer.json()["code"]) == (409, "not_following")
    answer = world.call("POST", f"{url}/delete", json={"colleague": "lisi"})
    assert (answer.status_code, answer.json()["code"]) == (409, "not_a_contact")


def test_a_verb_that_is_not_offered_is_named(world: World) -> None:
    answer = world.call("DELETE", "/control/people")
    assert (answer.status_code, answer.headers["Allow"]) == (405, "GET, POST")


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "127.0.0.1.evil.example"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors"},
    ],
)
def test_other_sites_cannot_steer_the_world(
    world: World, headers: dict[str, str]
) -> None:
    for path in ("/control/people", "/", "/phone/state"):
        answer = world.call("GET", path, headers=headers)
        assert answer.status_code == 403, path
        assert answer.json()["code"] == "forbidden"


def test_a_picture_can_be_shown_by_the_consoles_page(world: World) -> None:
    person, _ = world.follower()
    world.do(person, "picture", account="lin-service")
    url = world.screen(person, "lin-service")[0]["url"].removeprefix(world.url)
    headers = {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "no-cors"}
    assert world.call("GET", url, headers=headers).status_code == 200


def test_the_pages_own_origin_may_steer(world: World) -> None:
    headers = {"Origin": world.url}
    answer = world.call("POST", "/control/people", json={"name": "a"}, headers=headers)
    assert answer.status_code == 200


def test_codes_that_the_console_made_can_be_scanned(world: World) -> None:
    scene = {"scene": {"scene_str": "门店A"}}
    body = {"action_name": "QR_LIMIT_STR_SCENE", "action_info": scene}
    ticket = world.mp("qrcode/create", body)["ticket"]
    way = {"type": 1, "scene": 2, "user": ["lisi"], "state": "活码"}
    config_id = world.qy("externalcontact/add_contact_way", way)["config_id"]
    codes = world.get("codes")
    assert codes["qr_codes"][0]["ticket"] == ticket
    assert codes["contact_ways"][0]["config_id"] == config_id


def test_a_reset_forgets_everything_but_the_accounts(world: World) -> None:
    _, openid = world.follower()
    world.write_to(openid)
    world.post("faults", path="*", fault="busy", times=5)
    world.advance(100)
    world.post("reset")
    assert world.get("people") == world.get("calls") == world.get("faults") == []
    assert world.get("clock")["offset_seconds"] == 0
    assert {one["slug"]: one for one in world.get("accounts")} == world.accounts
