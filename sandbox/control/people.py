"""``/control/people``: who there is, and what they do."""

import base64
from collections import defaultdict
from typing import Any
from urllib.parse import urlsplit

from django.http import HttpRequest, HttpResponse

from sandbox import contacts, kf, masses, media, opening, people, world
from sandbox.control.door import (
    answer,
    bad,
    body_of,
    door,
    flag_of,
    missing,
    number_of,
    page_of,
    text_of,
)
from sandbox.models import (
    Account,
    Colleague,
    Follow,
    Friendship,
    KfAccount,
    Media,
    Message,
    Person,
)

MANY = 20_000


def find(person_id: str) -> Person:
    person = Person.objects.filter(pk=person_id).first()
    if person is None:
        raise missing(f"no person {person_id!r}")
    return person


def follow_of(person: Person, body: dict[str, Any]) -> Follow:
    slug = text_of(body, "account", longest=64)
    account = Account.objects.filter(pk=slug).exclude(kind="wecom").first()
    if account is None:
        raise missing(f"no official account {slug!r}")
    return people.follow_of(person, account)


def colleague_of(body: dict[str, Any]) -> Colleague:
    userid = text_of(body, "colleague", longest=64)
    colleague = Colleague.objects.select_related("account").filter(pk=userid).first()
    if colleague is None:
        raise missing(f"no colleague {userid!r}")
    return colleague


def kf_of(open_kfid: str) -> KfAccount:
    found = KfAccount.objects.select_related("account").filter(pk=open_kfid).first()
    if found is None:
        raise missing(f"no kf account {open_kfid!r}")
    return found


def done(person: Person, pushes: list[int], **more: Any) -> dict[str, Any]:
    people.touch(person)
    return {"ok": True, "pushes": pushes, "at": person.touched_at, **more}


def described(rows: list[Person]) -> list[dict[str, Any]]:
    """People with what they are to every account, in three queries."""
    follows: dict[str, list[Follow]] = defaultdict(list)
    friends: dict[str, list[Friendship]] = defaultdict(list)
    for follow in Follow.objects.filter(person__in=rows).order_by("account_id"):
        follows[follow.person_id].append(follow)
    for friendship in (
        Friendship.objects.filter(person__in=rows)
        .select_related("colleague")
        .order_by("createtime")
    ):
        friends[friendship.person_id].append(friendship)
    return [
        {
            "id": person.id,
            "name": person.name,
            "unionid": person.unionid,
            "external_userid": person.external_userid,
            "created_at": person.created_at,
            "touched_at": person.touched_at,
            "openid": {f.account_id: f.openid for f in follows[person.id]},
            "accounts": {f.account_id: _follow_body(f) for f in follows[person.id]},
            "colleagues": [_friend_body(f) for f in friends[person.id]],
        }
        for person in rows
    ]


def _follow_body(follow: Follow) -> dict[str, Any]:
    return {
        "openid": follow.openid,
        "subscribed": follow.subscribed,
        "subscribe_time": follow.subscribe_time,
        "subscribe_scene": follow.subscribe_scene,
        "scene": follow.qr_scene_str or (str(follow.qr_scene or "")),
        "tag_ids": follow.tag_ids,
        "remark": follow.remark,
        "mass_this_month": masses.received_this_month(follow),
    }


def _friend_body(friendship: Friendship) -> dict[str, Any]:
    return {
        "userid": friendship.colleague_id,
        "name": friendship.colleague.name,
        "remark": friendship.remark,
        "description": friendship.description,
        "add_way": friendship.add_way,
        "state": friendship.state,
        "createtime": friendship.createtime,
        "tag_ids": friendship.tag_ids,
        "is_confirmed": friendship.is_confirmed,
        "ended_at": friendship.ended_at,
        "ended_by": friendship.ended_by,
    }


def index(request: HttpRequest) -> HttpResponse:
    """``?limit=&offset=&q=&order=recent``; the total is in ``X-Total-Count``."""
    limit, offset = page_of(request, 100, 1000)
    rows = Person.objects.all()
    if request.GET.get("q"):
        rows = rows.filter(name__contains=request.GET["q"])
    order = "-touched_at" if request.GET.get("order") == "recent" else "created_at"
    page = list(rows.order_by(order, "id")[offset : offset + limit])
    response = answer(described(page))
    response["X-Total-Count"] = str(rows.count())
    return response


def add_person(request: HttpRequest) -> HttpResponse:
    name = text_of(body_of(request), "name", longest=64).strip()
    if not name:
        raise bad("name must not be blank")
    return answer(described([people.create(name)])[0])


