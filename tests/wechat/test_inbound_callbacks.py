"""The callback address: what it accepts, refuses and answers."""

import io
import json
import time
from pathlib import Path

import psycopg
import pytest
from django.db import connection

from tests.stack import wait_until
from tests.wechat.platform import (
    deliver,
    push,
    request,
    seal,
    sign,
    signed_query,
)
from wechat import credentials, spool, storing
from wechat.models import App, InboundEvent

pytestmark = pytest.mark.usefixtures("callbacks")

TEXT = """<xml><ToUserName>gh_1</ToUserName><FromUserName>o1</FromUserName>
<CreateTime>1763769601</CreateTime><MsgType>text</MsgType><Content>hi</Content>
<MsgId>{}</MsgId></xml>"""


def text(number=1):
    return TEXT.format(number).encode()


def test_an_official_account_verifies_its_address_with_a_plain_echo(make_app):
    app = make_app()
    query = signed_query(app, name="signature") | {"echostr": "5927782489"}
    assert request("GET", app.callback_path, query) == (200, b"5927782489")
    wrong = query | {"signature": "0" * 40}
    assert request("GET", app.callback_path, wrong) == (403, b"forbidden")
    assert request("GET", app.callback_path, {})[0] == 403


def test_wecom_verifies_its_address_with_the_decrypted_echo(make_app):
    app = make_app("wecom")
    echo = seal(b"1616140317555161061", aes_key=app.aes_key, receive_id=app.app_id)
    query = signed_query(app, echo) | {"echostr": echo}
    assert request("GET", app.callback_path, query) == (200, b"1616140317555161061")
    unescaped = query | {"echostr": echo.replace("+", " ")}
    assert request("GET", app.callback_path, unescaped)[0] == 200
    assert request("GET", app.callback_path, query | {"nonce": "1"})[0] == 403
    other = seal(b"1", aes_key=app.aes_key, receive_id="ww_other")
    query = signed_query(app, other) | {"echostr": other}
    assert request("GET", app.callback_path, query) == (403, b"forbidden")


def test_a_changed_token_verifies_at_once(make_app):
    app = make_app()
    query = signed_query(app, name="signature") | {"echostr": "1"}
    assert request("GET", app.callback_path, query)[0] == 200
    app.token = "another"
    app.save(update_fields=["token"])
    query = signed_query(app, name="signature") | {"echostr": "2"}
    wait_until(
        lambda: request("GET", app.callback_path, query) == (200, b"2"), seconds=2
    )


@pytest.mark.parametrize("mode", ["plain", "compat", "safe"])
def test_a_message_is_stored_once_and_encrypted_at_rest(make_app, mode):
    app = make_app(mode=mode)
    for number in (1, 1, 2, 1):
        assert deliver(app, text(number)) == (200, b"success")
    events = InboundEvent.objects.order_by("id")
    assert [event.dedupe_key for event in events] == ["MsgId=1", "MsgId=2"]
    first = events[0]
    assert (first.kind, first.subject, first.state) == ("mp.message.text", "o1", "new")
    assert b"<Content>hi</Content>" in first.body
    rows = storing.query("SELECT body FROM wechat_inboundevent")
    assert not any(b"Content" in bytes(row[0]) for row in rows)


def test_one_key_counts_once_per_app(make_app):
    for app in (make_app(), make_app()):
        assert deliver(app, text())[0] == 200
    assert InboundEvent.objects.count() == 2


@pytest.mark.parametrize("mode", ["plain", "compat", "safe"])
def test_a_flipped_signature_is_refused(make_app, mode):
    app = make_app(mode=mode)
    query, body = push(app, text())
    name = "signature" if mode == "plain" else "msg_signature"
    digest = query[name]
    query[name] = ("1" if digest[0] == "0" else "0") + digest[1:]
    assert request("POST", app.callback_path, query, body) == (403, b"forbidden")
    assert not InboundEvent.objects.exists()


def test_a_message_for_another_app_is_refused(make_app):
    app = make_app()
    assert deliver(app, text(), receive_id="wx_other") == (403, b"forbidden")
    assert not InboundEvent.objects.exists()


@pytest.mark.parametrize("mode", ["compat", "safe"])
def test_a_plain_body_does_not_pass_where_encryption_is_on(make_app, mode):
    app = make_app(mode=mode)
    query = signed_query(app, name="signature")
    assert request("POST", app.callback_path, query, text())[0] == 403


