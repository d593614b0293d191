"""Mass sends: whom a job reaches, how often, what repeats it and who is told."""

import json
import time
from typing import Any

import pytest
import requests

from tests.sandbox.console import opened
from tests.sandbox.test_messages import png
from tests.sandbox.world import World

SEND = "message/mass/send"


def send(world: World, openids: Any, text: str = "周年庆", **more: Any) -> Any:
    body = {"touser": openids, "msgtype": "text", "text": {"content": text}}
    return world.mp(SEND, {**body, **more})


def job(world: World, answer: dict[str, Any]) -> dict[str, Any]:
    """The job behind an answer, when it is over."""
    assert answer["errcode"] == 0, answer
    return finished(world, answer["msg_id"])


def finished(world: World, msg_id: int, **query: Any) -> dict[str, Any]:
    deadline = time.monotonic() + 10
    while True:
        found = world.get(f"mass/{msg_id}", **query)
        if found["state"] in ("done", "failed"):
            return found
        assert time.monotonic() < deadline, found
        time.sleep(0.02)


def first_job(world: World) -> int:
    deadline = time.monotonic() + 10
    while not (jobs := world.get("mass")):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return jobs[-1]["msg_id"]


def article(world: World, **more: Any) -> dict[str, Any]:
    cover = world.call(
        "POST",
        "/mp/cgi-bin/material/add_material",
        params={"access_token": world.token(), "type": "image"},
        files={"media": ("封面.png", png(), "image/png")},
    ).json()
    return {
        "title": "周年庆开始了",
        "digest": "到店有礼",
        "content": "<p>欢迎来到林间。</p>",
        "thumb_media_id": cover["media_id"],
        **more,
    }


def draft(world: World, **more: Any) -> str:
    return world.mp("draft/add", {"articles": [article(world, **more)]})["media_id"]


def test_a_text_reaches_each_openid_once_and_the_event_counts_them(
    world: World,
) -> None:
    openids = world.many(30)
    found = job(world, send(world, [*openids, openids[0], "unknown"]))
    assert (found["total"], found["sent"], found["filtered"]) == (31, 30, 1)
    assert (found["people"], found["most_per_person"]) == (30, 1)
    event = opened(world.console.wait(1)[0], world.accounts["lin-service"])
    assert event["Event"] == "MASSSENDJOBFINISH"
    assert event["MsgID"] == str(found["msg_id"])
    assert found["msg_id"] > 2**31
    assert event["Status"] == "send success"
    counts = ("TotalCount", "FilterCount", "SentCount", "ErrorCount")
    assert [event[name] for name in counts] == ["31", "30", "30", "0"]
    answer = world.mp("message/mass/get", {"msg_id": found["msg_id"]})
    assert answer == {"msg_id": found["msg_id"], "msg_status": "SEND_SUCCESS"}
    person = world.get("people")[0]
    line = world.screen(person, "lin-service")[0]
    assert (line["text"], line["mass"]) == ("周年庆", found["msg_id"])


@pytest.mark.parametrize(
    ("touser", "code"),
    [
        (["one"], 40130),
        ([], 40130),
        ("one", 40003),
        (["one", 2], 40003),
        ([f"o{n}" for n in range(10_001)], 40032),
    ],
)
def test_a_list_of_openids_has_two_to_ten_thousand(
    world: World, touser: Any, code: int
) -> None:
    assert send(world, touser)["errcode"] == code
    assert world.get("mass") == []


def test_only_a_service_account_sends_to_openids(world: World) -> None:
    openids = world.many(2, "lin-daily")
    body = {"touser": openids, "msgtype": "text", "text": {"content": "早"}}
    answer = world.mp(SEND, body, token=world.token("lin-daily"))
    assert answer["errcode"] == 48001


def test_the_fifth_of_a_calendar_month_is_dropped_and_the_next_month_begins_anew(
    world: World,
) -> None:
    openids = world.many(2)
    sent = [job(world, send(world, openids, f"第{n}条"))["sent"] for n in range(5)]
    assert sent == [2, 2, 2, 2, 0]
    person = world.get("people")[0]
    assert len(world.screen(person, "lin-service")) == 4
    assert person["accounts"]["lin-service"]["mass_this_month"] == 4
    world.advance(32 * 86400)
    assert job(world, send(world, openids, "下个月"))["sent"] == 2


def test_who_left_is_passed_over(world: World) -> None:
    person, openid = world.follower()
    _, other = world.follower()
    world.do(person, "unfollow", account="lin-service")
    assert job(world, send(world, [openid, other]))["sent"] == 1
    assert world.screen(person, "lin-service") == []


