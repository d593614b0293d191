"""Tokens of public addresses: a few numbers and our signature, nothing of anybody."""

from __future__ import annotations

import hmac

from django.conf import settings
from django.core.signing import b62_decode, b62_encode
from django.utils.crypto import salted_hmac

# 96 bits: what must be guessed to speak for somebody else.
SIGNATURE_BYTES = 12
MAX_TOKEN_LENGTH = 60
_MAX_ID = 2**63 - 1


def sign(salt: str, *ids: int) -> str:
    """`<id>-…-<signature>`, the numbers in base 62; `salt` names what the token is for."""
    body = "-".join(b62_encode(each) for each in ids)
    return f"{body}-{_sign(salt, body, settings.SECRET_KEY)}"


def read(salt: str, token: str, count: int) -> list[int] | None:
    """The numbers in `token`; None unless we signed exactly this for `salt`."""
    if not token.isascii() or len(token) > MAX_TOKEN_LENGTH:
        return None
    body, _dash, signature = token.rpartition("-")
    keys = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    if not any(hmac.compare_digest(_sign(salt, body, key), signature) for key in keys):
        return None
    ids = [b62_decode(each) for each in body.split("-")]
    is_ours = len(ids) == count and all(0 <= each <= _MAX_ID for each in ids)
    return ids if is_ours else None


def _sign(salt: str, body: str, key: str | bytes) -> str:
    digest = salted_hmac(salt, body, secret=key, algorithm="sha256").digest()
    return b62_encode(int.from_bytes(digest[:SIGNATURE_BYTES], "big"))
