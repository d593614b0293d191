"""微信客服: customers' messages, sessions and the items of ``kf/sync_msg``.

https://developer.work.weixin.qq.com/document/path/94670 (receive), 94669 (sessions),
95122 (messages on events).
"""

from typing import Any

from sandbox import clock, ids, options, people, pushing
from sandbox.models import KfAccount, KfCode, KfMessage, KfSession, KfToken, Person

NEW, ASSISTANT, POOL, SERVED, ENDED = range(5)
CUSTOMER, SYSTEM, SERVICER = 3, 4, 5


def session_of(kf: KfAccount, person: Person) -> KfSession:
    session, _ = KfSession.objects.get_or_create(kf=kf, person=person)
    return session


def add_item(kf: KfAccount, body: dict[str, Any]) -> KfMessage:
    second = int(clock.now())
    msgid = body.pop("msgid", None) or ids.random_letters(32)
    return KfMessage.objects.create(
        kf=kf, send_time=second, body={"msgid": msgid, "send_time": second, **body}
    )


def add_event(kf: KfAccount, event_type: str, **more: Any) -> KfMessage:
    event = {"event_type": event_type, "open_kfid": kf.open_kfid, **more}
    return add_item(kf, {"origin": SYSTEM, "msgtype": "event", "event": event})


def announce(kf: KfAccount, person: Person | None = None) -> list[int]:
    """The callback: no content, only a token that is good for ten minutes."""
    token = KfToken.objects.create(
        value="ENC" + ids.random_letters(45), kf=kf, created_at=clock.now()
    )
    fields = {
        "ToUserName": kf.account.corp_id,
        "CreateTime": int(clock.now()),
        "MsgType": "event",
        "Event": "kf_msg_or_event",
        "Token": token.value,
        "OpenKfId": kf.open_kfid,
    }
    return pushing.queue(kf.account, "kf_msg_or_event", fields, person)


def new_code(session: KfSession, seconds: float, *, is_bound: bool) -> str:
    """A code for ``send_msg_on_event``; bound ones die when the state changes."""
    row = KfCode.objects.create(
        code="CODE" + ids.random_letters(28),
        session=session,
        session_state=session.state if is_bound else None,
        expires_at=clock.now() + seconds,
    )
    return row.code


def enter(kf: KfAccount, person: Person, scene: str, scene_param: str) -> list[int]:
    """The person opens the chat window."""
    session = session_of(kf, person)
    more: dict[str, Any] = {"external_userid": person.external_userid}
    more["scene"] = scene
    if scene_param:
        more["scene_param"] = scene_param
    window = options.get("kf_allow")[1]
    recent = clock.now() - window
    if session.welcomed_at < recent and session.wrote_at < recent:
        seconds = float(options.get("welcome_seconds"))
        more["welcome_code"] = new_code(session, seconds, is_bound=False)
        session.welcomed_at = clock.now()
    session.scene, session.scene_param = scene, scene_param
    session.save()
    people.show(person, kf.open_kfid, "system", "event", f"进入了{kf.name}")
    add_event(kf, "enter_session", **more)
    return announce(kf, person)


def write(kf: KfAccount, person: Person, kind: str, content: dict[str, Any]) -> None:
    """A customer's message, without the callback. A message after the end, or more
    than 48 h after the last one, opens a new session."""
    session = session_of(kf, person)
    count, window = options.get("kf_allow")
    if session.state == ENDED or session.wrote_at + window < clock.now():
        session.state, session.servicer_userid = NEW, ""
    session.wrote_at, session.left = clock.now(), count
    session.save()
    add_item(
        kf,
        {
            "open_kfid": kf.open_kfid,
            "external_userid": person.external_userid,
            "origin": CUSTOMER,
            "msgtype": kind,
            kind: content,
        },
    )


def say(kf: KfAccount, person: Person, text: str, menu_id: str = "") -> list[int]:
    """Write; who has no session yet enters first, as opening the window does."""
    if session_of(kf, person).wrote_at == 0:
        enter(kf, person, "sandbox", "")
    people.show(person, kf.open_kfid, "person", "text", text)
    content = {"content": text} | ({"menu_id": menu_id} if menu_id else {})
    write(kf, person, "text", content)
    return announce(kf, person)


def picture(kf: KfAccount, person: Person, media_id: str, url: str) -> list[int]:
    people.show(
        person, kf.open_kfid, "person", "image", "[图片]", media_id=media_id, url=url
    )
    write(kf, person, "image", {"media_id": media_id})
    return announce(kf, person)


def answer_as_servicer(
    kf: KfAccount, person: Person, userid: str, text: str
) -> list[int]:
    """A servicer answers in the own WeCom client (session state 3)."""
    people.show(person, kf.open_kfid, "account", "text", text, servicer=userid)
    add_item(
        kf,
        {
            "open_kfid": kf.open_kfid,
            "external_userid": person.external_userid,
            "origin": SERVICER,
            "servicer_userid": userid,
            "msgtype": "text",
            "text": {"content": text},
        },
    )
    return announce(kf, person)