def test_a_repeat_is_refused_and_after_a_minute_names_the_old_job(
    world: World,
) -> None:
    openids = world.many(2)
    first = send(world, openids, clientmsgid="touch-1-batch-1")
    assert send(world, openids, clientmsgid="touch-1-batch-1")["errcode"] == 45066
    world.advance(61)
    again = send(world, openids, clientmsgid="touch-1-batch-1")
    assert (again["errcode"], again["msg_id"]) == (45065, first["msg_id"])
    world.advance(86400)
    fresh = send(world, openids, clientmsgid="touch-1-batch-1")
    assert fresh["errcode"] == 0
    assert fresh["msg_id"] > first["msg_id"]
    assert send(world, openids, clientmsgid="x" * 65)["errcode"] == 45067


def test_without_an_id_the_same_words_to_the_same_people_are_a_repeat(
    world: World,
) -> None:
    openids = world.many(3)
    assert send(world, openids)["errcode"] == 0
    assert send(world, openids)["errcode"] == 45066
    assert send(world, openids[:2])["errcode"] == 0
    assert send(world, openids, "别的话")["errcode"] == 0


def test_the_quotas_of_a_day_and_a_minute(world: World) -> None:
    world.begin(86400)
    openids = world.many(2)
    minutely = {"/cgi-bin/message/mass/send": 3}
    world.post("limits", mass_sends_per_day=1, minutely=minutely)
    assert send(world, openids, clientmsgid="a")["errcode"] == 0
    assert send(world, openids, "二")["errcode"] == 45028
    assert send(world, openids, clientmsgid="a")["errcode"] == 45066
    path = {"cgi_path": "/cgi-bin/message/mass/send"}
    quota = world.mp("openapi/quota/get", path)["quota"]
    assert quota == {"daily_limit": 1, "used": 1, "remain": 0}
    assert send(world, openids, "三")["errcode"] == 45011


@pytest.mark.parametrize("is_confirmed", [True, False])
def test_a_protected_account_waits_for_its_administrator(
    world: World, is_confirmed: bool
) -> None:
    world.post("accounts/lin-service", mass_needs_admin=True)
    openids = world.many(2)
    msg_id = send(world, openids)["msg_id"]
    assert world.get(f"mass/{msg_id}")["state"] == "waiting"
    asked = world.mp("message/mass/get", {"msg_id": msg_id})
    assert asked["msg_status"] == "SENDING"
    world.post(f"mass/{msg_id}/{'confirm' if is_confirmed else 'refuse'}")
    found = finished(world, msg_id)
    assert found["sent"] == (2 if is_confirmed else 0)
    wanted = "send success" if is_confirmed else "err(40001)"
    event = opened(world.console.wait(1)[0], world.accounts["lin-service"])
    assert (event["Status"], event["TotalCount"]) == (wanted, "2")
    url = f"/control/mass/{msg_id}/confirm"
    assert world.call("POST", url).status_code == 409


def test_nobody_confirms_for_half_an_hour(world: World) -> None:
    world.post("accounts/lin-service", mass_needs_admin=True)
    msg_id = send(world, world.many(2))["msg_id"]
    world.advance(1801)
    assert finished(world, msg_id)["status"] == "err(40002)"
    asked = world.mp("message/mass/get", {"msg_id": msg_id})
    assert asked["msg_status"] == "SEND_FAIL"


def test_the_speed_spreads_a_job_over_the_virtual_clock(world: World) -> None:
    assert world.mp("message/mass/speed/set", {"speed": 4})["errcode"] == 0
    answer = world.mp("message/mass/speed/get", {})
    assert (answer["speed"], answer["realspeed"]) == (4, 10)
    assert world.mp("message/mass/speed/set", {"speed": 5})["errcode"] == 45083
    speeds = [800000, 600000, 450000, 300000, 60]
    world.post("limits", mass_people_per_minute=speeds)
    msg_id = send(world, world.many(50))["msg_id"]
    found = world.get(f"mass/{msg_id}")
    assert (found["state"], found["sent"] < 50) == ("sending", True)
    world.advance(60)
    assert finished(world, msg_id)["sent"] == 50


def test_the_event_can_come_before_the_answer(world: World) -> None:
    world.post("accounts/lin-service", mass_finishes_first=True)
    answer = send(world, world.many(2))
    event = opened(world.console.received[0], world.accounts["lin-service"])
    assert event["MsgID"] == str(answer["msg_id"])


