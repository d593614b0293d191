"""From the body of a callback to fields, a kind, a subject and a dedupe key.

Names of fields are those of the platform. Nothing here trusts the body: whatever its
structure, the result is an Envelope or BadCallback.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from xml.etree.ElementTree import ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from wechat.crypto import BadCallback

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

MAX_BODY_BYTES = 64 * 1024
KEY_LENGTH = 400
KIND_LENGTH = 120
SUBJECT_LENGTH = 64
JSON_KIND = "json"

# Elements the platforms repeat: always a list here, also when there is one.
_REPEATED = {"Item", "item", "List"}
# What XML 1.0 does not allow, and people send all the same (pasted control characters).
_ILLEGAL = re.compile(
    "[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]|&#0*(?:[0-8]|1[124-9]|2[0-9]"
    "|3[01]|x0*(?:[0-8bcefBCEF]|1[0-9a-fA-F]));"
)
_OTHER_THAN_NAME = re.compile(r"[^a-z0-9_]")
_FIRST_SECOND = datetime(2011, 1, 1, tzinfo=UTC).timestamp()  # before WeChat
_LAST_SECOND = datetime(2100, 1, 1, tzinfo=UTC).timestamp()


@dataclass(frozen=True)
class Envelope:
    """What is written on the outside of an InboundEvent."""

    kind: str
    subject: str
    dedupe_key: str


def parse_xml(body: bytes) -> dict[str, Any]:
    """Fields below the root: str, nested dicts, lists where elements repeat.

    Empty elements are "", CDATA sections are joined, attributes are dropped. Raises
    BadCallback for more than MAX_BODY_BYTES, for a DTD or entities (expansion attacks)
    and for what is no XML.
    """
    if len(body) > MAX_BODY_BYTES:
        raise BadCallback("body too large")
    try:
        root = _parsed(body)
    except (DefusedXmlException, ParseError, ValueError, LookupError) as error:
        raise BadCallback("no XML we accept") from error
    fields = _value(root)
    if not isinstance(fields, dict):
        raise BadCallback("XML without fields")
    return fields


def _parsed(body: bytes) -> Element:
    try:
        return fromstring(body, forbid_dtd=True)
    except ParseError:
        text = body.decode(errors="replace")
        cleaned = _ILLEGAL.sub("\ufffd", text)
        if cleaned == text and "\ufffd" not in text:
            raise
        return fromstring(cleaned, forbid_dtd=True)


def _value(root: Element) -> Any:
    """The root as dicts, lists and str; no recursion, so depth costs nothing."""
    values: dict[Element, Any] = {}
    for element in reversed(list(root.iter())):  # children before their parents
        if len(element):
            values[element] = _dict_of(element, values)
        else:
            values[element] = element.text or ""
    return values[root]


def _dict_of(element: Element, values: dict[Element, Any]) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for child in element:
        name, value = child.tag, values.pop(child)
        if name == "MemChangeList" and isinstance(value, str):
            # Older traffic: comma separated in one CDATA (WeCom, change_external_chat).
            value = {"Item": value.split(",") if value else []}
        if name not in fields:
            fields[name] = [value] if name in _REPEATED else value
        elif isinstance(fields[name], list):
            fields[name].append(value)
        else:
            fields[name] = [fields[name], value]
    return fields


def storable(value: Any) -> Any:
    """JSON data with everything replaced that PostgreSQL can't keep as text (NUL, lone
    surrogates); XML can't bring those."""
    if isinstance(value, str):
        return _ILLEGAL.sub("\ufffd", value)
    if isinstance(value, dict):
        return {storable(name): storable(item) for name, item in value.items()}
    return [storable(item) for item in value] if isinstance(value, list) else value


def text(fields: Any, *path: str) -> str:
    """The text at `path`; "" when it is missing or no text. Takes the first of a list."""
    value = fields
    for name in path:
        if isinstance(value, list):
            value = value[0] if value else None
        value = value.get(name) if isinstance(value, dict) else None
    if isinstance(value, list):
        value = value[0] if value else None
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)  # JSON of kf
    return value if isinstance(value, str) else ""


def envelope(fields: dict[str, Any], body: bytes, *, platform: str) -> Envelope:
    """Name a callback; `platform` is "mp" or "wecom", `body` the decrypted bytes."""
    return Envelope(
        kind=kind_of(fields, platform),
        subject=_fitting(_subject(fields), SUBJECT_LENGTH),
        dedupe_key=dedupe_key(fields, body),
    )


def json_envelope(body: bytes) -> Envelope:
    """For an account that is set to JSON, which the console does not read."""
    return Envelope(kind=JSON_KIND, subject="", dedupe_key=_digest(body))


def kf_envelope(message: dict[str, Any], body: bytes) -> Envelope:
    """Name one item of `kf/sync_msg` (document/path/94670), kept as `body`.

    "kf.message.<type>" is what a customer said (origin 3), "kf.servicer.<type>" what a
    colleague wrote in the WeCom client (origin 5), "kf.event.<type>" the rest.
    """
    event = message.get("event")
    details = event if isinstance(event, dict) else {}
    if text(message, "msgtype") == "event":
        kind = f"kf.event.{_name(text(details, 'event_type'))}"
    elif message.get("origin") == 5:
        kind = f"kf.servicer.{_name(text(message, 'msgtype'))}"
    else:
        kind = f"kf.message.{_name(text(message, 'msgtype'))}"
    subject = text(message, "external_userid") or text(details, "external_userid")
    return Envelope(
        kind=kind[:KIND_LENGTH],
        subject=_fitting(subject, SUBJECT_LENGTH),
        dedupe_key=_fitting(
            f"kf:{text(message, 'msgid') or _digest(body)}", KEY_LENGTH
        ),
    )