def add_many(request: HttpRequest) -> dict[str, Any]:
    """``{count, account, name?}``: people who follow the account, without an event.

    They follow since a day ago and have written to nobody: 20,000 at most in a call.
    """
    body = body_of(request)
    count = int(number_of(body, "count", least=1, most=MANY))
    name = text_of(body, "name", longest=40, default="会员")
    slug = text_of(body, "account", longest=64)
    account = Account.objects.filter(pk=slug).exclude(kind="wecom").first()
    if account is None:
        raise missing(f"no official account {slug!r}")
    openids = people.create_many(account, count, name)
    return {"ok": True, "count": len(openids), "openids": openids}


def show(request: HttpRequest, person_id: str) -> dict[str, Any]:
    return described([find(person_id)])[0]


def follow(request: HttpRequest, person_id: str) -> dict[str, Any]:
    """``{account, scene?}``: the scene is the text or number of a QR code."""
    person, body = find(person_id), body_of(request)
    scene = body.get("scene")
    if scene is not None and (
        isinstance(scene, bool)
        or not isinstance(scene, int | str)
        or scene == ""
        or len(str(scene)) > 64
    ):
        raise bad("scene must be a number or a text of 1 to 64 characters")
    row = follow_of(person, body)
    return done(person, people.start_following(row, scene), openid=row.openid)


def unfollow(request: HttpRequest, person_id: str) -> dict[str, Any]:
    person = find(person_id)
    return done(person, people.stop_following(follow_of(person, body_of(request))))


def say(request: HttpRequest, person_id: str) -> dict[str, Any]:
    """``{account, text, menu_id?}``: account is a slug, an open_kfid or a colleague's
    id; menu_id is that of the tapped item of a menu message."""
    person, body = find(person_id), body_of(request)
    text = text_of(body, "text", longest=20_000)
    address = text_of(body, "account", longest=64)
    menu_id = text_of(body, "menu_id", longest=128, default="")
    if Account.objects.filter(pk=address).exclude(kind=Account.Kind.WECOM).exists():
        return done(person, people.write(follow_of(person, body), text, menu_id))
    if Colleague.objects.filter(pk=address).exists():
        return done(person, contacts.chat(contacts.active(person, address), text))
    return done(person, kf.say(kf_of(address), person, text, menu_id))


def picture(request: HttpRequest, person_id: str) -> dict[str, Any]:
    """``{account, image?, sample?}``: base64 of a picture, or one of the samples."""
    person, body = find(person_id), body_of(request)
    address = text_of(body, "account", longest=64)
    chat = KfAccount.objects.select_related("account").filter(pk=address).first()
    if chat is not None:
        stored = _picture(chat.account, body)
        url = media.public_url(stored)
        return done(
            person,
            kf.picture(chat, person, stored.media_id, url),
            media_id=stored.media_id,
        )
    row = follow_of(person, body)
    if not row.subscribed:
        raise people.Impossible(
            "not_following", "this person does not follow the account"
        )
    stored = _picture(row.account, body)
    pushes = people.send_picture(row, stored, media.public_url(stored))
    return done(person, pushes, media_id=stored.media_id)


def _picture(account: Account, body: dict[str, Any]) -> Media:
    if "image" not in body:
        number = int(number_of(body, "sample", 0, least=0, most=1000))
        name, content = media.sample(number)
        return media.store(account, "image", name, "image/jpeg", content)
    text = text_of(body, "image", longest=15_000_000)
    try:
        content = base64.b64decode(text.rpartition(",")[2], validate=True)
    except ValueError as error:
        raise bad("image must be base64") from error
    kind = media.image_type(content)
    if kind is None or len(content) > 10 * 1024 * 1024:
        raise bad("image must be a JPEG, PNG or GIF of at most 10 MB")
    return media.store(account, "image", "picture", kind, content)


def tap(request: HttpRequest, person_id: str) -> dict[str, Any]:
    person, body = find(person_id), body_of(request)
    key = text_of(body, "key", longest=1024)
    return done(person, people.tap(follow_of(person, body), key))


def add(request: HttpRequest, person_id: str) -> dict[str, Any]:
    """``{colleague, state?, add_way?, half?, welcome?}``."""
    person, body = find(person_id), body_of(request)
    colleague = colleague_of(body)
    state = text_of(body, "state", longest=30, default="")
    pushes = contacts.add(
        person,
        colleague,
        state,
        add_way=int(number_of(body, "add_way", 1, least=0, most=999)),
        is_half=flag_of(body, "half", False),
        has_welcome=flag_of(body, "welcome", True),
    )
    return done(person, pushes, external_userid=person.external_userid)