def test_articles_are_drafted_sent_opened_and_taken_down(world: World) -> None:
    media_id = draft(world)
    assert world.mp("draft/count")["total_count"] == 1
    item = world.mp("draft/get", {"media_id": media_id})["news_item"][0]
    assert (item["title"], item["digest"]) == ("周年庆开始了", "到店有礼")
    openids = world.many(2)
    said = {"touser": openids, "msgtype": "mpnews", "mpnews": {"media_id": media_id}}
    answer = world.mp(SEND, said)
    assert answer["msg_data_id"]
    found = job(world, answer)
    card = world.screen(world.get("people")[0], "lin-service")[0]["articles"][0]
    assert (card["title"], card["digest"]) == ("周年庆开始了", "到店有礼")
    received = world.console.wait(1)[0]
    event = opened(received, world.accounts["lin-service"])
    assert "ArticleUrlResult" in event
    assert card["cover"].endswith(".png")
    msg_id = found["msg_id"]
    assert world.mp("message/mass/delete", {"msg_id": msg_id})["errcode"] == 0
    asked = world.mp("message/mass/get", {"msg_id": msg_id})
    assert asked["msg_status"] == "DELETE"
    card = world.screen(world.get("people")[0], "lin-service")[0]["articles"][0]
    assert card["is_deleted"] is True


def test_drafts_are_changed_listed_and_deleted(world: World) -> None:
    media_id, other = draft(world), draft(world, title="第二篇")
    changed = article(world, title="改过的")
    body = {"media_id": media_id, "index": 0, "articles": changed}
    assert world.mp("draft/update", body)["errcode"] == 0
    page = world.mp("draft/batchget", {"offset": 0, "count": 1, "no_content": 1})
    assert (page["total_count"], page["item_count"]) == (2, 1)
    item = page["item"][0]["content"]["news_item"][0]
    assert (item["title"], item["content"]) == ("改过的", "")
    assert world.mp("draft/delete", {"media_id": other})["errcode"] == 0
    assert world.mp("draft/get", {"media_id": other})["errcode"] == 40007


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"title": "长" * 65}, 45003),
        ({"title": ""}, 45003),
        ({"digest": "长" * 129}, 45004),
        ({"content": ""}, 44004),
        ({"content": "长" * 20_001}, 45002),
        ({"thumb_media_id": "unknown"}, 40007),
    ],
)
def test_a_draft_that_is_not_complete_is_refused(
    world: World, change: dict[str, Any], code: int
) -> None:
    body = {"articles": [{**article(world), **change}]}
    assert world.mp("draft/add", body)["errcode"] == code


def test_a_cover_must_be_a_permanent_picture(world: World) -> None:
    fleeting = world.upload(png())["media_id"]
    body = {"articles": [article(world, thumb_media_id=fleeting)]}
    assert world.mp("draft/add", body)["errcode"] == 40007


def test_a_picture_is_sent_and_a_missing_one_refused(world: World) -> None:
    openids = world.many(2)
    body = {"touser": openids, "msgtype": "image", "image": {"media_id": "none"}}
    assert world.mp(SEND, body)["errcode"] == 40007
    body["image"]["media_id"] = world.upload(png())["media_id"]
    job(world, world.mp(SEND, body))
    line = world.screen(world.get("people")[0], "lin-service")[0]
    assert line["url"].endswith(".png")


def test_a_preview_reaches_one_follower_beside_the_months_four(world: World) -> None:
    person, openid = world.follower()
    body = {"touser": openid, "msgtype": "text", "text": {"content": "先看看"}}
    assert world.mp("message/mass/preview", body)["errcode"] == 0
    assert world.screen(person, "lin-service")[0]["preview"] is True
    follow = world.get(f"people/{person['id']}")["accounts"]["lin-service"]
    assert follow["mass_this_month"] == 0
    body["touser"] = "unknown"
    assert world.mp("message/mass/preview", body)["errcode"] == 40003