def kind_of(fields: dict[str, Any], platform: str) -> str:
    """The kind as InboundEvent documents it."""
    message_type = _name(text(fields, "MsgType"))
    if message_type != "event":
        return f"{platform}.message.{message_type}"[:KIND_LENGTH]
    parts = [platform, "event", _name(text(fields, "Event"))]
    change = text(fields, "ChangeType")
    if platform == "wecom" and change:
        parts.append(_name(change))
    return ".".join(parts)[:KIND_LENGTH]


def dedupe_key(fields: dict[str, Any], body: bytes) -> str:
    """What two deliveries of one callback share, and two callbacks do not.

    Official accounts: messages by MsgId, events by FromUserName + CreateTime, made
    stricter by Event and EventKey, because two events of one second collide otherwise
    (Receiving_event_pushes). WeCom has no MsgId on events: the ids of the change.
    Everything else: SHA-256 (hex) of the decrypted body.
    """
    if text(fields, "MsgType") != "event":
        message_id = text(fields, "MsgId")
        key = f"MsgId={message_id}" if message_id else None
    else:
        key = _event_key(fields)
    return _fitting(key, KEY_LENGTH) if key else _digest(body)


_CONTACT_EVENTS = {"change_external_contact", "customer_acquisition"}
_RESULT_EVENTS = {
    "TEMPLATESENDJOBFINISH": ("MsgID", ("MsgID",)),
    "MASSSENDJOBFINISH": ("MsgID", ("MsgID",)),
    "PUBLISHJOBFINISH": ("publish_id", ("PublishEventInfo", "publish_id")),
    "batch_job_result": ("JobId", ("BatchJob", "JobId")),
}


def _event_key(fields: dict[str, Any]) -> str | None:
    event = text(fields, "Event")
    if event in _RESULT_EVENTS:
        name, path = _RESULT_EVENTS[event]
        value = text(fields, *path)
        return f"Event={event};{name}={value}" if value else None
    if event == "subscribe_msg_sent_event":
        return _sent_key(fields)
    if event == "kf_msg_or_event":
        return _joined(fields, "Event", "OpenKfId", "Token")
    if event in _CONTACT_EVENTS:
        return _joined(
            fields, "Event", "ChangeType", "UserID", "ExternalUserID", "CreateTime"
        )
    if event == "change_external_chat":
        optional = ("UpdateDetail", "CurMemVer")
        names = ("Event", "ChangeType", "ChatId", "CreateTime")
        return _joined(fields, *names, optional=optional)
    if event == "change_external_tag" and text(fields, "CreateTime"):
        # A reorder of groups has neither Id nor TagType.
        tag = ("Event", "ChangeType", "TagType", "Id", "CreateTime")
        return ";".join(f"{name}={text(fields, name)}" for name in tag)
    if event == "change_contact":
        return _joined(fields, "Event", "ChangeType", "UserID", "CreateTime")
    if text(fields, "FromUserName") == "sys":
        # Many people share this sender: without known ids only the body tells apart.
        return None
    return _joined(
        fields, "FromUserName", "CreateTime", "Event", optional=("EventKey",)
    )


def _sent_key(fields: dict[str, Any]) -> str | None:
    """One event may report several subscription messages; all their ids count."""
    sent = fields.get("SubscribeMsgSentEvent")
    items = sent.get("List") if isinstance(sent, dict) else None
    ids = [text(item, "MsgID") for item in items] if isinstance(items, list) else []
    if not ids or not all(ids):
        return None
    return f"Event=subscribe_msg_sent_event;MsgID={','.join(ids)}"


def _joined(
    fields: dict[str, Any], *names: str, optional: tuple[str, ...] = ()
) -> str | None:
    values = [(name, text(fields, name)) for name in names]
    if not all(value for _, value in values):
        return None
    values += [(name, text(fields, name)) for name in optional if text(fields, name)]
    return ";".join(f"{name}={value}" for name, value in values)


def source_time(fields: dict[str, Any]) -> datetime | None:
    """When it happened by the platform's clock; None when it does not say."""
    stamp = text(fields, "CreateTime") or text(fields, "send_time")
    if not (stamp.isascii() and stamp.isdigit() and len(stamp) < 12):
        return None
    if not _FIRST_SECOND <= int(stamp) <= _LAST_SECOND:
        return None
    return datetime.fromtimestamp(int(stamp), tz=UTC)


def _subject(fields: dict[str, Any]) -> str:
    for name in ("ExternalUserID", "OpenKfId", "ChatId"):
        value = text(fields, name)
        if value:
            return value
    sender = text(fields, "FromUserName")
    return sender if sender and sender != "sys" else text(fields, "UserID")


def _name(value: str) -> str:
    return _OTHER_THAN_NAME.sub("_", value.strip().lower()) or "unknown"


def _fitting(value: str, length: int) -> str:
    """The value itself, or its start and its digest when the column is too short."""
    value = value.replace("\0", "\ufffd")
    if len(value) <= length:
        return value
    mark = f"#{_digest(value.encode(errors='replace'))[:32]}"
    return value[: length - len(mark)] + mark


def _digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()
