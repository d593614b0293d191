"""No input makes the simulator crash: each field of each call is given odd values."""

from typing import Any

import pytest

from tests.sandbox.test_kf import KF
from tests.sandbox.world import World

ODD: list[Any] = [None, True, -1, 10**30, "\x00", [None], {}]

CONTROL: dict[str, dict[str, Any]] = {
    "people": {"name": "a"},
    "people/{id}/follow": {"account": "lin-service", "scene": "s"},
    "people/{id}/unfollow": {"account": "lin-service"},
    "people/{id}/say": {"account": "lin-service", "text": "t", "menu_id": "1"},
    "people/{id}/picture": {"account": "lin-service", "sample": 0, "image": "x"},
    "people/{id}/tap": {"account": "lin-service", "key": "k"},
    "people/{id}/add": {
        "colleague": "lisi",
        "state": "s",
        "add_way": 1,
        "half": False,
        "welcome": True,
    },
    "people/{id}/edit": {
        "colleague": "lisi",
        "remark": "r",
        "description": "d",
        "remark_mobiles": ["1"],
    },
    "people/{id}/delete": {"colleague": "lisi", "by": "person", "source": "s"},
    "people/{id}/kf": {"open_kfid": KF, "text": "t", "scene": "s", "scene_param": "p"},
    "people/{id}/servicer": {"open_kfid": KF, "colleague": "lisi", "text": "t"},
    "accounts/lin-daily": {
        "mode": "safe",
        "callback_url": "",
        "token": "t",
        "aes_key": "x",
        "secret": "s",
    },
    "accounts/lin-daily/deliver": {"xml": "<xml/>", "openid": "o"},
    "faults": {"path": "none", "fault": "busy", "times": 1, "hold_seconds": 1},
    "push": {
        "duplicates": 0,
        "shuffle": False,
        "delay_seconds": 0,
        "retries": 0,
        "retry_seconds": 1,
        "timeout_seconds": 1,
        "shuffle_seconds": 1,
    },
    "clock": {"advance_seconds": 1, "reset": False},
    "limits": {"push_retries": 1, "allow_scan": [3, 60], "daily": {}},
    "reset": {"seed": False},
}

MP: dict[str, dict[str, Any]] = {
    "stable_token": {"grant_type": "client_credential", "appid": "x", "secret": "x"},
    "message/custom/send": {
        "touser": "{openid}",
        "msgtype": "text",
        "text": {"content": "x"},
        "customservice": {"kf_account": "a"},
    },
    "message/custom/typing": {"touser": "{openid}", "command": "Typing"},
    "user/info/batchget": {"user_list": [{"openid": "{openid}"}]},
    "user/info/updateremark": {"openid": "{openid}", "remark": "r"},
    "tags/create": {"tag": {"name": "n"}},
    "tags/update": {"tag": {"id": 100, "name": "n"}},
    "tags/delete": {"tag": {"id": 101}},
    "tags/members/batchtagging": {"tagid": 100, "openid_list": ["{openid}"]},
    "tags/members/batchuntagging": {"tagid": 100, "openid_list": ["{openid}"]},
    "tags/getidlist": {"openid": "{openid}"},
    "user/tag/get": {"tagid": 100, "next_openid": ""},
    "qrcode/create": {
        "action_name": "QR_STR_SCENE",
        "expire_seconds": 60,
        "action_info": {"scene": {"scene_str": "s"}},
    },
    "menu/create": {"button": [{"type": "click", "name": "n", "key": "k"}]},
    "callback/check": {"action": "all"},
    "openapi/quota/get": {"cgi_path": "/cgi-bin/token"},
    "openapi/rid/get": {"rid": "x"},
    "clear_quota": {"appid": "x"},
}

