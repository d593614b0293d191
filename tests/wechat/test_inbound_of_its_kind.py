"""Whatever a platform may send some day is stored once and never an error of ours."""

import contextlib
import json
from xml.sax.saxutils import escape

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.wechat.platform import deliver, request
from wechat import inbox, parsing, storing
from wechat.crypto import BadCallback
from wechat.models import App, InboundEvent

TEXTS = st.text(max_size=80) | st.sampled_from(
    ["", "subscribe", "event", "text", "1763769601", "]]>", "9" * 30, "\x00\x08\x1f"]
)
NAMES = st.sampled_from(
    [
        *("MsgType", "Event", "EventKey", "FromUserName", "CreateTime", "MsgId"),
        *("MsgID", "ChangeType", "UserID", "ExternalUserID", "ChatId", "OpenKfId"),
        *("Token", "Item", "item", "List", "MemChangeList", "PublishEventInfo"),
        *("SubscribeMsgSentEvent", "BatchJob", "JobId", "Encrypt", "NewField", "A.b"),
    ]
)


def element(name, inside):
    return f"<{name}>{inside}</{name}>"


LEAVES = st.builds(element, NAMES, TEXTS.map(escape)) | st.builds(
    lambda name, text: element(
        name, f"<![CDATA[{text.replace(']]>', ']]]]><![CDATA[>')}]]>"
    ),
    NAMES,
    TEXTS,
)
ELEMENTS = st.recursive(
    LEAVES,
    lambda inner: st.builds(element, NAMES, st.lists(inner, max_size=4).map("".join)),
    max_leaves=12,
)
BODIES = st.lists(ELEMENTS, min_size=1, max_size=10).map(
    lambda found: element("xml", "".join(found)).encode(errors="replace")
)


@settings(max_examples=200, deadline=None)
@given(BODIES, st.sampled_from(["mp", "wecom"]))
def test_any_structure_has_a_name_that_fits_its_columns(body, platform):
    fields = parsing.parse_xml(body)
    found = parsing.envelope(fields, body, platform=platform)
    assert found == parsing.envelope(parsing.parse_xml(body), body, platform=platform)
    assert found.kind.startswith(f"{platform}.")
    assert len(found.kind) <= parsing.KIND_LENGTH
    assert len(found.subject) <= parsing.SUBJECT_LENGTH
    assert 0 < len(found.dedupe_key) <= parsing.KEY_LENGTH
    assert "\0" not in found.subject + found.dedupe_key
    parsing.source_time(fields)


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=400) | BODIES.map(lambda body: body[:-7]))
def test_any_bytes_are_fields_or_a_bad_callback(body):
    with contextlib.suppress(BadCallback):
        assert isinstance(parsing.parse_xml(body), dict)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXTS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3)
    ),
    max_leaves=8,
)
KF_NAMES = ["msgid", "external_userid", "origin", "msgtype", "event", "send_time"]


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(st.sampled_from(KF_NAMES) | TEXTS, JSON, max_size=8))
def test_any_item_of_a_kf_page_has_a_name_that_fits(message):
    found = parsing.kf_envelope(message, json.dumps(message).encode())
    assert found.kind.startswith("kf.")
    assert len(found.kind) <= parsing.KIND_LENGTH
    assert len(found.subject) <= parsing.SUBJECT_LENGTH
    assert len(found.dedupe_key) <= parsing.KEY_LENGTH
    assert "\0" not in found.subject + found.dedupe_key
    parsing.source_time(message)


def event(key="", name="CLICK", extra=""):
    return (
        "<xml><FromUserName>o1</FromUserName><CreateTime>1763769601</CreateTime>"
        f"<MsgType>event</MsgType><Event>{name}</Event><EventKey>{key}</EventKey>"
        f"{extra}</xml>"
    ).encode()


@pytest.mark.usefixtures("callbacks")
class TestThroughTheDoor:
    @settings(
        max_examples=40,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )
    @given(body=BODIES)
    def test_it_is_stored_once_and_worked_off(self, make_app, body):
        InboundEvent.objects.all().delete()
        app = App.objects.first() or make_app()
        answers = {deliver(app, body), deliver(app, body)}
        assert answers == {(200, b"success")}
        assert InboundEvent.objects.count() == 1
        inbox.drain()
        assert InboundEvent.objects.get().state in {"done", "ignored"}

    @settings(
        max_examples=60,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )
    @given(
        method=st.sampled_from(["GET", "POST", "HEAD", "PUT", "x"]),
        query=st.dictionaries(
            st.sampled_from(["signature", "msg_signature", "nonce", "echostr", "é"]),
            st.text(max_size=60),
            max_size=5,
        ),
        body=st.binary(max_size=200) | BODIES,
    )
    def test_strangers_are_refused_with_constant_answers(
        self, make_app, method, query, body
    ):
        app = App.objects.first() or make_app()
        status, answer = request(method, app.callback_path, query, body)
        assert (status, answer) in {
            (400, b"bad request"),
            (403, b"forbidden"),
            (405, b"method not allowed"),
        }
        assert not InboundEvent.objects.exists()

    def test_long_event_keys_differ_although_the_column_is_short(self, make_app):
        app, key = make_app(), "门店" * 600
        for end in ("a", "b", "a"):
            assert deliver(app, event(key + end))[0] == 200
        keys = InboundEvent.objects.values_list("dedupe_key", flat=True)
        assert sorted(map(len, keys)) == [400, 400]
        assert all("EventKey=门店" in key for key in keys)

    def test_a_control_character_a_customer_pasted_loses_no_message(self, make_app):
        app = make_app()
        body = (
            b"<xml><FromUserName>o1</FromUserName><MsgType>text</MsgType>"
            b"<Content>a\x0bb&#8;c\xff</Content><MsgId>18446744073709551615</MsgId></xml>"
        )
        assert deliver(app, body)[0] == 200
        stored = InboundEvent.objects.get()
        assert stored.dedupe_key == "MsgId=18446744073709551615"
        assert inbox.fields_of(stored)["Content"] == "a\ufffdb\ufffdc\ufffd"

    def test_depth_is_no_danger(self, make_app):
        app = make_app()
        deep = event(extra="<a>" * 5000 + "</a>" * 5000)
        assert deliver(app, deep)[0] == 200
        inbox.drain()
        storing.reset()
        assert InboundEvent.objects.get().state in {"done", "ignored"}
