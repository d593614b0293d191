"""Customer-service messages: who may be written to, how often and until when."""

import io

import pytest
from PIL import Image

from tests.sandbox.world import World

KF_SEND = "message/custom/send"


def png() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (8, 8), "green").save(out, "PNG")
    return out.getvalue()


def sends(world: World, openid: str, count: int) -> list[int]:
    return [world.write_to(openid)["errcode"] for _ in range(count)]


def test_a_follow_allows_three_messages_within_a_minute(world: World) -> None:
    _, openid = world.follower()
    assert sends(world, openid, 4) == [0, 0, 0, 45047]
    _, other = world.follower()
    world.advance(61)
    assert sends(world, other, 1) == [45015]


def test_a_message_allows_five_within_48_hours_and_the_next_renews_them(
    world: World,
) -> None:
    person, openid = world.follower()
    world.advance(61)
    world.do(person, "say", account="lin-service", text="在吗")
    world.advance(47 * 3600)
    assert sends(world, openid, 6) == [0, 0, 0, 0, 0, 45047]
    world.do(person, "say", account="lin-service", text="还在吗")
    assert sends(world, openid, 1) == [0]
    world.advance(48 * 3600 + 1)
    assert sends(world, openid, 1) == [45015]


@pytest.mark.parametrize("deed", ["tap", "follow"])
def test_a_tap_and_a_scan_allow_three_within_a_minute(world: World, deed: str) -> None:
    person, openid = world.follower()
    world.advance(61)
    body = {"key": "MENU_会员中心"} if deed == "tap" else {"scene": "门店"}
    world.do(person, deed, account="lin-service", **body)
    assert sends(world, openid, 4) == [0, 0, 0, 45047]


def test_a_tap_on_a_link_allows_nothing(world: World) -> None:
    person, openid = world.follower()
    world.advance(61)
    world.do(person, "tap", account="lin-service", key="https://shop.example.com/new")
    assert sends(world, openid, 1) == [45015]


def test_a_tapped_menu_item_counts_as_a_click_not_as_a_message(world: World) -> None:
    person, openid = world.follower()
    world.advance(61)
    world.do(person, "say", account="lin-service", text="满意", menu_id="101")
    assert sends(world, openid, 4) == [0, 0, 0, 45047]


def test_the_allowance_that_ends_first_is_used_first(world: World) -> None:
    person, openid = world.follower()
    world.do(person, "say", account="lin-service", text="在吗")
    assert sends(world, openid, 9) == [0] * 8 + [45047]


def test_who_left_or_is_unknown_cannot_be_written_to(world: World) -> None:
    person, openid = world.follower()
    world.do(person, "say", account="lin-service", text="再见")
    world.do(person, "unfollow", account="lin-service")
    assert sends(world, openid, 1) == [45015]
    assert sends(world, "nobody", 1) == [40003]
    assert sends(world, person["openid"]["lin-daily"], 1) == [40003]


def test_a_refused_message_uses_nothing_up(world: World) -> None:
    _, openid = world.follower()
    assert world.write_to(openid, "")["errcode"] == 44004
    assert world.write_to(openid, "长" * 700)["errcode"] == 45002
    body = {"touser": openid, "msgtype": "smoke", "smoke": {}}
    assert world.mp(KF_SEND, body)["errcode"] == 40008
    body = {"touser": openid, "msgtype": "image", "image": {"media_id": "x"}}
    assert world.mp(KF_SEND, body)["errcode"] == 40007
    assert sends(world, openid, 3) == [0, 0, 0]


def test_a_picture_arrives_and_can_be_seen(world: World) -> None:
    person, openid = world.follower()
    media_id = world.upload(png())["media_id"]
    body = {"touser": openid, "msgtype": "image", "image": {"media_id": media_id}}
    assert world.mp(KF_SEND, body)["errcode"] == 0
    line = world.screen(person, "lin-service")[-1]
    assert (line["type"], line["media_id"]) == ("image", media_id)
    path = line["url"].removeprefix(world.url)
    assert world.call("GET", path).content == png()


@pytest.mark.parametrize(
    ("kind", "content", "text"),
    [
        ("news", {"articles": [{"title": "新品", "url": "https://e.com"}]}, "新品"),
        ("msgmenu", {"head_content": "满意吗", "list": [{"id": "1"}]}, "满意吗"),
        ("mpnewsarticle", {"article_id": "a1"}, "a1"),
        ("miniprogrampage", {"title": "小程序", "appid": "wx"}, "小程序"),
        ("wxcard", {"card_id": "c"}, ""),
        ("music", {"title": "歌"}, "歌"),
    ],
)
def test_the_other_types_are_taken_and_shown(
    world: World, kind: str, content: dict[str, object], text: str
) -> None:
    person, openid = world.follower()
    body = {"touser": openid, "msgtype": kind, kind: content}
    assert world.mp(KF_SEND, body)["errcode"] == 0
    line = world.screen(person, "lin-service")[-1]
    assert (line["type"], line["text"]) == (kind, text)


def test_typing_needs_an_open_window(world: World) -> None:
    _, openid = world.follower()
    body = {"touser": openid, "command": "Typing"}
    assert world.mp("message/custom/typing", body)["errcode"] == 0
    world.advance(61)
    assert world.mp("message/custom/typing", body)["errcode"] == 45080


def test_limits_are_settings(world: World) -> None:
    world.post("limits", allow_follow=[1, 10])
    _, openid = world.follower()
    assert sends(world, openid, 2) == [0, 45047]


def test_a_file_lives_three_days(world: World) -> None:
    media_id = world.upload(png())["media_id"]
    answer = world.call(
        "GET",
        "/mp/cgi-bin/media/get",
        params={"access_token": world.token(), "media_id": media_id},
    )
    assert answer.content == png()
    assert answer.headers["Content-Type"] == "image/png"
    assert "attachment" in answer.headers["Content-Disposition"]
    world.advance(3 * 86400 + 1)
    token = world.stable_token()["access_token"]
    assert world.mp("media/get", token=token, media_id=media_id)["errcode"] == 40007


def test_bad_files_are_refused(world: World) -> None:
    assert world.upload(b"no picture")["errcode"] == 40005
    assert world.upload(png(), kind="smoke")["errcode"] == 40004
    assert world.upload(b"")["errcode"] in (40006, 41005)
    assert world.upload(png() + b"0" * (10 * 1024 * 1024))["errcode"] == 40006
    assert world.mp("media/upload", {}, type="image")["errcode"] == 41005


def test_a_picture_that_a_person_sent_can_be_downloaded(world: World) -> None:
    person, _ = world.follower()
    sent = world.do(person, "picture", account="lin-service", sample=1)
    query = {"access_token": world.token(), "media_id": sent["media_id"]}
    answer = world.call("GET", "/mp/cgi-bin/media/get", params=query)
    assert answer.headers["Content-Type"] == "image/jpeg"
    assert answer.content.startswith(b"\xff\xd8\xff")
