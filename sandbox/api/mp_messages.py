"""Customer-service messages: what may be sent to whom, and for how long.

https://developers.weixin.qq.com/doc/service/guide/product/kf/intro.html
"""

from typing import Any

from sandbox import clock, media, options, people
from sandbox.api.mp_users import follower
from sandbox.api.registry import MP, OK, Answer, Call, Refusal, endpoint
from sandbox.models import Account, Follow, Grant
from sandbox.statements import Select, run

MEDIA_TYPES = {"image": "[图片]", "voice": "[语音]", "video": "[视频]"}
BAD_TYPE = Refusal(40008, "invalid message type")
BAD_MEDIA = Refusal(40007, "invalid media_id")
OPEN_GRANTS = Select(
    Grant, "WHERE t.follow_id = %s AND t.expires_at > %s ORDER BY t.expires_at"
)
SPEND = 'UPDATE sandbox_grant SET "left" = "left" - 1 WHERE id = %s'


def spend(follow: Follow) -> None:
    """Use up one message of the open allowance that ends first."""
    open_ones = OPEN_GRANTS.all(follow.pk, clock.now())
    if not follow.subscribed or not open_ones:
        raise Refusal(45015, "response out of time limit or subscription is canceled")
    for grant in open_ones:
        if grant.left > 0:
            run(SPEND, grant.pk)
            return
    raise Refusal(45047, "out of response count limit")


@endpoint(MP, "POST", "message/custom/send")
def send(call: Call) -> Answer:
    body = call.json
    follow = follower(call.account, body.get("touser"))
    kind = body.get("msgtype")
    if not isinstance(kind, str) or kind not in BUILDERS:
        raise BAD_TYPE
    content = body.get(kind)
    if not isinstance(content, dict):
        raise Refusal(44003 if kind == "news" else 44004, f"empty {kind} content")
    text, extra = BUILDERS[kind](call.account, content)
    spend(follow)
    kf_account = body.get("customservice")
    if isinstance(kf_account, dict):
        extra["kf_account"] = kf_account.get("kf_account", "")
    people.show(follow.person, call.account.slug, "account", kind, text, **extra)
    return dict(OK)


Line = tuple[str, dict[str, Any]]


def _text(account: Account, content: dict[str, Any]) -> Line:
    text = content.get("content")
    if not isinstance(text, str) or not text:
        raise Refusal(44004, "empty content")
    if len(text.encode()) > options.get("mp_text_bytes"):
        raise Refusal(45002, "content size out of limit")
    return text, {}


def _file(kind: str, account: Account, content: dict[str, Any]) -> Line:
    media_id = content.get("media_id")
    found = media.usable(account, media_id) if isinstance(media_id, str) else None
    if found is None or found.type != kind:
        raise BAD_MEDIA
    extra = {"media_id": media_id, "url": media.public_url(found)}
    return str(content.get("title") or MEDIA_TYPES[kind]), extra


def _image(account: Account, content: dict[str, Any]) -> Line:
    return _file("image", account, content)


def _voice(account: Account, content: dict[str, Any]) -> Line:
    return _file("voice", account, content)


def _video(account: Account, content: dict[str, Any]) -> Line:
    return _file("video", account, content)


def _news(account: Account, content: dict[str, Any]) -> Line:
    articles = content.get("articles")
    if not isinstance(articles, list) or not articles:
        raise Refusal(44003, "empty news data")
    if len(articles) != 1 or not isinstance(articles[0], dict):
        raise Refusal(45008, "article size out of limit")
    return str(articles[0].get("title", "")), {"article": articles[0]}


def _menu(account: Account, content: dict[str, Any]) -> Line:
    items = content.get("list")
    if not isinstance(items, list) or not items:
        raise Refusal(44004, "empty content")
    head = str(content.get("head_content", ""))
    return head, {"list": items, "tail": str(content.get("tail_content", ""))}


def _other(account: Account, content: dict[str, Any]) -> Line:
    return str(content.get("title") or content.get("article_id") or ""), {
        "content": content
    }


BUILDERS = {
    "text": _text,
    "image": _image,
    "voice": _voice,
    "video": _video,
    "music": _other,
    "news": _news,
    "mpnews": _other,
    "mpnewsarticle": _other,
    "msgmenu": _menu,
    "wxcard": _other,
    "miniprogrampage": _other,
}


@endpoint(MP, "POST", "message/custom/typing")
def typing(call: Call) -> Answer:
    follow = follower(call.account, call.json.get("touser"))
    command = call.json.get("command")
    if command not in ("Typing", "CancelTyping"):
        raise Refusal(45072, "invalid command value")
    is_open = Grant.objects.filter(follow=follow, expires_at__gt=clock.now()).exists()
    if not is_open:
        raise Refusal(45080, "the user has not interacted, not allowed to typing")
    return dict(OK)
