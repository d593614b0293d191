"""Mass sends of an official account.

https://developers.weixin.qq.com/doc/service/api/notify/message/api_masssend.html
https://developers.weixin.qq.com/doc/service/api/notify/message/api_sendall
"""

import hashlib
import json
from functools import partial
from typing import Any

from sandbox import articles, clock, mass_engine, masses, media, options, people
from sandbox.api import quotas
from sandbox.api.mp_messages import BAD_MEDIA, BAD_TYPE
from sandbox.api.mp_users import NO_OPENID, follower
from sandbox.api.registry import MP, OK, Answer, Call, Refusal, endpoint
from sandbox.masses import Audience, Content
from sandbox.models import Account, Draft, Mass, MpTag

MOST_OPENIDS = 10_000
SUBMITTED = {"errcode": 0, "errmsg": "send job submission success"}
NO_QUOTA = Refusal(45028, "has no masssend quota")


@endpoint(MP, "POST", "message/mass/send")
def send(call: Call) -> Answer:
    """To 2 to 10,000 openids; only service accounts may."""
    if call.account.kind != Account.Kind.SERVICE:
        raise Refusal(48001, "api unauthorized")
    audience = Audience(openids=_openids(call.json.get("touser")))
    return _submitted(call, audience)


@endpoint(MP, "POST", "message/mass/sendall")
def send_to_all(call: Call) -> Answer:
    """``filter.is_to_all``, or the followers with ``filter.tag_id``."""
    wanted = call.json.get("filter")
    if not isinstance(wanted, dict):
        raise Refusal(40035, "invalid parameter")
    tag_id = None
    if wanted.get("is_to_all") is not True:
        tag_id = _tag(call.account, wanted.get("tag_id"))
    return _submitted(call, Audience(tag_id=tag_id))


def _tag(account: Account, tag_id: Any) -> int:
    if isinstance(tag_id, str) and tag_id.isdecimal():
        tag_id = int(tag_id)
    is_number = isinstance(tag_id, int) and not isinstance(tag_id, bool)
    if not is_number or not _is_tag(account, tag_id):
        raise Refusal(45159, "invalid tag id")
    return int(tag_id)


def _is_tag(account: Account, tag_id: int) -> bool:
    return MpTag.objects.filter(account=account, tag_id=tag_id).exists()


def _openids(touser: Any) -> list[str]:
    """Each once, in the order given."""
    if not isinstance(touser, list):
        raise NO_OPENID
    if len(touser) < 2:
        raise Refusal(40130, "invalid openid list size, at least two openid")
    if len(touser) > MOST_OPENIDS:
        raise Refusal(40032, "invalid openid list size")
    if not all(isinstance(one, str) and one for one in touser):
        raise NO_OPENID
    return list(dict.fromkeys(touser))


def _submitted(call: Call, audience: Audience) -> Answer:
    account = call.account
    content = _content(account, call.json)
    clientmsgid = _clientmsgid(call, audience)
    _refuse_repeats(account, clientmsgid)
    _spend(account, audience)
    mass = masses.accept(account, content, audience, clientmsgid)
    mass_engine.engine.wake_after_commit()
    if account.mass_finishes_first:
        call.before_answer.append(partial(mass_engine.await_finish, mass.pk))
    answer = {**SUBMITTED, "msg_id": mass.pk}
    if content.type == "mpnews":
        answer["msg_data_id"] = mass.pk + 59_000_000
    return answer


def _clientmsgid(call: Call, audience: Audience) -> str:
    """The caller's, or the digest of audience and content that the platform takes."""
    given = call.json.get("clientmsgid")
    if given is None or given == "":
        kind = call.json["msgtype"]
        said = [call.json.get("filter"), audience.openids, kind, call.json.get(kind)]
        text = json.dumps(said, ensure_ascii=False, sort_keys=True)
        return "digest " + hashlib.sha256(text.encode()).hexdigest()
    if not isinstance(given, str):
        raise Refusal(40035, "invalid parameter")
    if len(given.encode()) > options.get("mass_clientmsgid_bytes"):
        raise Refusal(45067, "clientmsgid size out of limit")
    return given


def _refuse_repeats(account: Account, clientmsgid: str) -> None:
    """45065 with the old ``msg_id``; 45066 when the first is not a minute old."""
    lifetime = float(options.get("mass_clientmsgid_seconds"))
    old = (
        Mass.objects.filter(account=account, clientmsgid=clientmsgid)
        .filter(created_at__gt=clock.now() - lifetime)
        .order_by("-pk")
        .first()
    )
    if old is None:
        return
    if clock.now() - old.created_at < float(options.get("mass_retry_seconds")):
        raise Refusal(45066, "clientmsgid retry too fast, wait one minute")
    raise Refusal(45065, "clientmsgid exist", msg_id=old.pk)


def _spend(account: Account, audience: Audience) -> None:
    """Count the job, or refuse it with 45028."""
    day, month = quotas.period("%Y-%m-%d"), quotas.period("%Y-%m")
    limits = [("mass day", day, options.get("mass_sends_per_day"))]
    if account.kind == Account.Kind.SUBSCRIPTION:
        limits = [("mass day", day, options.get("mass_daily_subscription"))]
    elif audience.is_to_all:
        limits += [
            ("mass to all", day, options.get("mass_to_all_per_day")),
            ("mass to all", month, options.get("mass_to_all_per_month")),
        ]
    for key, when, most in limits:
        quotas.use_within(account, key, when, most, NO_QUOTA)


