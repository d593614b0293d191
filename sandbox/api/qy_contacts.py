"""WeCom customer contact: who knows whom, remarks, tags and the welcome message.

https://developer.work.weixin.qq.com/document/path/92114 (get), 92994 (batch), 92137
(welcome), 92115 (remark), 92117 and 92118 (tags).
"""

import base64
import binascii
import threading
from typing import Any

from django.db.models import QuerySet

from sandbox import clock, ids, media, options, people
from sandbox.api.registry import OK, QY, Answer, Call, Refusal, endpoint
from sandbox.models import Account, Colleague, CorpTag, Friendship, Person, WelcomeCode

_sending: set[str] = set()
_sending_lock = threading.Lock()


def bad_parameter(name: str) -> Refusal:
    return Refusal(40058, f"invalid Request Parameter: {name}")


def colleague_of(account: Account, userid: Any) -> Colleague:
    row = None
    if isinstance(userid, str):
        row = Colleague.objects.filter(account=account, pk=userid).first()
    if row is None:
        raise Refusal(60111, "userid not found")
    return row


def person_of(external_userid: Any) -> Person:
    if not external_userid:
        raise Refusal(41035, "missing external userid")
    row = Person.objects.filter(external_userid=str(external_userid)).first()
    if row is None:
        raise Refusal(40096, "invalid external userid")
    return row


def friendships(account: Account) -> "QuerySet[Friendship]":
    """Contacts that stand: confirmed by the colleague and not ended."""
    return Friendship.objects.filter(
        colleague__account=account, is_confirmed=True, ended_at=None
    ).select_related("person", "colleague")


def external_contact(person: Person) -> dict[str, Any]:
    return {
        "external_userid": person.external_userid,
        "name": person.name,
        "type": 1,
        "avatar": "",
        "gender": 0,
        "unionid": person.unionid,
    }


def _tags(friendship: Friendship) -> list[dict[str, Any]]:
    rows = CorpTag.objects.filter(pk__in=friendship.tag_ids).order_by("group_id")
    return [
        {
            "group_name": tag.group_name,
            "tag_name": tag.name,
            "tag_id": tag.id,
            "type": 1,
        }
        for tag in rows
    ]


def _relation(friendship: Friendship) -> dict[str, Any]:
    body = {
        "userid": friendship.colleague_id,
        "remark": friendship.remark,
        "description": friendship.description,
        "createtime": friendship.createtime,
        "remark_corp_name": friendship.remark_corp_name,
        "remark_mobiles": friendship.remark_mobiles,
        "add_way": friendship.add_way,
        "oper_userid": friendship.colleague_id,
    }
    return body | ({"state": friendship.state} if friendship.state else {})


@endpoint(QY, "GET", "externalcontact/get")
def get(call: Call) -> Answer:
    person = person_of(call.query.get("external_userid"))
    rows = list(friendships(call.account).filter(person=person).order_by("createtime"))
    if not rows:
        raise Refusal(84061, "not external contact")
    follow_user = [{**_relation(row), "tags": _tags(row)} for row in rows]
    return {
        **OK,
        "external_contact": external_contact(person),
        "follow_user": follow_user,
    }


@endpoint(QY, "GET", "externalcontact/list")
def listing(call: Call) -> Answer:
    colleague = colleague_of(call.account, call.query.get("userid"))
    rows = friendships(call.account).filter(colleague=colleague).order_by("createtime")
    people_ids = [row.person.external_userid for row in rows]
    if not people_ids:
        raise Refusal(84061, "not external contact")
    return {**OK, "external_userid": people_ids}


@endpoint(QY, "GET", "externalcontact/get_follow_user_list")
def follow_users(call: Call) -> Answer:
    rows = Colleague.objects.filter(account=call.account).order_by("pk")
    return {**OK, "follow_user": [row.userid for row in rows]}


def cursor_text(position: int) -> str:
    return base64.urlsafe_b64encode(f"at:{position}".encode()).decode().rstrip("=")


