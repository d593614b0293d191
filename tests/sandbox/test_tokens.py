"""Token spaces, their ends, and what a wrong or missing token is answered."""

import re

import pytest

from tests.sandbox.world import World

RID = r" rid: [0-9a-f]{8}-[0-9a-f]{8}-[0-9a-f]{8}$"


def test_get_token_makes_a_new_one_and_the_old_dies_five_minutes_later(
    world: World,
) -> None:
    first = world.plain_token()["access_token"]
    second = world.plain_token()["access_token"]
    assert first != second
    world.advance(290)
    assert "tags" in world.mp("tags/get", token=first)
    world.advance(20)
    assert world.mp("tags/get", token=first)["errcode"] == 40001
    assert "tags" in world.mp("tags/get", token=second)


def test_stable_token_repeats_itself_until_five_minutes_before_its_end(
    world: World,
) -> None:
    first = world.stable_token()
    assert first["expires_in"] in (7199, 7200)
    world.advance(6000)
    again = world.stable_token()
    assert again["access_token"] == first["access_token"]
    assert again["expires_in"] <= 1200
    world.advance(910)
    renewed = world.stable_token()["access_token"]
    assert renewed != first["access_token"]
    assert "tags" in world.mp("tags/get", token=first["access_token"])
    world.advance(310)
    dead = world.mp("tags/get", token=first["access_token"])
    assert dead["errcode"] in (40001, 42001)


def test_the_two_kinds_of_token_do_not_touch_each_other(world: World) -> None:
    stable = world.stable_token()["access_token"]
    world.plain_token()
    world.plain_token()
    world.advance(400)
    assert "tags" in world.mp("tags/get", token=stable)
    assert world.stable_token()["access_token"] == stable


def test_forcing_makes_a_new_stable_token_at_once_but_rarely(world: World) -> None:
    world.begin(86400)
    first = world.stable_token()["access_token"]
    second = world.stable_token(force_refresh=True)["access_token"]
    assert second != first
    assert world.mp("tags/get", token=first)["errcode"] == 40001
    assert world.stable_token(force_refresh=True)["errcode"] == 45011
    for _ in range(19):
        world.advance(31)
        assert "access_token" in world.stable_token(force_refresh=True)
    world.advance(31)
    assert world.stable_token(force_refresh=True)["errcode"] == 45009


def test_an_expired_token_is_named_as_expired(world: World) -> None:
    mp, qy = world.token(), world.token("lin-corp")
    world.advance(7300)
    assert world.mp("tags/get", token=mp)["errcode"] == 42001
    answer = world.qy("externalcontact/get_follow_user_list", token=qy)
    assert answer["errcode"] == 42001


def test_gettoken_repeats_the_same_token_until_its_end(world: World) -> None:
    first = world.qy_token()
    assert (first["errcode"], first["errmsg"]) == (0, "ok")
    world.advance(7000)
    assert world.qy_token()["access_token"] == first["access_token"]
    world.advance(300)
    assert world.qy_token()["access_token"] != first["access_token"]


def test_wrong_credentials_are_told_apart(world: World) -> None:
    service, corp = world.accounts["lin-service"], world.accounts["lin-corp"]
    assert world.stable_token(appid="wx0")["errcode"] == 40013
    assert world.stable_token(secret="wrong")["errcode"] == 40125
    assert world.stable_token(secret="")["errcode"] == 41004
    assert world.stable_token(grant_type="x")["errcode"] == 40002
    for query, code in (
        ({"corpid": "ww0", "corpsecret": "x"}, 40013),
        ({"corpid": corp["corp_id"], "corpsecret": "x"}, 40001),
        ({"corpid": corp["corp_id"]}, 41004),
        ({"corpsecret": corp["secret"]}, 41002),
        ({"corpid": service["app_id"], "corpsecret": service["secret"]}, 40013),
    ):
        answer = world.call("GET", "/qy/cgi-bin/gettoken", params=query).json()
        assert answer["errcode"] == code


def test_missing_and_foreign_tokens_are_refused(world: World) -> None:
    assert world.call("GET", "/mp/cgi-bin/tags/get").json()["errcode"] == 41001
    assert world.mp("tags/get", token="fake")["errcode"] == 40001
    corp = world.token("lin-corp")
    assert world.mp("tags/get", token=corp)["errcode"] == 40001
    path = "externalcontact/get_follow_user_list"
    assert world.qy(path, token="fake")["errcode"] == 40014
    assert world.qy(path, token=world.token())["errcode"] == 40014


