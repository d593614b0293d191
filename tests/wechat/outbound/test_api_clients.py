"""The platforms' API as we call it, and wechatpy's faults that must not reach us."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from django.utils import timezone

from tests.wechat.outbound.conftest import build_app
from tests.wechat.outbound.phone import Sandbox
from wechat import tokens
from wechat.api import Outcome, PlatformError, mp_client, wecom_client
from wechat.models import AccessToken, Account, App

Answer = tuple[int, bytes, dict[str, str]]
OK = b'{"errcode":0,"errmsg":"ok"}'


class FakePlatform(ThreadingHTTPServer):
    """A tiny real server: hands out tokens and answers the rest as it is told."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.seen: list[tuple[str, bytes, dict[str, str]]] = []
        self.answer: Callable[[str], Answer] = lambda path: (200, OK, {})
        self.token_seconds = 0.0
        self.lives = 7200
        self.tokens = 0

    def paths(self, part: str) -> list[str]:
        return [path for path, _body, _headers in self.seen if part in path]


class _Handler(BaseHTTPRequestHandler):
    server: FakePlatform
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.seen.append((self.path, body, dict(self.headers)))
        status, content, headers = self._answer()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if "Content-Length" not in headers:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
        if headers.get("Content-Length"):
            self.close_connection = True

    def _answer(self) -> Answer:
        if "stable_token" in self.path or "gettoken" in self.path:
            time.sleep(self.server.token_seconds)
            self.server.tokens += 1
            value = f"TOKEN-{self.server.tokens}"
            lives = self.server.lives
            found = {"errcode": 0, "access_token": value, "expires_in": lives}
            return 200, json.dumps(found).encode(), {}
        return self.server.answer(self.path)

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture
def platform() -> Iterator[FakePlatform]:
    server = FakePlatform()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def fake_app(app: App, platform: FakePlatform) -> App:
    """Our 服务号, answered by the tiny server."""
    url = f"http://127.0.0.1:{platform.server_port}/mp"
    Account.objects.update(api_base_url=url)
    return App.objects.select_related("account").get(pk=app.pk)


@pytest.fixture
def fake_corp(wecom_app: App, platform: FakePlatform) -> App:
    url = f"http://127.0.0.1:{platform.server_port}/qy"
    Account.objects.update(api_base_url=url)
    return App.objects.select_related("account").get(pk=wecom_app.pk)


def failure(call: Callable[[], Any]) -> PlatformError:
    with pytest.raises(PlatformError) as caught:
        call()
    return caught.value


# -- every call of ours against the sandbox


def test_official_account_calls_work(
    app: App, customer: dict[str, Any], sandbox: Sandbox
) -> None:
    client = mp_client(app)
    info = client.user_info(customer["to"])
    assert (info["subscribe"], info["unionid"]) == (1, customer["unionid"])
    assert client.user_batch([customer["to"]])[0]["openid"] == customer["to"]
    assert customer["to"] in client.followers()["data"]["openid"]
    tag = client.create_tag("精华爱好者")
    client.update_tag(tag["id"], "精华控")
    client.tag_people(tag["id"], [customer["to"]])
    assert {"精华控"} <= {each["name"] for each in client.tags()}
    client.untag_people(tag["id"], [customer["to"]])
    client.delete_tag(tag["id"])
    code = client.create_qrcode("门店12", expire_seconds=600)
    assert client.qrcode_url(code["ticket"]).startswith(f"{sandbox.url}/mp/")
    assert client.create_qrcode("永久")["ticket"]


def test_pictures_go_up_and_come_down(app: App) -> None:
    from tests.wechat.outbound.test_media import picture

    client = mp_client(app)
    media_id = client.upload_image(picture(), "a.png", "image/png")
    answer = client.download_media(media_id)
    assert answer.content[:4] == b"\x89PNG"
    error = failure(lambda: client.download_media("nothing"))
    assert (error.errcode, error.outcome) == (40007, Outcome.REJECTED)


def test_wecom_calls_work(wecom_app: App, sandbox: Sandbox) -> None:
    client = wecom_client(wecom_app)
    person = sandbox.person()
    userid = client.follow_users()[0]
    sandbox.ask(f"people/{person['id']}/add", {"colleague": userid})
    contact = client.contact(person["external_userid"])
    assert contact["external_contact"]["name"] == person["name"]
    page = client.contacts_of([userid])
    ids = {
        each["external_contact"]["external_userid"]
        for each in page["external_contact_list"]
    }
    assert person["external_userid"] in ids
    assert client.colleague(userid)["userid"] == userid
    assert userid in {each["userid"] for each in client.colleagues()}
    assert client.add_contact_way([userid], state="store-12")["config_id"]
    open_kfid = client.kf_accounts()[0]["open_kfid"]
    sandbox.ask(f"people/{person['id']}/kf", {"open_kfid": open_kfid, "text": "在吗"})
    messages = client.kf_sync(open_kfid)["msg_list"]
    assert "在吗" in [each.get("text", {}).get("content") for each in messages]


