"""Addresses of our own in place of those in the content of a touch.

`<PUBLIC_URL>/l/<token>`; the token is `<link>-<signature>` where clicks are told per touch
(mass sends: everybody gets the same words) and `<link>-<recipient>-<signature>` where we
know for whom it was written. It never carries a target: that is read from the row.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.signing import b62_decode, b62_encode
from django.db import transaction
from django.urls import reverse
from django.utils.crypto import salted_hmac
from django.utils.html import escape

from campaigns.models import Recipient, Touch, TrackedLink
from content import links as written
from content import rendering
from crm import preference_links

SALT = "campaigns.links"
# 80 bits: what must be guessed to have a click counted that nobody made.
SIGNATURE_BYTES = 10
MAX_TOKEN_LENGTH = 60
_MAX_ID = 2**63 - 1


@dataclass(frozen=True)
class Pointer:
    """What a valid token names."""

    link_id: int
    recipient_id: int | None


def prepare(touch: Touch) -> dict[str, TrackedLink]:
    """The touch's links by their target, made for addresses that have none yet.

    Safe to repeat and to run twice at once. A link stays when its address leaves the
    content: somebody may hold it already.
    """
    wanted = [] if touch.version is None else rendering.links_of(touch.version)
    wanted = [url for url in wanted if is_trackable(url)]
    known = _known(touch)
    if all(url in known for url in wanted):
        return known
    with transaction.atomic():
        # The touch's row orders two writers, so that numbers are given once.
        Touch.objects.select_for_update(no_key=True).get(pk=touch.pk)
        known = _known(touch)
        first = max((link.number for link in known.values()), default=0) + 1
        missing = [url for url in dict.fromkeys(wanted) if url not in known]
        TrackedLink.objects.bulk_create(
            TrackedLink(touch=touch, number=number, url=url)
            for number, url in enumerate(missing, first)
        )
    return _known(touch)


def _known(touch: Touch) -> dict[str, TrackedLink]:
    return {link.url: link for link in touch.links.all()}


def is_trackable(url: str) -> bool:
    """http(s) with a host, short enough to keep, and not an address of ours already."""
    longest = TrackedLink._meta.get_field("url").max_length or 0
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        return False
    if parts.scheme.lower() not in ("http", "https") or not host:
        return False
    return len(url) <= longest and not url.startswith(f"{_base()}/l/")


def addresses(touch: Touch, recipient: Recipient | None = None) -> dict[str, str]:
    """Target → our address, for `content.rendering.payload_for(tracked=…)`.

    With a `recipient` each click of it is that person's; without, only the touch's.
    """
    pk = None if recipient is None else recipient.pk
    return {url: address_of(link.pk, pk) for url, link in prepare(touch).items()}


def tracked(
    payload: dict[str, Any], touch: Touch, recipient: Recipient | None
) -> dict[str, Any]:
    """`payload` (content.rendering.payload_for) with our addresses in place of others.

    So does the placeholder of the preference page: the person's own, or the account's.
    """
    by = addresses(touch, recipient)
    payload = _exchanged(payload, by) if by else payload
    if not preference_links.is_named_in(payload):
        return payload
    if recipient is None:
        return preference_links.filled(
            payload, preference_links.address_for(touch.account)
        )
    return preference_links.filled(
        payload, preference_links.address_of(recipient.member)
    )


def _exchanged(payload: dict[str, Any], by: Mapping[str, str]) -> dict[str, Any]:
    if "text" in payload:
        return {**payload, "text": written.replaced(payload["text"], by)}
    article = payload.get("article")
    if article is None:
        return payload
    source = article.get("content_source_url", "")
    changed = {
        "content_html": _in_html(article["content_html"], by),
        "content_source_url": by.get(source, source),
    }
    return {**payload, "article": {**article, **changed}}


def _in_html(html: str, by: Mapping[str, str]) -> str:
    """Addresses stand escaped in HTML: `&` is `&amp;`."""
    return written.replaced(html, {**by, **{escape(u): a for u, a in by.items()}})


# -- tokens


def address_of(link_id: int, recipient_id: int | None = None) -> str:
    """The public address, absolute."""
    token = make_token(link_id, recipient_id)
    return _base() + reverse("campaigns_link", args=[token])


def make_token(link_id: int, recipient_id: int | None = None) -> str:
    ids = [link_id] if recipient_id is None else [link_id, recipient_id]
    body = "-".join(b62_encode(each) for each in ids)
    return f"{body}-{_sign(body, settings.SECRET_KEY)}"


def read_token(token: str) -> Pointer | None:
    """What `token` names; None unless we signed exactly this."""
    if not token.isascii() or len(token) > MAX_TOKEN_LENGTH:
        return None
    body, _dash, signature = token.rpartition("-")
    keys = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    if not any(hmac.compare_digest(_sign(body, key), signature) for key in keys):
        return None
    ids = [b62_decode(each) for each in body.split("-")]
    if len(ids) not in (1, 2) or not all(0 < each <= _MAX_ID for each in ids):
        return None
    return Pointer(ids[0], ids[1] if len(ids) == 2 else None)


def _sign(body: str, key: str | bytes) -> str:
    digest = salted_hmac(SALT, body, secret=key, algorithm="sha256").digest()
    return b62_encode(int.from_bytes(digest[:SIGNATURE_BYTES], "big"))


def _base() -> str:
    return str(settings.PUBLIC_URL).rstrip("/")