# -- what is said


def _content(account: Account, body: dict[str, Any]) -> Content:
    kind = body.get("msgtype")
    if kind == "text":
        return _text(body.get("text"))
    if kind == "mpnews":
        return _articles(account, body.get("mpnews"))
    if kind == "image":
        return _image(account, body.get("images") or body.get("image"))
    if kind == "voice":
        return _file(account, "voice", body.get("voice"), "[语音]")
    raise BAD_TYPE


def _text(said: Any) -> Content:
    text = said.get("content") if isinstance(said, dict) else None
    if not isinstance(text, str) or not text:
        raise Refusal(44004, "empty content")
    if len(text.encode()) > options.get("mp_text_bytes"):
        raise Refusal(45002, "content size out of limit")
    return Content("text", text)


def _image(account: Account, said: Any) -> Content:
    """``image.media_id``, or ``images.media_ids`` of the newer form."""
    several = said.get("media_ids") if isinstance(said, dict) else None
    if several is None:
        return _file(account, "image", said, "[图片]")
    if not isinstance(several, list) or not 1 <= len(several) <= 20:
        raise BAD_MEDIA
    found = [_file(account, "image", {"media_id": one}, "[图片]") for one in several]
    urls = [one.extra["url"] for one in found]
    return Content("image", "[图片]", {**found[0].extra, "urls": urls})


def _file(account: Account, kind: str, said: Any, text: str) -> Content:
    media_id = said.get("media_id") if isinstance(said, dict) else None
    found = media.usable(account, media_id) if isinstance(media_id, str) else None
    if found is None or found.type != kind:
        raise BAD_MEDIA
    return Content(kind, text, {"media_id": media_id, "url": media.public_url(found)})


def _articles(account: Account, said: Any) -> Content:
    media_id = said.get("media_id") if isinstance(said, dict) else None
    draft = None
    if isinstance(media_id, str):
        draft = Draft.objects.filter(pk=media_id, account=account).first()
    if draft is None:
        raise BAD_MEDIA
    cards = articles.published(draft)
    return Content("mpnews", cards[0]["title"], {"articles": cards}, draft.pk)


# -- trying out, asking, taking back


@endpoint(MP, "POST", "message/mass/preview")
def preview(call: Call) -> Answer:
    """To one follower, at once, outside the four of the month."""
    body = call.json
    if not body.get("touser") and body.get("towxname"):
        raise Refusal(40132, "invalid username")  # nobody here has a WeChat name
    follow = follower(call.account, body.get("touser"))
    content = _content(call.account, body)
    if not follow.subscribed:
        raise Refusal(43004, "require subscribe")
    people.show(
        follow.person,
        call.account.slug,
        "account",
        content.type,
        content.text,
        **content.extra,
        preview=True,
    )
    return {"errcode": 0, "errmsg": "preview success"}


def _job(call: Call) -> Mass:
    msg_id = call.json.get("msg_id")
    if isinstance(msg_id, str) and msg_id.isdecimal():
        msg_id = int(msg_id)
    found = None
    if isinstance(msg_id, int) and not isinstance(msg_id, bool):
        jobs = Mass.objects.select_related("account")
        found = jobs.filter(pk=msg_id, account=call.account).first()
    if found is None:
        raise Refusal(40059, "invalid msg id")
    return found


STATUSES = {
    Mass.State.WAITING: "SENDING",
    Mass.State.SENDING: "SENDING",
    Mass.State.DONE: "SEND_SUCCESS",
    Mass.State.FAILED: "SEND_FAIL",
}


@endpoint(MP, "POST", "message/mass/get")
def status(call: Call) -> Answer:
    mass = _job(call)
    name = "DELETE" if mass.is_deleted else STATUSES[Mass.State(mass.state)]
    return {"msg_id": mass.pk, "msg_status": name}


@endpoint(MP, "POST", "message/mass/delete")
def delete(call: Call) -> Answer:
    """Only the pages of articles go; the messages stay where they are."""
    mass = _job(call)
    if mass.type != "mpnews" or mass.state not in (Mass.State.DONE, Mass.State.SENDING):
        raise Refusal(40059, "invalid msg id")
    index = call.number("article_idx", 0, Refusal(40035, "invalid parameter"), 0, 8)
    if index > len(mass.extra["articles"]):
        raise Refusal(40035, "invalid parameter")
    masses.delete_articles(mass, index or None)
    return dict(OK)


@endpoint(MP, "POST", "message/mass/speed/get")
def speed(call: Call) -> Answer:
    """``realspeed`` in units of 10,000 people a minute."""
    level = call.account.mass_speed
    per_minute = options.get("mass_people_per_minute")[level]
    return {**OK, "speed": level, "realspeed": per_minute // 10_000}


@endpoint(MP, "POST", "message/mass/speed/set")
def set_speed(call: Call) -> Answer:
    bad = Refusal(45083, "invalid speed, the value of speed must be 0 to 4")
    call.account.mass_speed = call.number("speed", -1, bad, 0, 4)
    call.account.save(update_fields=["mass_speed"])
    return dict(OK)