# The sandbox's faults, what they say of each call: code by platform, outcome.
FAULTS = {
    "busy": ("busy", "busy", "unknown"),
    "quota": ("errcode_45009", "errcode_45009", "rejected"),
    "rate": ("errcode_45011", "errcode_45033", "rejected"),
    "unauthorised": ("errcode_48001", "errcode_48002", "rejected"),
    "ip": ("errcode_40164", "errcode_60020", "rejected"),
    "slow:1.5": ("no_answer", "no_answer", "unknown"),
    "http_502": ("http_502", "http_502", "unknown"),
    "html": ("bad_answer", "bad_answer", "unknown"),
    "cut": ("cut", "cut", "unknown"),
    "accept_then_timeout": ("no_answer", "no_answer", "unknown"),
    "accept_then_cut": ("cut", "cut", "unknown"),
}
MP_CALLS: dict[str, Callable[[Any], Any]] = {
    "user/info": lambda client: client.user_info("o"),
    "user/info/batchget": lambda client: client.user_batch(["o"]),
    "tags/get": lambda client: client.tags(),
    "qrcode/create": lambda client: client.create_qrcode("a"),
    "media/upload": lambda client: client.upload_image(b"x", "a.png", "image/png"),
}
WECOM_CALLS: dict[str, Callable[[Any], Any]] = {
    "externalcontact/get": lambda client: client.contact("wm"),
    "externalcontact/get_follow_user_list": lambda client: client.follow_users(),
    "externalcontact/batch/get_by_user": lambda client: client.contacts_of(["a"]),
    "externalcontact/send_welcome_msg": lambda client: client.send_welcome("c", "t"),
    "kf/sync_msg": lambda client: client.kf_sync("kf"),
    "kf/account/list": lambda client: client.kf_accounts(),
    "user/get": lambda client: client.colleague("a"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_is_told_the_same_on_every_call(
    fault: str, app: App, sandbox: Sandbox, settings: Any
) -> None:
    corp = build_app(sandbox, "wecom")
    tokens.current(app)
    tokens.current(corp)
    settings.PLATFORM_TIMEOUT = (1, 0.4)
    mp_code, wecom_code, outcome = FAULTS[fault]
    clients = [
        (mp_client(app), MP_CALLS, mp_code),
        (wecom_client(corp), WECOM_CALLS, wecom_code),
    ]
    for client, calls, code in clients:
        for path, call in calls.items():
            # A fault of accept_… only meets calls the platform would have accepted.
            sandbox.clear_faults()
            sandbox.fault(path, fault)
            error = failure(partial(call, client))
            assert (error.code, error.outcome) == (code, outcome), (fault, path)


# -- wechatpy's faults, contract C2


def test_1_a_token_refused_for_ever_costs_two_calls_not_a_thousand(
    fake_app: App, platform: FakePlatform
) -> None:
    platform.answer = lambda path: (200, b'{"errcode":40001}', {})
    error = failure(lambda: mp_client(fake_app).user_info("o"))
    assert (error.errcode, error.outcome) == (40001, Outcome.REJECTED)
    assert len(platform.paths("user/info")) == 2
    assert len(platform.paths("stable_token")) == 2


def test_2_the_token_call_obeys_the_time_out(
    fake_app: App, platform: FakePlatform, settings: Any
) -> None:
    settings.PLATFORM_TIMEOUT = (1, 0.3)
    platform.token_seconds = 3
    begun = time.monotonic()
    error = failure(lambda: mp_client(fake_app).user_info("o"))
    assert time.monotonic() - begun < 2
    assert error.outcome is Outcome.NOT_SENT
    assert platform.paths("user/info") == []


def test_4_apps_of_one_corp_keep_their_tokens_apart(
    fake_corp: App, platform: FakePlatform
) -> None:
    other = App.objects.create(
        account=fake_corp.account,
        slug="second",
        app_id=fake_corp.app_id,
        agent_id="1000099",
        secret=fake_corp.secret,
    )
    first, second = wecom_client(fake_corp), wecom_client(other)
    assert first.access_token != second.access_token
    keys = {first.access_token_key, second.access_token_key}
    keys |= {first.access_token_expires_at_key, second.access_token_expires_at_key}
    assert len(keys) == 4


def test_5_a_token_lives_in_our_own_store_and_ends_by_the_platforms_time(
    fake_app: App, platform: FakePlatform
) -> None:
    platform.lives = 300
    assert [mp_client(fake_app).access_token for _process in "ab"] == ["TOKEN-1"] * 2
    rows = AccessToken.objects.filter(app=fake_app)
    left = rows.get().expires_at - timezone.now()
    assert timedelta(seconds=290) < left <= timedelta(seconds=300)
    client = mp_client(fake_app)
    client.user_info("o")
    rows.update(expires_at=timezone.now())
    client.user_info("o")
    assert client.access_token == mp_client(fake_app).access_token == "TOKEN-2"
    sent = [path.rpartition("access_token=")[2] for path in platform.paths("user/info")]
    assert [value.partition("&")[0] for value in sent] == ["TOKEN-1", "TOKEN-2"]
    assert platform.tokens == 2


def test_6_and_8_bodies_are_what_the_platform_takes(
    fake_corp: App, platform: FakePlatform
) -> None:
    platform.answer = lambda path: (200, b'{"errcode":0,"account_list":[]}', {})
    client = wecom_client(fake_corp)
    client.contacts_of(["lin", "wang"])
    client.kf_sync("kf1", cursor="c", token="t")
    client.kf_accounts()
    bodies = {
        path.partition("?")[0].rpartition("cgi-bin/")[2]: body
        for path, body, _headers in platform.seen
    }
    batch = json.loads(bodies["externalcontact/batch/get_by_user"])
    assert (batch["userid_list"], batch["limit"]) == (["lin", "wang"], 100)
    assert json.loads(bodies["kf/sync_msg"])["open_kfid"] == "kf1"
    assert json.loads(bodies["kf/account/list"]) == {"offset": 0, "limit": 100}


# Doc 94677: the object stands under its msgtype.
KF_MESSAGES: dict[str, tuple[Callable[[Any], Any], dict[str, Any]]] = {
    "location": (
        lambda to: to.send_location(
            "wm1", "kf1", "西湖店", "龙井路 1 号", 30.25, 120.1
        ),
        {
            "name": "西湖店",
            "address": "龙井路 1 号",
            "latitude": 30.25,
            "longitude": 120.1,
        },
    ),
    "miniprogram": (
        lambda to: to.send_miniprogram("wm1", "kf1", "wx1", "商城", "m1", "a/b.html"),
        {
            "appid": "wx1",
            "title": "商城",
            "thumb_media_id": "m1",
            "pagepath": "a/b.html",
        },
    ),
    "link": (
        lambda to: to.send_articles_link(
            *("wm1", "kf1"),
            {"title": "新茶", "url": "https://a.example", "thumb_media_id": "m1"},
        ),
        {
            "title": "新茶",
            "url": "https://a.example",
            "thumb_media_id": "m1",
            "desc": "",
        },
    ),
}


def test_7_places_mini_programs_and_links_have_the_documented_bodies(
    fake_corp: App, platform: FakePlatform
) -> None:
    client = wecom_client(fake_corp)
    for kind, (send, content) in KF_MESSAGES.items():
        send(client.kf_message)
        path, body, _headers = platform.seen[-1]
        assert path.startswith("/qy/cgi-bin/kf/send_msg?")
        to = {"touser": "wm1", "open_kfid": "kf1", "msgtype": kind}
        assert json.loads(body) == {**to, kind: content}


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ((502, b"<html>bad gateway", {}), "http_502"),
        ((302, b"", {"Location": "http://127.0.0.1:9/"}), "http_302"),
        ((200, b"<html><body>maintenance</body></html>", {}), "bad_answer"),
        ((200, b'{"errcode":0,"errmsg":"o', {}), "bad_answer"),
        ((200, b'{"errcode":0}', {"Content-Length": "99"}), "cut"),
        ((200, b'["not", "an", "object"]', {}), "bad_answer"),
        ((200, b'{"errcode":"many"}', {}), "bad_answer"),
        ((200, b"", {}), "bad_answer"),
        ((200, b'{"errcode":-1}', {}), "busy"),
    ],
)
def test_11_anything_but_a_clear_answer_is_unknown(
    answer: Answer, code: str, fake_app: App, platform: FakePlatform
) -> None:
    platform.answer = lambda path: answer
    error = failure(lambda: mp_client(fake_app).send_text("o", "hi"))
    assert (error.code, error.outcome) == (code, Outcome.UNKNOWN)
    assert len(platform.paths("custom/send")) == 1


