"""What the platform takes of a text, picture or article, said before anybody sends it.

Limits: text https://developers.weixin.qq.com/doc/offiaccount/Customer_Service/Customer_Service_Messages.html,
article https://developers.weixin.qq.com/doc/service/api/draftbox/draftmanage/api_draft_add
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.exceptions import ValidationError
from django.core.validators import URLValidator
from django.utils.translation import gettext as _

from content import markup
from content.models import Item
from core.registry import Text
from wechat import limits

if TYPE_CHECKING:
    from content.models import Version

Problems = dict[str, list[Text]]
ARTICLE_LIMITS = {
    "headline": "mp.article.title.chars",
    "byline": "mp.article.author.chars",
    "summary": "mp.article.digest.chars",
}
# Which fields a kind uses; what else is given is dropped.
FIELDS: dict[str, tuple[str, ...]] = {
    Item.Kind.TEXT: ("body",),
    Item.Kind.PICTURE: ("picture_id",),
    Item.Kind.ARTICLE: (
        *("headline", "byline", "summary", "body", "source_url", "picture_id"),
    ),
}
_is_url = URLValidator(schemes=["http", "https"])


def too_much(kind: str, content: dict[str, Any]) -> Problems:
    """What can't even be kept as a draft: longer than the platform takes, no address."""
    problems: Problems = {}
    if kind == Item.Kind.TEXT:
        _add(problems, "body", _text_size(content.get("body", "")))
    if kind == Item.Kind.ARTICLE:
        for name, key in ARTICLE_LIMITS.items():
            _add(problems, name, _length(content.get(name, ""), limits.value(key)))
        html = markup.to_html(content.get("body", ""))
        _add(problems, "body", _html_length(html))
        _add(problems, "source_url", _address(content.get("source_url", "")))
    return problems


def missing(version: Version) -> Problems:
    """What a version still needs before anybody is asked to read it."""
    problems: Problems = {}
    kind = version.item.kind
    if kind != Item.Kind.PICTURE and not version.body.strip():
        _add(problems, "body", _("Write something first."))
    if kind != Item.Kind.TEXT and version.picture_id is None:
        is_article = kind == Item.Kind.ARTICLE
        text = _("Choose a cover.") if is_article else _("Choose a picture.")
        _add(problems, "picture", text)
    if kind == Item.Kind.ARTICLE and not version.headline.strip():
        _add(problems, "headline", _("Give it a headline."))
    return problems


def _add(problems: Problems, name: str, text: Text) -> None:
    if text:
        problems.setdefault(name, []).append(text)


def _text_size(text: str) -> Text:
    size, limit = len(text.encode()), limits.value("mp.text.bytes")
    if size <= limit:
        return ""
    return _(
        "The platform takes at most %(limit)s bytes (about %(count)s Chinese "
        "characters); this is %(size)s."
    ) % {"limit": limit, "count": limit // 3, "size": size}


def _length(text: str, limit: int) -> Text:
    if len(text) <= limit:
        return ""
    return _("At most %(limit)s characters; this has %(size)s.") % {
        "limit": limit,
        "size": len(text),
    }


def _html_length(html: str) -> Text:
    limit = limits.value("mp.article.body.chars")
    if len(html) < limit:
        return ""
    return _(
        "The platform takes fewer than %(limit)s characters of an article, marks "
        "included; this has %(size)s."
    ) % {"limit": limit, "size": len(html)}


def _address(url: str) -> Text:
    try:
        if url:
            _is_url(url)
    except ValidationError:
        return _("Give a whole address that begins with https:// or http://.")
    return ""