IDS = {"userid": "lisi", "external_userid": "{external}"}
QY: dict[str, dict[str, Any]] = {
    "externalcontact/batch/get_by_user": {
        "userid_list": ["lisi"],
        "cursor": "",
        "limit": 5,
    },
    "externalcontact/remark": {**IDS, "remark": "r", "remark_mobiles": ["1"]},
    "externalcontact/mark_tag": {**IDS, "add_tag": ["x"], "remove_tag": ["y"]},
    "externalcontact/get_corp_tag_list": {"tag_id": ["x"], "group_id": ["y"]},
    "externalcontact/send_welcome_msg": {
        "welcome_code": "x",
        "text": {"content": "c"},
        "attachments": [{"msgtype": "link", "link": {"title": "t"}}],
    },
    "externalcontact/add_contact_way": {
        "type": 2,
        "scene": 2,
        "user": ["lisi"],
        "state": "s",
        "remark": "r",
    },
    "externalcontact/list_contact_way": {
        "start_time": 0,
        "end_time": 1,
        "limit": 5,
        "cursor": "",
    },
    "externalcontact/get_contact_way": {"config_id": "x"},
    "kf/account/list": {"offset": 0, "limit": 100},
    "kf/sync_msg": {"open_kfid": KF, "cursor": "", "token": "t", "limit": 5},
    "kf/service_state/get": {"open_kfid": KF, "external_userid": "{external}"},
    "kf/service_state/trans": {
        "open_kfid": KF,
        "external_userid": "{external}",
        "service_state": 3,
        "servicer_userid": "lisi",
    },
    "kf/send_msg": {
        "touser": "{external}",
        "open_kfid": KF,
        "msgid": "m",
        "msgtype": "text",
        "text": {"content": "c"},
    },
    "kf/send_msg_on_event": {"code": "x", "msgtype": "text", "text": {"content": "c"}},
    "kf/customer/batchget": {"external_userid_list": ["{external}"]},
    "kf/add_contact_way": {"open_kfid": KF, "scene": "s"},
}


def variants(body: dict[str, Any]) -> list[dict[str, Any]]:
    """The body with each field odd, with each field of its objects odd, or gone."""
    found = [{k: v for k, v in body.items() if k != name} for name in body]
    for name, value in body.items():
        found += [{**body, name: odd} for odd in ODD]
        if isinstance(value, dict):
            found += [{**body, name: one} for one in variants(value)]
    return found


def filled(value: Any, names: dict[str, str]) -> Any:
    if isinstance(value, str):
        return value.format(**names) if value.startswith("{") else value
    if isinstance(value, list):
        return [filled(one, names) for one in value]
    if isinstance(value, dict):
        return {name: filled(one, names) for name, one in value.items()}
    return value


@pytest.fixture
def names(world: World) -> dict[str, str]:
    person, openid = world.follower()
    world.do(person, "add", colleague="lisi")
    return {
        "id": person["id"],
        "openid": openid,
        "external": person["external_userid"],
    }


@pytest.mark.parametrize("path", CONTROL)
def test_the_control_api_says_what_is_wrong(
    world: World, names: dict[str, str], path: str
) -> None:
    for body in variants(CONTROL[path]):
        url = "/control/" + path.format(**names)
        answer = world.call("POST", url, json=body)
        assert answer.status_code in (200, 400, 404, 409), (body, answer.text)
        if answer.status_code != 200:
            assert set(answer.json()) == {"code", "message"}, body


@pytest.mark.parametrize(
    ("home", "path"),
    [("mp", path) for path in MP] + [("qy", path) for path in QY],
)
def test_the_platforms_answer_json_whatever_comes(
    world: World, names: dict[str, str], home: str, path: str
) -> None:
    call, body = (world.mp, MP[path]) if home == "mp" else (world.qy, QY[path])
    for variant in variants(filled(body, names)):
        answer = call(path, variant)
        assert isinstance(answer, dict), variant


@pytest.mark.parametrize(
    "path",
    [
        "people?limit=x",
        "people?limit=0",
        "people?offset=-1",
        "people?q=%00",
        "calls?since=x",
        "calls?since=nan",
        "calls?limit=99999",
        "calls?after=-1",
        "calls?id=x",
        "pushes?after=x",
        "pushes?state=x",
        "people/%00",
        "people/x/screen?after=x",
    ],
)
def test_odd_queries_are_refused_or_find_nothing(world: World, path: str) -> None:
    answer = world.call("GET", "/control/" + path)
    assert answer.status_code in (200, 400, 404), answer.text