def test_12_a_missing_key_is_an_error_in_words(
    fake_app: App, platform: FakePlatform
) -> None:
    platform.answer = lambda path: (200, OK, {})
    for call in (
        lambda: mp_client(fake_app).user_batch(["o"]),
        lambda: mp_client(fake_app).tags(),
    ):
        assert failure(call).code == "bad_answer"


def test_13_no_token_in_errors_or_logs(
    fake_app: App,
    platform: FakePlatform,
    caplog: pytest.LogCaptureFixture,
    settings: Any,
) -> None:
    settings.PLATFORM_TIMEOUT = (1, 0.3)
    caplog.set_level(logging.DEBUG)
    tokens.current(fake_app)
    platform.answer = lambda path: (200, b"x", {"Content-Length": "99"})
    errors = [failure(lambda: mp_client(fake_app).user_info("o"))]
    Account.objects.update(api_base_url="http://127.0.0.1:9/mp")
    gone = App.objects.select_related("account").get(pk=fake_app.pk)
    errors.append(failure(lambda: mp_client(gone).user_info("o")))
    for error in errors:
        chain: BaseException | None = error
        while chain is not None:
            assert "TOKEN-1" not in repr(chain) + str(chain)
            chain = chain.__cause__ or chain.__context__
    ours = [
        record for record in caplog.records if not record.name.startswith("urllib3")
    ]
    assert "TOKEN-1" not in " ".join(record.getMessage() for record in ours)
    assert fake_app.secret not in caplog.text