def test_in_compatible_mode_the_signed_part_counts(make_app):
    app = make_app(mode="compat")
    query, body = push(app, text(7))
    forged = body.replace(b"<MsgId>7<", b"<MsgId>8<").replace(b">o1<", b">o2<")
    assert request("POST", app.callback_path, query, forged)[0] == 200
    assert InboundEvent.objects.get().dedupe_key == "MsgId=7"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no xml",
        b"<xml>",
        b"<xml/>",
        b"[1]",
        b'{"a":',
        b'<!DOCTYPE x [<!ENTITY a "aa">]><xml><Content>&a;</Content></xml>',
        b'<!DOCTYPE x SYSTEM "http://127.0.0.1/"><xml><Content>1</Content></xml>',
        b"<?xml version='1.0' encoding='utf-7'?><xml><A>1</A></xml>",
        b"<?xml version='1.0' encoding='gb18030'?><xml><A>1</A></xml>",
    ],
)
def test_what_is_no_message_is_a_bad_request(make_app, body):
    plain, safe = make_app(mode="plain"), make_app()
    assert deliver(plain, body) == (400, b"bad request")
    if body[:1] not in {b"[", b"{"}:  # JSON that was signed is kept, see below
        assert deliver(safe, body) == (400, b"bad request")
    assert not InboundEvent.objects.exists()


class Unread(io.RawIOBase):
    def read(self, size=-1):
        raise AssertionError("the body was read")


def test_more_than_64_kb_is_refused_before_it_is_read(make_app):
    app = make_app(mode="plain")
    query, path = signed_query(app, name="signature"), app.callback_path
    for length in (64 * 1024 + 1, 10**30):
        answer = request(
            "POST",
            path,
            query,
            CONTENT_LENGTH=str(length),
            **{"wsgi.input": Unread()},
        )
        assert answer == (413, b"too large")
    chunks = {"HTTP_TRANSFER_ENCODING": "chunked", "CONTENT_LENGTH": ""}
    large = text() + b" " * 64 * 1024
    assert request("POST", path, query, large, **chunks)[0] == 413
    assert request("POST", path, query, text(), **chunks)[0] == 200
    assert request("POST", path, query, text(), CONTENT_LENGTH="-5")[0] == 400
    assert request("POST", path, query, text(), CONTENT_LENGTH="")[0] == 400
    full = text().replace(b"hi", b"x" * (64 * 1024 - len(text()) + 2))
    assert len(full) == 64 * 1024
    assert request("POST", path, query, full)[0] == 200


def test_other_methods_and_addresses(make_app):
    app = make_app()
    for method in ("HEAD", "PUT", "DELETE", "PATCH", "OPTIONS"):
        assert request(method, app.callback_path, {})[0] == 405
    for path in (
        "/wechat/callback/unknown/",
        "/wechat/callback/",
        "/wechat/callback/a/b/",
        f"{app.callback_path}\n",
        "/wechat/callback/é/",
    ):
        assert request("POST", path, {}, b"<xml/>")[0] == 404
    App.objects.filter(pk=app.pk).update(is_active=False)
    credentials.reset()
    assert deliver(app, text())[0] == 404


def test_an_app_without_a_token_accepts_nothing(make_app):
    app, keyless = make_app(mode="plain", token=""), make_app(aes_key="short")
    query = signed_query(app, name="signature") | {"echostr": "1"}
    assert request("GET", app.callback_path, query)[0] == 403
    assert deliver(app, text())[0] == 403
    query = signed_query(keyless, "c2VhbGVk")
    body = b"<xml><Encrypt>c2VhbGVk</Encrypt></xml>"
    assert request("POST", keyless.callback_path, query, body)[0] == 400


@pytest.mark.parametrize("mode", ["plain", "compat", "safe"])
def test_json_is_kept_as_ignored_with_a_hint(make_app, mode):
    app = make_app(mode=mode)
    message = json.dumps({"MsgType": "text", "Content": "你好", "MsgId": 1}).encode()
    if mode == "plain":
        query, body = push(app, message)
    else:
        sealed = seal(message, aes_key=app.aes_key, receive_id=app.app_id)
        query = signed_query(app, sealed)
        body = json.dumps({"ToUserName": "gh_1", "Encrypt": sealed}).encode()
    for _ in range(2):
        assert request("POST", app.callback_path, query, body) == (200, b"success")
    event = InboundEvent.objects.get()
    assert (event.kind, event.state, event.hint) == ("json", "ignored", "json")
    assert event.body == message
    assert len(event.dedupe_key) == 64


