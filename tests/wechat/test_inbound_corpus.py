"""Every body of the corpus and every crypto vector, through the callback's own door."""

import base64
import json
from pathlib import Path

import pytest

from tests.wechat import platform
from wechat import parsing
from wechat.crypto import BadCallback, BadSignature, check_signature, decrypt
from wechat.models import InboundEvent

CORPUS = Path(__file__).resolve().parents[1] / "data" / "corpus"
ENTRIES = json.loads((CORPUS / "index.json").read_text())["entries"]
VECTORS = json.loads((CORPUS / "crypto-vectors.json").read_text())["vectors"]
UNKNOWN = "mp.event.some_future_event_2027"


def body_of(entry):
    return (CORPUS / entry["file"]).read_bytes()


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry["file"])
def test_a_body_gives_the_fields_and_the_key_of_the_index(entry):
    fields = parsing.parse_xml(body_of(entry))
    found = parsing.envelope(fields, body_of(entry), platform=entry["account"])
    expected = entry["expect"]
    assert found.dedupe_key == entry["dedupe_key"]
    assert int(parsing.source_time(fields).timestamp()) == expected["create_time"]
    if expected["kind"] == "message":
        assert found.kind == f"{entry['account']}.message.{expected['msg_type']}"
    else:
        start = f"{entry['account']}.event.{expected['event_normalized']}"
        assert found.kind.removeprefix(start) in {
            "",
            f".{expected.get('change_type')}",
        }
    for name in ("openid", "external_user_id"):
        if name in expected:
            assert found.subject == expected[name]
    if "content" in expected:
        assert fields["Content"] == (expected["content"] or "")
    if "content_length" in expected:
        assert len(fields["Content"]) == expected["content_length"]


@pytest.mark.parametrize("mode", ["plain", "compat", "safe"])
def test_every_body_is_stored_once_and_handled_or_ignored(callbacks, make_app, mode):
    apps = {
        "mp": make_app("service", mode=mode),
        "wecom": make_app("wecom", slug="corp", app_id="ww7a9f3c21d04be85c"),
    }
    for entry in ENTRIES * 2:
        app = apps[entry["account"]]
        body = body_of(entry)
        if mode == "compat":
            # One body carries somebody else's ciphertext beside what we add.
            body = body.replace(b"Encrypt>", b"Sealed>")
        assert platform.deliver(app, body) == (200, b"success")
    from wechat import inbox

    assert inbox.drain() == InboundEvent.objects.count()
    keys = {(entry["account"], entry["dedupe_key"]) for entry in ENTRIES}
    stored = set(InboundEvent.objects.values_list("app__slug", "dedupe_key"))
    assert stored == {(apps[account].slug, key) for account, key in keys}
    assert len(keys) == len(ENTRIES) - 2
    states = dict(InboundEvent.objects.values_list("kind", "state"))
    assert set(states.values()) <= {"done", "ignored"}
    assert UNKNOWN in states


def test_repeated_elements_are_lists_also_when_there_is_one():
    def parsed(name):
        return parsing.parse_xml((CORPUS / name).read_bytes())

    one = parsed("082-wecom-chat-add-member-one.xml")["MemChangeList"]
    two = parsed("081-wecom-chat-add-member-two.xml")["MemChangeList"]
    assert (len(one["Item"]), len(two["Item"])) == (1, 2)
    pictures = parsed("038-mp-pic-weixin.xml")["SendPicsInfo"]["PicList"]["item"]
    assert [set(picture) for picture in pictures] == [{"PicMd5Sum"}]
    changes = parsed("050-mp-subscribe-msg-change.xml")["SubscribeMsgChangeEvent"]
    assert changes["List"][0]["SubscribeStatusString"] == "reject"
    old = b"<xml><MemChangeList><![CDATA[a,b]]></MemChangeList></xml>"
    assert parsing.parse_xml(old)["MemChangeList"] == {"Item": ["a", "b"]}


def test_what_was_sent_is_read_as_it_was_sent():
    """wechatpy strips the scene, renames the event and leaves its case and source out."""
    first = parsing.parse_xml(body_of({"file": "023-mp-subscribe-qr-str.xml"}))
    assert (first["Event"], first["EventKey"][:8]) == ("subscribe", "qrscene_")
    unknown = b"<xml><MsgType>event</MsgType><Event>Some_Future</Event></xml>"
    assert parsing.parse_xml(unknown)["Event"] == "Some_Future"
    empty = parsing.parse_xml(b"<xml><Content></Content><FromUserName/></xml>")
    assert empty == {"Content": "", "FromUserName": ""}


def flipped(digest):
    return ("0" if digest[0] != "0" else "1") + digest[1:]


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["id"])
def test_a_published_vector_verifies_and_a_flipped_digit_is_refused(vector):
    key = {
        "aes_key": vector["encoding_aes_key"],
        "receive_id": vector["receive_id"],
    }
    sealed = vector.get("encrypt") or vector.get("echostr") or vector["expect_encrypt"]
    plain = vector.get("expect_plain") or vector["plain"]
    assert decrypt(sealed, **key).decode() == plain
    with pytest.raises(BadSignature):
        decrypt(sealed, **key | {"receive_id": "wx0000000000000000"})
    given = vector.get("msg_signature") or vector.get("expect_msg_signature")
    if given:
        parts = (vector["token"], vector["timestamp"], vector["nonce"], sealed)
        check_signature(given, *parts)
        with pytest.raises(BadSignature):
            check_signature(flipped(given), *parts)


def test_bad_content_under_a_good_key_is_a_bad_callback():
    key = platform.new_key()
    good = base64.b64decode(platform.seal(b"<xml/>", aes_key=key, receive_id="wx1"))
    other = platform.seal(b"<xml/>", aes_key=platform.new_key(), receive_id="wx1")
    bad = [b"", good[:-16], good[:-1], good + good, b"\0" * 32]
    encoded = [base64.b64encode(sealed).decode() for sealed in bad]
    for text in (*encoded, other, "not base64!", "AAA", "é"):
        with pytest.raises(BadCallback):
            decrypt(text, aes_key=key, receive_id="wx1")
