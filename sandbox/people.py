"""What virtual people do. Each deed changes the world and pushes what the platform
would push, in one transaction."""

from typing import Any

from django.db import connection

from sandbox import clock, ids, options, pushing
from sandbox.models import Account, Follow, Grant, Media, Message, Person, QrCode
from sandbox.statements import Insert, run


class Impossible(Exception):
    """A real phone would not let a person do this. ``code`` is for programs."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def create(name: str, person_id: str = "") -> Person:
    person_id = person_id or "p" + ids.random_letters(11).lower()
    person = Person.objects.create(
        id=person_id,
        name=name,
        unionid=ids.unionid(person_id),
        external_userid=ids.external_userid(person_id),
        created_at=clock.now(),
        touched_at=clock.now(),
    )
    Follow.objects.bulk_create(
        Follow(
            person=person,
            account=account,
            openid=ids.openid(account.openid_prefix, person_id),
        )
        for account in Account.objects.exclude(kind=Account.Kind.WECOM)
    )
    return person


add_line = Insert(Message)
TOUCH = "UPDATE sandbox_person SET touched_at = %s WHERE id = %s"
MAKE_PERSON = """
    INSERT INTO sandbox_person
    (id, name, unionid, external_userid, created_at, touched_at)
    VALUES (%s, %s, %s, %s, %s, %s)
"""
MAKE_FOLLOWER = """
    INSERT INTO sandbox_follow
    (person_id, account_id, openid, subscribed, subscribe_time, subscribe_scene,
    qr_scene, qr_scene_str, remark, tag_ids, mass_month, mass_used)
    VALUES (%s, %s, %s, 1, %s, 'ADD_SCENE_SEARCH', 0, '', '', '[]', '', 0)
"""


def create_many(account: Account, count: int, name: str) -> list[str]:
    """People who follow the account since yesterday, and are nothing to the others;
    returns their openids."""
    first = Person.objects.count() + 1
    made = clock.now() - 86400
    persons, follows, openids = [], [], []
    for number, person_id in enumerate(ids.rising("m", count)):
        # A moment apart, so that lists by time need no sorting of equals.
        at = made + number / 1e6
        unionid, external = ids.unionid(person_id), ids.external_userid(person_id)
        label = f"{name}{first + number:04d}"
        persons.append((person_id, label, unionid, external, at, at))
        openid = ids.openid(account.openid_prefix, person_id)
        follows.append((person_id, account.pk, openid, int(made)))
        openids.append(openid)
    with connection.cursor() as cursor:
        cursor.executemany(MAKE_PERSON, persons)
        cursor.executemany(MAKE_FOLLOWER, follows)
    return openids


def follow_of(person: Person, account: Account) -> Follow:
    """What the person is to the account, now if never before."""
    row, _ = Follow.objects.select_related("account", "person").get_or_create(
        person=person,
        account=account,
        defaults={"openid": ids.openid(account.openid_prefix, person.pk)},
    )
    return row


def touch(person: Person) -> None:
    """Move the person to the top of the list of the phone page."""
    person.touched_at = clock.now()
    run(TOUCH, person.touched_at, person.pk)


def show(
    person: Person, address: str, sender: str, kind: str, text: str, **extra: Any
) -> None:
    """Put one line on the person's screen."""
    if sender == Message.Sender.ACCOUNT:
        touch(person)
    add_line(
        person_id=person.pk,
        address=address,
        sender=str(sender),
        type=kind,
        text=text,
        extra=extra,
        at=clock.now(),
    )


def allow(follow: Follow, trigger: str) -> None:
    """Open (again) the allowance that this trigger gives."""
    count, seconds = options.get(f"allow_{trigger}")
    Grant.objects.update_or_create(
        follow=follow,
        trigger=trigger,
        defaults={"left": count, "expires_at": clock.now() + seconds},
    )


def _event(follow: Follow, event: str, key: str | None, **more: Any) -> dict[str, Any]:
    account = follow.account
    fields: dict[str, Any] = {
        "ToUserName": account.gh_id,
        "FromUserName": follow.openid,
        "CreateTime": pushing.event_second(follow.openid, event, key or ""),
        "MsgType": "event",
        "Event": event,
    }
    if key is not None:
        fields["EventKey"] = key
    return fields | more


def _push_event(follow: Follow, event: str, key: str | None, **more: Any) -> list[int]:
    fields = _event(follow, event, key, **more)
    return pushing.queue(
        follow.account, f"event.{event}", fields, follow.person, follow.openid
    )


def _scanned(follow: Follow, scene: int | str) -> tuple[str, str, bool]:
    """Scene text, ticket and whether the scene is a number."""
    code = (
        QrCode.objects.filter(account=follow.account, scene=str(scene))
        .order_by("-pk")
        .first()
    )
    if code is not None:
        return code.scene, code.ticket, code.is_number
    ticket = "gQ" + ids.fixed_letters(76, "ticket", follow.account_id, str(scene))
    return str(scene), ticket, isinstance(scene, int)


