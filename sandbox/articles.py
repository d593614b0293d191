"""Articles of drafts, and the pages they get when they are sent."""

from typing import Any

from django.conf import settings

from sandbox import clock, ids, media
from sandbox.models import Article, Draft, Media


def page_url(article: Article) -> str:
    return f"http://127.0.0.1:{settings.PORT}/s/{article.sn}"


def cover_of(media_id: str) -> str:
    row = Media.objects.filter(pk=media_id).first()
    return media.public_url(row) if row else ""


def published(draft: Draft) -> list[dict[str, Any]]:
    """A card for each article: ``{title, digest, author, url, cover}``. A draft that
    is sent again as it stands keeps its pages."""
    cards = []
    for position, body in enumerate(draft.articles):
        page = _page(draft, position, body)
        card = {
            "title": body["title"],
            "digest": body["digest"],
            "author": body["author"],
            "url": page_url(page),
            "cover": cover_of(body["thumb_media_id"]),
        }
        cards.append(card | ({"is_deleted": True} if page.is_deleted else {}))
    return cards


def _page(draft: Draft, position: int, body: dict[str, Any]) -> Article:
    pages = Article.objects.filter(draft_id=draft.pk, position=position)
    page = pages.order_by("-published_at").first()
    if page is not None and page.body == body:
        return page
    return Article.objects.create(
        sn=ids.random_letters(22),
        account=draft.account,
        draft_id=draft.pk,
        position=position,
        body=body,
        published_at=clock.now(),
    )