def test_16_batches_carry_the_language_and_are_never_too_large(
    fake_app: App, platform: FakePlatform
) -> None:
    platform.answer = lambda path: (200, b'{"user_info_list":[]}', {})
    mp_client(fake_app).user_batch(["o1"])
    body = json.loads(platform.seen[-1][1])
    assert body == {"user_list": [{"openid": "o1", "lang": "zh_CN"}]}
    with pytest.raises(ValueError, match="too many"):
        mp_client(fake_app).user_batch(["o"] * 101)
    with pytest.raises(ValueError, match="too few"):
        mp_client(fake_app).mass_send(["o1"], {"msgtype": "text"}, "key")
    assert len(platform.paths("mass/send")) == 0


def test_text_travels_as_utf_8_on_a_connection_of_its_own(
    fake_app: App, platform: FakePlatform
) -> None:
    mp_client(fake_app).send_text("o", "您好😀")
    path, body, headers = platform.seen[-1]
    assert "您好😀".encode() in body
    assert headers["Connection"] == "close"
    assert path.startswith("/mp/cgi-bin/message/custom/send?")


def test_an_unlisted_code_is_not_taken_for_a_refusal_of_the_person(
    fake_app: App, platform: FakePlatform
) -> None:
    platform.answer = lambda path: (200, b'{"errcode":987654}', {})
    error = failure(lambda: mp_client(fake_app).send_text("o", "hi"))
    assert error.reach == "unlisted"
    assert error.code == "errcode_987654"


# -- tokens


def test_3_a_token_refused_by_the_platform_is_renewed_once_by_whoever_comes_first(
    fake_app: App, platform: FakePlatform
) -> None:
    first = tokens.current(fake_app)
    second = tokens.renew(fake_app, first)
    assert tokens.renew(fake_app, first) == second
    assert platform.tokens == 2
    resting = failure(lambda: tokens.renew(fake_app, second))
    assert (resting.code, resting.outcome) == ("token_resting", Outcome.NOT_SENT)
    assert platform.tokens == 2


def test_another_system_that_refreshes_is_noticed(
    fake_app: App, platform: FakePlatform
) -> None:
    from wechat.outgoing import token_health

    tokens.renew(fake_app, tokens.current(fake_app))
    assert AccessToken.objects.get(app=fake_app).foreign_refresh_at is not None
    assert token_health().ok is False


@pytest.mark.parametrize(
    ("changed", "errcode"),
    [({"secret": "wrong"}, 40125), ({"app_id": "wx0"}, 40013)],
)
def test_wrong_credentials_say_which_and_are_not_tried_again_at_once(
    changed: dict[str, str], errcode: int, app: App, sandbox: Sandbox
) -> None:
    for name, value in changed.items():
        setattr(app, name, value)
    app.save()
    before = sandbox.last_call()
    for _time in range(3):
        error = failure(lambda: tokens.current(app))
        assert (error.errcode, error.reach) == (errcode, "account")
    assert len(sandbox.calls("stable_token", before)) == 1


def test_the_platforms_clock_is_learnt_and_applied_on_sandbox_accounts_only(
    app: App, customer: dict[str, Any], sandbox: Sandbox
) -> None:
    from wechat import windows

    assert windows.allowance(app, customer["to"]).left == 5
    sandbox.ask("clock", {"advance_seconds": 49 * 3600})
    try:
        mp_client(app).user_info(customer["to"])
        app.account.refresh_from_db()
        assert abs(app.account.clock_offset_seconds - 49 * 3600) < 5
        assert windows.allowance(app, customer["to"]).left == 0
        app.account.is_sandbox = False
        assert windows.allowance(app, customer["to"]).left == 5
    finally:
        sandbox.ask("clock", {"advance_seconds": -49 * 3600})