def test_each_platform_words_its_errors_as_it_does(world: World) -> None:
    mp = world.mp("tags/get", token="fake")
    assert re.search(RID, mp["errmsg"])
    answer = world.call(
        "GET", "/qy/cgi-bin/user/get", params={"access_token": "fake", "userid": "x"}
    )
    body = answer.json()
    assert answer.status_code == 200
    assert re.fullmatch(
        r"invalid access_token, hint: \[\d+\], from ip: 127\.0\.0\.1, more info at "
        r"https://open\.work\.weixin\.qq\.com/devtool/query\?e=40014",
        body["errmsg"],
    )
    assert answer.headers["Error-Code"] == "40014"
    assert answer.headers["Error-Msg"] == body["errmsg"]


@pytest.mark.parametrize(
    ("method", "path", "data", "code"),
    [
        ("POST", "user/info", b"{}", 43001),
        ("GET", "message/custom/send", None, 43002),
        ("POST", "message/custom/send", b"", 44002),
        ("POST", "message/custom/send", b"{", 47001),
        ("POST", "message/custom/send", b"[]", 47001),
        ("POST", "message/custom/send", b'{"touser":"\\u4f60"}', 40033),
        ("GET", "no/such/call", None, 40066),
    ],
)
def test_malformed_requests_have_their_own_codes(
    world: World, method: str, path: str, data: bytes | None, code: int
) -> None:
    query = {"access_token": world.token()}
    answer = world.call(method, f"/mp/cgi-bin/{path}", params=query, data=data)
    assert answer.status_code == 200
    assert answer.json()["errcode"] == code


def test_bare_paths_find_their_platform_by_path_or_token(world: World) -> None:
    for slug, path, key in (
        ("lin-service", "user/get", "total"),
        ("lin-corp", "externalcontact/get_follow_user_list", "follow_user"),
        ("lin-corp", "getcallbackip", "errcode"),
    ):
        query = {"access_token": world.token(slug)}
        assert key in world.call("GET", f"/cgi-bin/{path}", params=query).json()
    query = {"access_token": world.token("lin-service")}
    answer = world.call("GET", "/cgi-bin/getcallbackip", params=query).json()
    assert "errcode" not in answer


def test_daily_quotas_are_counted_told_and_cleared(world: World) -> None:
    world.begin(86400)
    world.post("limits", daily={"/cgi-bin/user/get": 2})
    for _ in range(2):
        assert "total" in world.mp("user/get")
    assert world.mp("user/get")["errcode"] == 45009
    quota = world.mp("openapi/quota/get", {"cgi_path": "/cgi-bin/user/get"})["quota"]
    assert quota == {"daily_limit": 2, "used": 2, "remain": 0}
    assert world.mp("openapi/quota/get", {"cgi_path": "user"})["errcode"] == 76003
    app_id = world.accounts["lin-service"]["app_id"]
    assert world.mp("clear_quota", {"appid": app_id})["errcode"] == 0
    assert "total" in world.mp("user/get")
    for _ in range(9):
        assert world.mp("clear_quota", {"appid": app_id})["errcode"] == 0
    assert world.mp("clear_quota", {"appid": app_id})["errcode"] == 48006


def test_the_token_quota_ends_with_the_day(world: World) -> None:
    world.post("limits", daily={"/cgi-bin/token": 1})
    assert "access_token" in world.plain_token()
    assert world.plain_token()["errcode"] == 45009
    world.advance(86400)
    assert "access_token" in world.plain_token()


def test_wecom_counts_calls_by_the_minute(world: World) -> None:
    world.post("limits", wecom_per_minute=2)
    world.begin(60)
    path = "externalcontact/get_follow_user_list"
    assert [world.qy(path)["errcode"] for _ in range(3)] == [0, 0, 45009]
    world.advance(60)
    assert world.qy(path)["errcode"] == 0


def test_a_rid_is_explained(world: World) -> None:
    refused = world.mp("user/info", openid="nobody")
    rid = refused["errmsg"].rpartition("rid: ")[2]
    request = world.mp("openapi/rid/get", {"rid": rid})["request"]
    assert "40003" in request["response_body"]
