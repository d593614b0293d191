"""What a version says, in the shape the gateway sends."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from content import links, markup, pictures
from content.models import Item, Version
from staff.models import Staff
from wechat.models import App

# Item kind → the gateway's kind of message.
MESSAGE_KINDS = {
    Item.Kind.TEXT: "text",
    Item.Kind.PICTURE: "image",
    Item.Kind.ARTICLE: "mpnews",
}


def message_kind(version: Version) -> str:
    """ "text", "image" or "mpnews", as wechat's outbox and mass sends name it."""
    return MESSAGE_KINDS[Item.Kind(version.item.kind)]


def payload_for(
    version: Version,
    *,
    app: App,
    actor: Staff,
    tracked: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """What goes out through `app`.

    text `{"text": …}`; image `{"media": <wechat.Media id>}`; mpnews `{"article": {title,
    author, digest, content_html, content_source_url, cover_media}}`, `cover_media` a
    wechat.Media id of the app. `tracked`: addresses to exchange (`links_of` lists them).
    Raises wechat.media.MediaMissing.
    """
    by = tracked or {}
    kind = version.item.kind
    if kind == Item.Kind.TEXT:
        return {"text": _exchanged(version.body, by)}
    assert version.picture is not None  # review.submit lets nothing through without
    media = pictures.for_app(version.picture, app, actor=actor)
    if kind == Item.Kind.PICTURE:
        return {"media": media.pk}
    return {
        "article": {
            "title": version.headline,
            "author": version.byline,
            "digest": version.summary,
            "content_html": markup.to_html(_exchanged(version.body, by)),
            "content_source_url": by.get(version.source_url, version.source_url),
            "cover_media": media.pk,
        }
    }


def links_of(version: Version) -> list[str]:
    """Every address a reader can open, each once, in order."""
    found = links.urls_in(version.body)
    if version.source_url and version.source_url not in found:
        found.append(version.source_url)
    return found


def _exchanged(text: str, by: Mapping[str, str]) -> str:
    return links.replaced(text, by) if by else text