def delete(request: HttpRequest, person_id: str) -> dict[str, Any]:
    """``{colleague, by?, source?}``: ``by`` is person (default) or colleague."""
    person, body = find(person_id), body_of(request)
    by = body.get("by", "person")
    if by not in ("person", "colleague"):
        raise bad("by must be person or colleague")
    source = text_of(body, "source", longest=40, default="")
    friendship = contacts.active(person, colleague_of(body).userid)
    return done(person, contacts.end(friendship, by, source))


def edit(request: HttpRequest, person_id: str) -> dict[str, Any]:
    """``{colleague, remark?, description?, remark_mobiles?}`` as the colleague."""
    person, body = find(person_id), body_of(request)
    changes: dict[str, Any] = {}
    for name, longest in (("remark", 20), ("description", 150)):
        if name in body:
            changes[name] = text_of(body, name, longest=longest, default="")
    if "remark_mobiles" in body:
        numbers = body["remark_mobiles"]
        if not isinstance(numbers, list) or not all(
            isinstance(one, str) for one in numbers
        ):
            raise bad("remark_mobiles must be a list of texts")
        changes["remark_mobiles"] = numbers
    if not changes:
        raise bad("nothing to edit")
    friendship = contacts.active(person, colleague_of(body).userid)
    return done(person, contacts.edit(friendship, changes))


def chat_kf(request: HttpRequest, person_id: str) -> dict[str, Any]:
    """``{open_kfid, text?, scene?, scene_param?}``: without text only enter."""
    person, body = find(person_id), body_of(request)
    chat = kf_of(text_of(body, "open_kfid", longest=64))
    pushes: list[int] = []
    if "scene" in body or "text" not in body:
        scene = text_of(body, "scene", longest=32, default="sandbox")
        param = text_of(body, "scene_param", longest=128, default="")
        pushes += kf.enter(chat, person, scene, param)
    if "text" in body:
        text = text_of(body, "text", longest=20_000)
        pushes += kf.say(chat, person, text)
    return done(person, pushes, external_userid=person.external_userid)


def servicer(request: HttpRequest, person_id: str) -> dict[str, Any]:
    """``{open_kfid, colleague, text}``: a servicer answers in the WeCom client."""
    person, body = find(person_id), body_of(request)
    chat = kf_of(text_of(body, "open_kfid", longest=64))
    text = text_of(body, "text", longest=20_000)
    userid = colleague_of(body).userid
    return done(person, kf.answer_as_servicer(chat, person, userid, text))


def open_link(request: HttpRequest, person_id: str) -> dict[str, Any]:
    """``{url}``: open the link as this person and go where it leads."""
    person = find(person_id)
    url = text_of(body_of(request), "url", longest=4000)
    if urlsplit(url).scheme not in ("http", "https"):
        raise bad("url must be an http or https URL")
    opened = opening.follow(person, url)
    with world.change():
        people.touch(person)
    return {
        "ok": not opened.error,
        "url": opened.url,
        "status": opened.status,
        "error": opened.error,
        "hops": [{"url": at, "status": status} for at, status in opened.hops],
        "title": opened.title,
        "text": opened.text[:50_000],
    }


def screen(request: HttpRequest, person_id: str) -> list[dict[str, Any]]:
    """``?account=&events=1&after=<id>``: the chat, oldest first."""
    rows = Message.objects.filter(person=find(person_id)).select_related("mass")
    if request.GET.get("account"):
        rows = rows.filter(address=request.GET["account"])
    if request.GET.get("events") != "1":
        rows = rows.exclude(sender=Message.Sender.SYSTEM)
    after = request.GET.get("after", "0")
    if not after.isdecimal():
        raise bad("after must be a message id")
    newest = rows.filter(pk__gt=int(after)).order_by("-pk")[:500]
    return [
        {
            "id": row.pk,
            "at": row.at,
            "account": row.address,
            "sender": row.sender,
            "type": row.type,
            "text": row.words,
            **row.details,
        }
        for row in reversed(newest)
    ]


collection = door(GET=index, POST=add_person)
bulk_view = door(POST=add_many)
member = door(GET=show)
screen_view = door(GET=screen)
DEEDS = {
    "follow": follow,
    "unfollow": unfollow,
    "say": say,
    "picture": picture,
    "tap": tap,
    "add": add,
    "delete": delete,
    "edit": edit,
    "kf": chat_kf,
    "servicer": servicer,
}
deeds = {name: door(POST=deed) for name, deed in DEEDS.items()}
# The page it opens may call the platform: the world must go on meanwhile.
deeds["open"] = door(is_free=True, POST=open_link)
