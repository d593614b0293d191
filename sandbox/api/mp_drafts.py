"""Drafts of articles and the permanent files they need.

https://developers.weixin.qq.com/doc/service/api/draftbox/draftmanage/api_draft_add
https://developers.weixin.qq.com/doc/service/api/material/permanent/api_addmaterial
"""

import re
from typing import Any

from sandbox import articles, clock, ids, media
from sandbox.api.platform_media import file_of
from sandbox.api.registry import MP, OK, Answer, Call, Refusal, endpoint
from sandbox.models import Draft, Media

NO_MEDIA = Refusal(40007, "invalid media_id")
BAD_INDEX = Refusal(40035, "invalid parameter")
MOST_ARTICLES = 8
# Field of an article, longest, refusal.
LENGTHS = (
    ("title", 64, Refusal(45003, "title size out of limit")),
    ("author", 16, Refusal(45110, "author size out of limit")),
    ("digest", 128, Refusal(45004, "description size out of limit")),
    ("content", 20_000, Refusal(45002, "content size out of limit")),
    ("content_source_url", 1024, Refusal(45006, "url size out of limit")),
)


def _article(call: Call, given: Any) -> dict[str, Any]:
    if not isinstance(given, dict):
        raise Refusal(47001, "data format error")
    body: dict[str, Any] = {}
    for name, most, refusal in LENGTHS:
        value = given.get(name) or ""
        if not isinstance(value, str):
            raise Refusal(47001, "data format error")
        if len(value) > most:
            raise refusal
        body[name] = value
    if not body["title"].strip():
        raise Refusal(45003, "title size out of limit")
    if not body["content"].strip():
        raise Refusal(44004, "empty content hint")
    body["thumb_media_id"] = _thumb(call, given.get("thumb_media_id"))
    if not body["digest"]:
        plain = re.sub(r"<[^>]*>", "", body["content"])
        body["digest"] = " ".join(plain.split())[:54]
    for name in ("need_open_comment", "only_fans_can_comment"):
        body[name] = 1 if given.get(name) == 1 else 0
    return body


def _thumb(call: Call, media_id: Any) -> str:
    """A cover is a permanent picture."""
    found = media.usable(call.account, media_id) if isinstance(media_id, str) else None
    if found is None or not found.is_permanent or found.type not in ("image", "thumb"):
        raise NO_MEDIA
    return found.media_id


def _draft(call: Call) -> Draft:
    media_id = call.json.get("media_id")
    found = None
    if isinstance(media_id, str):
        found = Draft.objects.filter(pk=media_id, account=call.account).first()
    if found is None:
        raise NO_MEDIA
    return found


def _items(draft: Draft, *, has_content: bool = True) -> list[dict[str, Any]]:
    items = []
    for body in draft.articles:
        item = {
            **body,
            "show_cover_pic": 0,
            "thumb_url": articles.cover_of(body["thumb_media_id"]),
        }
        items.append(item if has_content else {**item, "content": ""})
    return items


@endpoint(MP, "POST", "draft/add")
def add(call: Call) -> Answer:
    given = call.json.get("articles")
    if not isinstance(given, list) or not given:
        raise Refusal(44003, "empty news data")
    if len(given) > MOST_ARTICLES:
        raise Refusal(45008, "article size out of limit")
    draft = Draft.objects.create(
        media_id=ids.random_letters(64),
        account=call.account,
        articles=[_article(call, one) for one in given],
        created_at=clock.now(),
        updated_at=clock.now(),
    )
    return {"media_id": draft.pk}


@endpoint(MP, "POST", "draft/get")
def show(call: Call) -> Answer:
    draft = _draft(call)
    return {
        "news_item": _items(draft),
        "create_time": int(draft.created_at),
        "update_time": int(draft.updated_at),
    }


@endpoint(MP, "POST", "draft/update")
def update(call: Call) -> Answer:
    """One article, by ``index`` from 0."""
    draft = _draft(call)
    index = call.number("index", 0, BAD_INDEX, 0, len(draft.articles) - 1)
    draft.articles[index] = _article(call, call.json.get("articles"))
    draft.updated_at = clock.now()
    draft.save(update_fields=["articles", "updated_at"])
    return dict(OK)


@endpoint(MP, "POST", "draft/delete")
def delete(call: Call) -> Answer:
    _draft(call).delete()
    return dict(OK)


@endpoint(MP, "GET", "draft/count")
def count(call: Call) -> Answer:
    return {"total_count": Draft.objects.filter(account=call.account).count()}


@endpoint(MP, "POST", "draft/batchget")
def listing(call: Call) -> Answer:
    """``offset``, ``count`` 1 to 20, ``no_content``; newest first."""
    offset = call.number("offset", 0, BAD_INDEX, 0, 10**9)
    most = call.number("count", 20, BAD_INDEX, 1, 20)
    has_content = call.json.get("no_content") != 1
    rows = Draft.objects.filter(account=call.account).order_by("-updated_at", "pk")
    page = rows[offset : offset + most]
    items = [
        {
            "media_id": draft.pk,
            "content": {"news_item": _items(draft, has_content=has_content)},
            "update_time": int(draft.updated_at),
        }
        for draft in page
    ]
    return {"total_count": rows.count(), "item_count": len(items), "item": items}


# -- permanent files


@endpoint(MP, "POST", "material/add_material")
def add_material(call: Call) -> Answer:
    row = _store(call)
    answer: dict[str, Any] = {"media_id": row.media_id}
    if row.type in ("image", "thumb"):
        answer["url"] = media.public_url(row)
    return answer


def _store(call: Call) -> Media:
    kind, name, content_type, content = file_of(call)
    return media.store(
        call.account, kind, name, content_type, content, is_permanent=True
    )


@endpoint(MP, "POST", "material/del_material")
def delete_material(call: Call) -> Answer:
    media_id = call.json.get("media_id")
    found = media.usable(call.account, media_id) if isinstance(media_id, str) else None
    if found is None or not found.is_permanent:
        raise NO_MEDIA
    found.delete()
    return dict(OK)


@endpoint(MP, "GET", "material/get_materialcount")
def count_materials(call: Call) -> Answer:
    rows = Media.objects.filter(account=call.account, is_permanent=True)
    counts = {
        f"{kind}_count": rows.filter(type=kind).count()
        for kind in ("voice", "video", "image")
    }
    return {**counts, "news_count": 0}


@endpoint(MP, "POST", "media/uploadimg")
def upload_picture(call: Call) -> Answer:
    """A picture inside an article: only its address comes back."""
    _, name, content_type, content = file_of(call, kind="image", most_megabytes=1)
    row = media.store(
        call.account, "inline", name, content_type, content, is_permanent=True
    )
    return {"url": media.public_url(row)}