def cursor_position(cursor: Any) -> int:
    """The row id in a cursor that we gave out, 0 for none."""
    if not cursor:
        return 0
    try:
        text = base64.urlsafe_b64decode(str(cursor) + "=" * (-len(str(cursor)) % 4))
        return int(text.removeprefix(b"at:"))
    except (binascii.Error, ValueError) as error:
        raise bad_parameter("cursor") from error


@endpoint(QY, "POST", "externalcontact/batch/get_by_user")
def batch(call: Call) -> Answer:
    userids = call.texts("userid_list", bad_parameter("userid_list"))
    limit = call.number("limit", 50, bad_parameter("limit"), 1, 100)
    colleagues = [colleague_of(call.account, userid) for userid in userids]
    after = cursor_position(call.json.get("cursor"))
    rows = friendships(call.account).filter(colleague__in=colleagues, pk__gt=after)
    page = list(rows.order_by("pk")[: limit + 1])
    contacts = [
        {
            "external_contact": external_contact(row.person),
            "follow_info": {**_relation(row), "tag_id": row.tag_ids},
        }
        for row in page[:limit]
    ]
    more = cursor_text(page[limit - 1].pk) if len(page) > limit else ""
    return {**OK, "external_contact_list": contacts, "next_cursor": more}


def _friendship(call: Call) -> Friendship:
    colleague = colleague_of(call.account, call.json.get("userid"))
    person = person_of(call.json.get("external_userid"))
    row = friendships(call.account).filter(colleague=colleague, person=person).first()
    if row is None:
        raise Refusal(84061, "not external contact")
    return row


@endpoint(QY, "POST", "externalcontact/remark")
def remark(call: Call) -> Answer:
    row = _friendship(call)
    for name, field, most in (
        ("remark", "remark", 20),
        ("description", "description", 150),
        ("remark_company", "remark_corp_name", 20),
    ):
        if name in call.json:
            value = call.json[name]
            if not isinstance(value, str) or len(value) > most:
                raise bad_parameter(name)
            setattr(row, field, value)
    if "remark_mobiles" in call.json:
        numbers = call.json["remark_mobiles"]
        if not isinstance(numbers, list):
            raise bad_parameter("remark_mobiles")
        row.remark_mobiles = [str(one) for one in numbers if one]
    row.save()
    return dict(OK)


def _ids(call: Call, name: str) -> list[str]:
    """A list of ids that may be empty or left out."""
    if not call.raw.strip() or not call.json.get(name):
        return []
    return call.texts(name, bad_parameter(name), most=3000)


@endpoint(QY, "POST", "externalcontact/mark_tag")
def mark_tag(call: Call) -> Answer:
    row = _friendship(call)
    adding, removing = _ids(call, "add_tag"), _ids(call, "remove_tag")
    if not adding and not removing:
        raise bad_parameter("add_tag and remove_tag")
    wanted = {*adding, *removing}
    known = set(
        CorpTag.objects.filter(account=call.account, pk__in=wanted).values_list(
            "pk", flat=True
        )
    )
    if wanted - known:
        raise Refusal(40068, "invalid tagid")
    kept = [tag for tag in row.tag_ids if tag not in removing]
    row.tag_ids = kept + [tag for tag in adding if tag not in kept]
    row.save(update_fields=["tag_ids"])
    return dict(OK)


@endpoint(QY, "POST", "externalcontact/get_corp_tag_list")
def corp_tags(call: Call) -> Answer:
    rows = CorpTag.objects.filter(account=call.account).order_by("group_id", "order")
    if groups := _ids(call, "group_id"):
        rows = rows.filter(group_id__in=groups)
    elif tags := _ids(call, "tag_id"):
        rows = rows.filter(pk__in=tags)
    found: dict[str, dict[str, Any]] = {}
    for tag in rows:
        group = found.setdefault(
            tag.group_id,
            {
                "group_id": tag.group_id,
                "group_name": tag.group_name,
                "create_time": tag.create_time,
                "order": 0,
                "tag": [],
            },
        )
        group["tag"].append(
            {
                "id": tag.id,
                "name": tag.name,
                "create_time": tag.create_time,
                "order": tag.order,
            }
        )
    return {**OK, "tag_group": list(found.values())}


