"""Every fault, seen from a client that keeps nothing and repeats nothing."""

import http.client
import json
import time
from typing import Any

import pytest
import requests

from tests.sandbox.world import World

CODES = {
    "busy": (-1, -1),
    "token_invalid": (40001, 40014),
    "token_expired": (42001, 42001),
    "quota": (45009, 45009),
    "rate": (45011, 45033),
    "unauthorised": (48001, 48002),
    "ip": (40164, 60020),
}


def fault(world: World, path: str, name: str, times: int = 1, **more: Any) -> None:
    world.post("faults", path=path, fault=name, times=times, **more)


@pytest.mark.parametrize("name", CODES)
def test_a_refusal_has_each_platforms_own_code(world: World, name: str) -> None:
    world.token(), world.token("lin-corp")
    fault(world, "*", name, 2)
    assert world.mp("tags/get")["errcode"] == CODES[name][0]
    answer = world.qy("externalcontact/get_follow_user_list")
    assert answer["errcode"] == CODES[name][1]
    assert "tags" in world.mp("tags/get")
    assert world.get("faults") == []


def test_a_refused_send_has_no_effect(world: World) -> None:
    person, openid = world.follower()
    for name in (*CODES, "http_502", "html"):
        fault(world, "message/custom/send", name)
    for _ in range(len(CODES)):
        assert world.write_to(openid)["errcode"] != 0
    query = {"access_token": world.token()}
    url = "/mp/cgi-bin/message/custom/send"
    bad_gateway = world.call("POST", url, params=query, data=b"{}")
    assert bad_gateway.status_code == 502
    assert "text/html" in bad_gateway.headers["Content-Type"]
    html = world.call("POST", url, params=query, data=b"{}")
    assert html.status_code == 200
    assert "<html>" in html.text
    assert world.screen(person, "lin-service") == []
    statuses = [one["status"] for one in world.get("calls", path="custom/send")]
    assert statuses == [200] * len(CODES) + [502, 200]


def test_times_count_down_and_only_the_named_path_is_met(world: World) -> None:
    _, openid = world.follower()
    fault(world, "message/custom/send", "busy", 2)
    assert "tags" in world.mp("tags/get")
    assert [world.write_to(openid)["errcode"] for _ in range(3)] == [-1, -1, 0]


def test_a_path_is_met_by_its_end_on_a_slash(world: World) -> None:
    fault(world, "token", "busy", -1)
    assert world.stable_token().get("errcode", 0) == 0
    assert world.plain_token()["errcode"] == -1
    fault(world, "/cgi-bin/stable_token", "busy")
    assert world.stable_token()["errcode"] == -1


def test_a_fault_without_end_stays_until_it_is_deleted(world: World) -> None:
    fault(world, "tags/get", "token_invalid", -1)
    for _ in range(5):
        assert world.mp("tags/get")["errcode"] == 40001
    assert world.call("DELETE", "/control/faults").json()["deleted"] == 1
    assert "tags" in world.mp("tags/get")


def test_slow_answers_after_its_seconds(world: World) -> None:
    _, openid = world.follower()
    fault(world, "message/custom/send", "slow:0.5")
    started = time.monotonic()
    assert world.write_to(openid)["errcode"] == 0
    assert time.monotonic() - started >= 0.5


def test_cut_breaks_the_answer_and_has_no_effect(world: World) -> None:
    person, openid = world.follower()
    fault(world, "message/custom/send", "cut", 3)
    for _ in range(3):
        with pytest.raises(
            (requests.ConnectionError, requests.exceptions.ChunkedEncodingError)
        ):
            world.write_to(openid)
    assert world.screen(person, "lin-service") == []
    call = world.get("calls", path="custom/send")[0]
    assert (call["fault"], call["delivered"], call["answer"]) == ("cut", False, None)


def test_accept_then_cut_has_the_effect_and_no_clean_answer(world: World) -> None:
    person, openid = world.follower()
    fault(world, "message/custom/send", "accept_then_cut", 2)
    for _ in range(2):
        with pytest.raises(
            (requests.ConnectionError, requests.exceptions.ChunkedEncodingError)
        ):
            world.write_to(openid)
    assert len(world.screen(person, "lin-service")) == 2
    call = world.get("calls", path="custom/send")[0]
    assert (call["delivered"], call["answer"]["errcode"]) == (False, 0)


def test_accept_then_timeout_has_the_effect_and_no_answer(world: World) -> None:
    person, openid = world.follower()
    fault(world, "message/custom/send", "accept_then_timeout", 1, hold_seconds=3)
    body = {"touser": openid, "msgtype": "text", "text": {"content": "hi"}}
    query = {"access_token": world.token()}
    url = "/mp/cgi-bin/message/custom/send"
    with pytest.raises(requests.Timeout):
        world.call("POST", url, params=query, data=json.dumps(body), timeout=0.5)
    assert len(world.screen(person, "lin-service")) == 1
    call = world.get("calls", path="custom/send")[0]
    assert (call["status"], call["delivered"]) == (0, False)


def test_who_waits_longer_than_the_hold_gets_no_clean_answer_either(
    world: World,
) -> None:
    fault(world, "tags/get", "accept_then_timeout", 1, hold_seconds=0.2)
    with pytest.raises(
        (requests.ConnectionError, requests.exceptions.ChunkedEncodingError)
    ):
        world.mp("tags/get")


def test_the_connection_is_really_closed_in_the_middle(world: World) -> None:
    fault(world, "tags/get", "accept_then_cut")
    host = world.url.removeprefix("http://")
    connection = http.client.HTTPConnection(host, timeout=5)
    connection.request("GET", f"/mp/cgi-bin/tags/get?access_token={world.token()}")
    answer = connection.getresponse()
    promised = int(answer.headers["Content-Length"])
    with pytest.raises(http.client.IncompleteRead) as cut:
        answer.read()
    assert 0 < len(cut.value.partial) < promised


def test_faults_meet_calls_in_the_order_they_were_set(world: World) -> None:
    world.token()
    for name in ("busy", "quota", "ip"):
        fault(world, "tags/get", name)
    codes = [world.mp("tags/get").get("errcode") for _ in range(4)]
    assert codes == [-1, 45009, 40164, None]


def test_a_call_that_met_a_fault_is_still_known_as_the_accounts(world: World) -> None:
    world.token()
    fault(world, "tags/get", "busy")
    world.mp("tags/get")
    call = world.get("calls", account="lin-service")[-1]
    assert (call["path"], call["fault"]) == ("/cgi-bin/tags/get", "busy")
