"""Web authorisation: the page that a person opens learns the openid, once."""

from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from tests.sandbox.test_masses import draft, job
from tests.sandbox.world import World


def address(world: World, target: str, **more: str) -> str:
    query = {
        "appid": world.accounts["lin-service"]["app_id"],
        "redirect_uri": target,
        "response_type": "code",
        "scope": "snsapi_base",
        "state": "touch1",
    }
    return f"{world.url}/connect/oauth2/authorize?{urlencode({**query, **more})}"


def allow(world: World, target: str) -> None:
    world.post("accounts/lin-service", web_domains=[urlsplit(target).netloc])


def code_for(world: World, person: dict[str, Any]) -> str:
    target = world.console.url + "/t/1?x=2"
    allow(world, target)
    found = world.do(person, "open", url=address(world, target) + "#wechat_redirect")
    query = parse_qs(urlsplit(found["url"]).query)
    assert (query["state"], query["x"]) == (["touch1"], ["2"])
    return query["code"][0]


def exchange(world: World, given: str, **change: str) -> dict[str, Any]:
    account = world.accounts["lin-service"]
    query = {
        "appid": account["app_id"],
        "secret": account["secret"],
        "code": given,
        "grant_type": "authorization_code",
        **change,
    }
    return world.call("GET", "/mp/sns/oauth2/access_token", params=query).json()


def test_a_code_becomes_the_openid_of_who_opened_the_link_once(world: World) -> None:
    person, openid = world.follower()
    code = code_for(world, person)
    answer = exchange(world, code)
    assert (answer["openid"], answer["scope"]) == (openid, "snsapi_base")
    assert answer["access_token"]
    assert answer["expires_in"] == 7200
    assert exchange(world, code)["errcode"] == 40163
    assert world.get("calls", path="sns/oauth2")[0]["answer"]["openid"] == openid


def test_somebody_who_does_not_follow_has_an_openid_too(world: World) -> None:
    person = world.person()
    answer = exchange(world, code_for(world, person))
    assert answer["openid"] == person["openid"]["lin-service"]


def test_a_code_ends_after_five_minutes(world: World) -> None:
    code = code_for(world, world.person())
    world.advance(301)
    assert exchange(world, code)["errcode"] == 42003


@pytest.mark.parametrize(
    ("change", "errcode"),
    [
        ({"code": "unknown"}, 40029),
        ({"code": ""}, 41008),
        ({"secret": "wrong"}, 40125),
        ({"secret": ""}, 41004),
        ({"appid": "wx0"}, 40013),
        ({"grant_type": "client_credential"}, 40002),
    ],
)
def test_a_wrong_exchange_is_refused(
    world: World, change: dict[str, str], errcode: int
) -> None:
    code = code_for(world, world.person())
    assert exchange(world, code, **change)["errcode"] == errcode


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"redirect_uri": "http://elsewhere.example/x"}, "10003"),
        ({"redirect_uri": "javascript:alert(1)"}, "10003"),
        ({"appid": "wx0"}, "appid 不正确"),
        ({"scope": "snsapi_login"}, "10004"),
        ({"response_type": "token"}, "10004"),
    ],
)
def test_a_wrong_address_ends_on_a_page_that_says_why(
    world: World, change: dict[str, str], words: str
) -> None:
    target = world.console.url + "/t"
    allow(world, target)
    found = world.do(world.person(), "open", url=address(world, target, **change))
    assert words in found["text"]
    assert found["hops"] == []


def test_outside_wechat_nobody_is_named(world: World) -> None:
    target = world.console.url + "/t"
    allow(world, target)
    page = world.session.get(address(world, target), allow_redirects=False, timeout=5)
    assert "请在微信客户端打开链接" in page.text


def test_opening_stops_at_the_edge_of_this_machine(world: World) -> None:
    found = world.do(world.person(), "open", url="https://shop.example.com/new")
    assert (found["url"], found["status"]) == ("https://shop.example.com/new", None)
    body = {"url": "file:///etc/passwd"}
    url = f"/control/people/{world.person()['id']}/open"
    assert world.call("POST", url, json=body).status_code == 400


def test_an_article_is_read_without_its_scripts_and_foreign_pictures(
    world: World,
) -> None:
    content = (
        '<p onclick="x()">欢迎<script>alert(1)</script></p><img src="https://a.example/b">'
        '<a href="https://shop.example.com/?a=1&amp;b=2">去看看</a><p>再见'
    )
    media_id = draft(world, content=content)
    said = {"msgtype": "mpnews", "mpnews": {"media_id": media_id}}
    found = job(world, world.mp("message/mass/send", {"touser": world.many(2), **said}))
    person = world.get("people")[0]
    page = world.do(person, "open", url=found["articles"][0]["url"])
    assert page["title"] == "周年庆开始了"
    assert "<p>欢迎</p>" in page["text"]
    assert "alert" not in page["text"]
    assert "<img" not in page["text"]
    assert 'href="https://shop.example.com/?a=1&amp;b=2"' in page["text"]
    world.mp("message/mass/delete", {"msg_id": found["msg_id"]})
    page = world.do(person, "open", url=found["articles"][0]["url"])
    assert "该内容已被发布者删除" in page["text"]