def test_everybody_once_a_day_and_a_tag_more_often(world: World) -> None:
    world.begin(86400)
    openids = world.many(5)
    tags = {"openid_list": openids[:2], "tagid": 100}
    assert world.mp("tags/members/batchtagging", tags)["errcode"] == 0
    body = {"msgtype": "text", "text": {"content": "大家好"}}
    everybody = {"filter": {"is_to_all": True}, **body}
    found = job(world, world.mp("message/mass/sendall", everybody))
    assert (found["total"], found["sent"]) == (5, 5)
    again = {**everybody, "text": {"content": "再一次"}}
    assert world.mp("message/mass/sendall", again)["errcode"] == 45028
    tagged = {"filter": {"is_to_all": False, "tag_id": 100}, **body}
    assert job(world, world.mp("message/mass/sendall", tagged))["sent"] == 2
    unknown = {"filter": {"is_to_all": False, "tag_id": 999}, **body}
    assert world.mp("message/mass/sendall", unknown)["errcode"] == 45159


def test_deliveries_say_how_often_each_openid_got_what(world: World) -> None:
    openids = world.many(4)
    job(world, send(world, openids, "甲 touch-1"))
    job(world, send(world, openids[:2], "乙 touch-1"))
    found = world.get("deliveries", account="lin-service", text="touch-1")
    assert (found["people"], found["messages"], found["most"]) == (4, 6, 2)
    assert found["received"] == {o: 2 - (n > 1) for n, o in enumerate(openids)}
    twice = world.get("deliveries", account="lin-service", kind="mass", more_than=1)
    assert set(twice["received"]) == set(openids[:2])
    custom = world.get("deliveries", account="lin-service", kind="custom")
    assert custom["received"] == {}
    msg_id = world.get("mass")[0]["msg_id"]
    found = world.get(f"mass/{msg_id}", openids=1)
    assert found["addressed"] == found["received"] == openids[:2]


@pytest.mark.parametrize("fault", ["accept_then_cut", "cut", "quota", "busy"])
def test_faults_meet_mass_sends_too(world: World, fault: str) -> None:
    openids = world.many(2)
    world.post("faults", path=SEND, fault=fault, times=1)
    if fault in ("quota", "busy"):
        code = {"quota": 45028, "busy": -1}[fault]
        assert send(world, openids, clientmsgid="k")["errcode"] == code
    else:
        with pytest.raises(requests.RequestException):
            send(world, openids, clientmsgid="k")
    again = send(world, openids, clientmsgid="k")
    assert again["errcode"] == (45066 if fault == "accept_then_cut" else 0)
    received = world.get("deliveries", account="lin-service")["received"]
    deadline = time.monotonic() + 5
    while len(received) < 2 and time.monotonic() < deadline:
        received = world.get("deliveries", account="lin-service")["received"]
    assert received == dict.fromkeys(openids, 1)


def test_a_job_whose_answer_never_came_is_delivered_all_the_same(world: World) -> None:
    openids = world.many(2)
    world.post("faults", path=SEND, fault="accept_then_timeout", hold_seconds=3)
    query = {"access_token": world.token()}
    body = {"touser": openids, "msgtype": "text", "text": {"content": "在吗"}}
    with pytest.raises(requests.Timeout):
        world.call(
            "POST",
            "/mp/cgi-bin/message/mass/send",
            params=query,
            data=json.dumps({**body, "clientmsgid": "k"}, ensure_ascii=False).encode(),
            timeout=0.5,
        )
    found = finished(world, first_job(world))
    assert found["sent"] == 2
    world.post("limits", mass_retry_seconds=0)
    again = world.mp(SEND, {**body, "clientmsgid": "k"})
    assert (again["errcode"], again["msg_id"]) == (45065, found["msg_id"])


def test_a_big_job_is_quick_and_its_record_short(world: World) -> None:
    openids = [one for _ in range(2) for one in world.many(5000)]
    started = time.monotonic()
    found = job(world, send(world, openids))
    assert (found["sent"], found["most_per_person"]) == (10_000, 1)
    assert time.monotonic() - started < 20
    call = world.get("calls", path=SEND)[0]
    assert (call["is_cut"], len(call["body"]["touser"])) == (True, 100)
    whole = world.get("calls", id=call["id"])[0]
    assert (whole["is_cut"], whole["body"]["touser"]) == (False, openids)
    assert "body" not in world.get("calls", brief=1)[0]
    assert world.call("DELETE", "/control/calls").json()["deleted"] == 2


def test_calls_are_read_page_by_page(world: World) -> None:
    for _ in range(5):
        world.mp("tags/get")
    seen: list[int] = []
    while page := world.get(
        "calls", order="oldest", limit=2, after=max(seen, default=0)
    ):
        seen += [one["id"] for one in page]
    assert seen == sorted(seen)
    assert len(seen) == 6
    answer = world.call("GET", "/control/calls", params={"limit": 1})
    assert answer.headers["X-Total-Count"] == "6"