def start_following(follow: Follow, scene: int | str | None) -> list[int]:
    """Follow, by search or by a code; a follower who scans only scans."""
    if follow.subscribed:
        return [] if scene is None else scan(follow, scene)
    follow.subscribed = True
    follow.subscribe_time = int(clock.now())
    follow.subscribe_scene, follow.qr_scene, follow.qr_scene_str = (
        "ADD_SCENE_SEARCH",
        0,
        "",
    )
    key: str | None = None
    more: dict[str, Any] = {}
    if scene is not None:
        text, ticket, is_number = _scanned(follow, scene)
        follow.subscribe_scene = "ADD_SCENE_QR_CODE"
        follow.qr_scene = int(text) if is_number else 0
        follow.qr_scene_str = "" if is_number else text
        key, more = f"qrscene_{text}", {"Ticket": ticket}
    follow.save()
    show(follow.person, follow.account_id, "system", "event", "已关注")
    allow(follow, "follow")
    return _push_event(follow, "subscribe", key, **more)


def scan(follow: Follow, scene: int | str) -> list[int]:
    text, ticket, _ = _scanned(follow, scene)
    show(follow.person, follow.account_id, "system", "event", f"扫描了二维码 {text}")
    allow(follow, "scan")
    return _push_event(follow, "SCAN", text, Ticket=ticket)


def stop_following(follow: Follow) -> list[int]:
    _must_follow(follow)
    follow.subscribed = False
    follow.tag_ids, follow.remark = [], ""
    follow.save()
    follow.grants.all().delete()
    show(follow.person, follow.account_id, "system", "event", "已取消关注")
    return _push_event(follow, "unsubscribe", "")


def _must_follow(follow: Follow) -> None:
    if not follow.subscribed:
        raise Impossible("not_following", "this person does not follow the account")


def _push_message(
    follow: Follow, kind: str, msg_id: int, trigger: str, **more: Any
) -> list[int]:
    fields = {
        "ToUserName": follow.account.gh_id,
        "FromUserName": follow.openid,
        "CreateTime": int(clock.now()),
        "MsgType": kind,
        **more,
        "MsgId": msg_id,
    }
    allow(follow, trigger)
    return pushing.queue(
        follow.account, f"message.{kind}", fields, follow.person, follow.openid
    )


def write(follow: Follow, text: str, menu_id: str = "") -> list[int]:
    """Write a text. With ``menu_id`` an item of a menu message was tapped: that is a
    text too, but counts as a menu click."""
    _must_follow(follow)
    msg_id = ids.message_id()
    show(follow.person, follow.account_id, "person", "text", text, msg_id=str(msg_id))
    more = {"bizmsgmenuid": menu_id} if menu_id else {}
    trigger = "click" if menu_id else "message"
    return _push_message(follow, "text", msg_id, trigger, Content=text, **more)


def send_picture(follow: Follow, media: Media, url: str) -> list[int]:
    """``url`` is where the console can fetch the picture without a token."""
    _must_follow(follow)
    msg_id = ids.message_id()
    show(
        follow.person,
        follow.account_id,
        "person",
        "image",
        "[图片]",
        msg_id=str(msg_id),
        media_id=media.media_id,
        url=url,
    )
    return _push_message(
        follow, "image", msg_id, "message", PicUrl=url, MediaId=media.media_id
    )


def tap(follow: Follow, key: str) -> list[int]:
    """Tap the menu button with this key (or this URL, for a link)."""
    _must_follow(follow)
    button = _button(follow.account, key) or {"type": "click", "name": key}
    event = {"click": "CLICK", "view": "VIEW"}.get(button["type"], button["type"])
    more: dict[str, Any] = {}
    if event in ("VIEW", "view_miniprogram"):
        more["MenuId"] = 433102030
    elif event in ("scancode_push", "scancode_waitmsg"):
        result = "https://example.com/p?id=1&x=2"
        more["ScanCodeInfo"] = {"ScanType": "qrcode", "ScanResult": result}
    if event in ("CLICK", "scancode_push", "scancode_waitmsg"):
        allow(follow, "click")
    name = button.get("name", key)
    show(follow.person, follow.account_id, "system", "event", f"点击了菜单“{name}”")
    return _push_event(follow, event, key, **more)


def _button(account: Account, key: str) -> dict[str, Any] | None:
    top = (account.menu or {}).get("button", [])
    every = [b for button in top for b in (button.get("sub_button") or [button])]
    for button in every:
        if key in (button.get("key"), button.get("url"), button.get("pagepath")):
            return dict(button)
    return None