@endpoint(QY, "POST", "externalcontact/send_welcome_msg")
def send_welcome(call: Call) -> Answer:
    """One message within 20 seconds of the callback; the code is then used up.

    While one send is being answered a second gets 41096, afterwards 41051.
    """
    code = call.json.get("welcome_code")
    if not isinstance(code, str) or not code:
        raise Refusal(41050, "invalid welcome code")
    with _sending_lock:
        if code in _sending:
            raise Refusal(41096, "welcome msg is being distributed")
        _sending.add(code)
    call.on_answered.append(lambda: _sending.discard(code))
    row = WelcomeCode.objects.select_related("friendship__person").filter(pk=code)
    found = row.first()
    if found is None:
        raise Refusal(41050, "invalid welcome code")
    if found.is_used:
        raise Refusal(41051, "externaluser has started chatting")
    if found.created_at + options.get("welcome_seconds") <= clock.now():
        raise Refusal(41050, "welcome code expired")
    lines = _welcome_lines(call)
    found.is_used = True
    found.save(update_fields=["is_used"])
    friendship = found.friendship
    for kind, text, extra in lines:
        people.show(
            friendship.person,
            friendship.colleague_id,
            "account",
            kind,
            text,
            welcome=True,
            **extra,
        )
    return dict(OK)


Line = tuple[str, str, dict[str, Any]]


def _welcome_lines(call: Call) -> list[Line]:
    text = call.json.get("text")
    content = text.get("content", "") if isinstance(text, dict) else ""
    if not isinstance(content, str):
        raise bad_parameter("text.content")
    if len(content.encode()) > options.get("welcome_text_bytes"):
        raise Refusal(45002, "content size out of limit")
    attachments = call.json.get("attachments") or []
    if not isinstance(attachments, list) or len(attachments) > 9:
        raise bad_parameter("attachments")
    lines: list[Line] = [("text", content, {})] if content else []
    lines += [attachment_line(call.account, one) for one in attachments]
    if not lines:
        raise Refusal(40058, "text and attachments are both empty")
    return lines


def attachment_line(account: Account, attachment: Any) -> Line:
    """One attachment as it appears on the phone."""
    kind = attachment.get("msgtype") if isinstance(attachment, dict) else None
    if kind not in ("image", "link", "miniprogram", "video", "file"):
        raise bad_parameter("attachments.msgtype")
    body = attachment.get(kind)
    if not isinstance(body, dict):
        raise bad_parameter(f"attachments.{kind}")
    if kind in ("link", "miniprogram"):
        title = str(body.get("title") or "")
        if not title or len(title.encode()) > (128 if kind == "link" else 64):
            raise bad_parameter(f"{kind}.title")
        return kind, title, {"content": body}
    if kind == "image" and body.get("pic_url") and not body.get("media_id"):
        return kind, "[图片]", {"url": body["pic_url"]}
    found = media.usable(account, str(body.get("media_id", "")))
    if found is None:
        raise Refusal(40007, "invalid media_id")
    extra = {"media_id": found.media_id, "url": media.public_url(found)}
    return kind, {"image": "[图片]", "video": "[视频]"}.get(kind, found.filename), extra


@endpoint(QY, "GET", "user/get")
def user_get(call: Call) -> Answer:
    row = colleague_of(call.account, call.query.get("userid"))
    return {
        **OK,
        "userid": row.userid,
        "name": row.name,
        "department": [row.department],
        "position": row.position,
        "status": 1,
        "isleader": 0,
        "main_department": row.department,
        "open_userid": "woJ8QxCwAA" + ids.fixed_letters(22, "open", row.userid),
    }


@endpoint(QY, "GET", "user/simplelist")
def user_list(call: Call) -> Answer:
    department = call.query.get("department_id", "")
    if not department.isdecimal():
        raise Refusal(40066, "invalid party list")
    rows = Colleague.objects.filter(account=call.account, department=int(department))
    return {
        **OK,
        "userlist": [
            {"userid": row.userid, "name": row.name, "department": [row.department]}
            for row in rows.order_by("pk")
        ],
    }
