"""微信客服, sending side: five messages in 48 hours, and one on an event.

https://developer.work.weixin.qq.com/document/path/94677 (send), 95122 (on events).
The refusals' 95xxx numbers are settings: no page that could be read confirms them.
"""

import re
from typing import Any

from sandbox import clock, ids, kf, media, options, people
from sandbox.api.qy_contacts import bad_parameter, person_of
from sandbox.api.qy_kf import kf_account
from sandbox.api.registry import OK, QY, Answer, Call, Refusal, endpoint
from sandbox.models import Account, KfAccount, KfCode, KfSent, KfSession

Line = tuple[str, str, dict[str, Any]]


def _line(account: Account, body: dict[str, Any]) -> Line:
    """Type, text and further fields of the message as the phone shows it."""
    kind = body.get("msgtype")
    content = body.get(kind) if isinstance(kind, str) else None
    if not isinstance(kind, str) or not isinstance(content, dict):
        raise bad_parameter("msgtype")
    if kind == "text":
        text = content.get("content")
        if not isinstance(text, str) or not text:
            raise bad_parameter("text.content")
        if len(text.encode()) > 2048:
            raise Refusal(45002, "content size out of limit")
        return kind, text, {}
    if kind in ("image", "voice", "video", "file"):
        found = media.usable(account, str(content.get("media_id", "")))
        if found is None:
            raise Refusal(40007, "invalid media_id")
        url = media.public_url(found)
        return kind, f"[{kind}]", {"media_id": found.media_id, "url": url}
    if kind not in ("link", "miniprogram", "msgmenu", "location", "ca_link"):
        raise bad_parameter("msgtype")
    text = content.get("title") or content.get("head_content") or content.get("name")
    return kind, str(text or ""), {"content": content}


def _msgid(call: Call, account: KfAccount) -> str:
    """The caller's own id, unique in the account, or one of ours."""
    wanted = call.json.get("msgid")
    if not wanted:
        return ids.random_letters(32)
    if not isinstance(wanted, str) or not re.fullmatch(r"[0-9A-Za-z_-]{1,32}", wanted):
        raise bad_parameter("msgid")
    if KfSent.objects.filter(kf=account, msgid=wanted).exists():
        raise Refusal(options.get("kf_code_repeat"), "msgid repeated")
    return wanted


def _spend(session: KfSession) -> None:
    if session.state == kf.ENDED:
        raise Refusal(options.get("kf_code_ended"), "session is over")
    if session.state not in (kf.NEW, kf.ASSISTANT):
        raise Refusal(options.get("kf_code_bad_state"), "not in a state to send")
    window = options.get("kf_allow")[1]
    if session.wrote_at + window <= clock.now():
        raise Refusal(options.get("kf_code_over_time"), "send msg over time limit")
    if session.left <= 0:
        raise Refusal(options.get("kf_code_over_count"), "send msg count limit")
    session.left -= 1
    session.save(update_fields=["left"])


def _deliver(session: KfSession, msgid: str, line: Line) -> Answer:
    KfSent.objects.create(kf=session.kf, msgid=msgid)
    kind, text, extra = line
    people.show(
        session.person, session.kf_id, "account", kind, text, msgid=msgid, **extra
    )
    return {**OK, "msgid": msgid}


@endpoint(QY, "POST", "kf/send_msg")
def send(call: Call) -> Answer:
    account = kf_account(call)
    person = person_of(call.json.get("touser"))
    line = _line(call.account, call.json)
    msgid = _msgid(call, account)
    session = kf.session_of(account, person)
    _spend(session)
    return _deliver(session, msgid, line)


@endpoint(QY, "POST", "kf/send_msg_on_event")
def send_on_event(call: Call) -> Answer:
    code = call.text("code", bad_parameter("code"))
    if call.json.get("msgtype") not in ("text", "msgmenu"):
        raise bad_parameter("msgtype")
    row = KfCode.objects.select_related("session__kf", "session__person").filter(
        pk=code
    )
    found = row.first()
    if found is None or found.is_used or found.expires_at <= clock.now():
        raise Refusal(95008, "invalid code")
    session = found.session
    if found.session_state is not None and found.session_state != session.state:
        raise Refusal(options.get("kf_code_bad_state"), "session state has changed")
    line = _line(call.account, call.json)
    msgid = _msgid(call, session.kf)
    found.is_used = True
    found.save(update_fields=["is_used"])
    return _deliver(session, msgid, line)


@endpoint(QY, "POST", "kf/add_contact_way")
def add_contact_way(call: Call) -> Answer:
    account = kf_account(call)
    scene = call.json.get("scene", "")
    if not isinstance(scene, str) or not re.fullmatch(r"[0-9a-zA-Z_-]{0,32}", scene):
        raise bad_parameter("scene")
    key = ids.fixed_letters(20, "kf", account.open_kfid, scene)
    return {**OK, "url": f"https://work.weixin.qq.com/kfid/kfc{key}?enc_scene={scene}"}