def test_two_events_of_one_second_both_count(make_app):
    app = make_app()
    event = (
        "<xml><FromUserName>o1</FromUserName><CreateTime>1763769601</CreateTime>"
        "<MsgType>event</MsgType><Event>{}</Event><EventKey>{}</EventKey></xml>"
    )
    for name, key in (("subscribe", ""), ("CLICK", "A"), ("CLICK", "B")) * 2:
        assert deliver(app, event.format(name, key).encode())[0] == 200
    assert InboundEvent.objects.count() == 3


def test_while_postgresql_is_away_callbacks_go_to_disk_and_come_back_once(
    make_app, settings
):
    app = make_app()
    assert deliver(app, text(1))[0] == 200
    database = settings.DATABASES["default"] | {"PORT": "1"}
    kept = storing.connections["default"].settings_dict["PORT"]
    storing.connections["default"].settings_dict["PORT"] = database["PORT"]
    try:
        for number in (1, 2, 2, 3):
            assert deliver(app, text(number)) == (200, b"success")
        # A process that starts now knows the apps from the disk.
        credentials.reset()
        assert deliver(app, text(4)) == (200, b"success")
    finally:
        storing.connections["default"].settings_dict["PORT"] = kept
    assert InboundEvent.objects.count() == 1
    assert spool.depth() == (5, 0)
    files = list(Path(settings.SPOOL_DIR).iterdir())
    assert not any(b"Content" in path.read_bytes() for path in files)
    assert {oct(path.stat().st_mode & 0o777) for path in files} == {"0o600"}
    storing.reset()
    assert storing.drain_spool() == 5
    assert storing.drain_spool() == 0
    keys = InboundEvent.objects.order_by("id").values_list("dedupe_key", flat=True)
    assert list(keys) == ["MsgId=1", "MsgId=2", "MsgId=3", "MsgId=4"]
    assert InboundEvent.objects.get(dedupe_key="MsgId=4").body == text(4)


def test_a_locked_table_costs_two_seconds_once_and_leaves_nothing_waiting(make_app):
    app = make_app()
    assert deliver(app, text(1))[0] == 200
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    with psycopg.connect(**connection.get_connection_params()) as link:
        link.execute("LOCK TABLE wechat_inboundevent IN ACCESS EXCLUSIVE MODE")
        begun = time.monotonic()
        assert deliver(app, text(2)) == (200, b"success")
        assert time.monotonic() - begun < 3
        begun = time.monotonic()
        assert deliver(app, text(3)) == (200, b"success")
        assert time.monotonic() - begun < 0.5
        wait_until(lambda: link.execute(waiting).fetchone()[0] == 0, 5)
        assert spool.depth() == (2, 0)
        link.rollback()
    # This process empties its own disk without being asked.
    wait_until(lambda: InboundEvent.objects.count() == 3, 5)
    wait_until(lambda: spool.depth() == (0, 0), 5)


def test_with_neither_database_nor_disk_the_platform_must_try_again(
    make_app, settings, tmp_path
):
    app = make_app()
    assert deliver(app, text(1))[0] == 200
    settings.SPOOL_DIR = tmp_path / "file"
    settings.SPOOL_DIR.write_text("in the way")
    known = storing.connections["default"].settings_dict
    kept = known["PORT"]
    known["PORT"] = "1"
    try:
        assert deliver(app, text(2)) == (503, b"try again")
        credentials.reset()
        assert deliver(app, text(2)) == (503, b"try again")
    finally:
        known["PORT"] = kept
    assert InboundEvent.objects.count() == 1


def test_a_spooled_file_nobody_can_read_is_kept_aside(settings):
    spool.write_durably(settings.SPOOL_DIR / "1.event", b"damaged")
    assert storing.drain_spool() == 0
    assert spool.depth() == (1, 1)


def test_sign_is_the_documented_scheme():
    assert sign("b", "a", "c") == "a9993e364706816aba3e25717850c26c9cd0d89d"
