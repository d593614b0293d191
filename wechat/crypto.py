"""Signatures and decryption of callbacks.

wechatpy's AES behind our own checks: it compares signatures with `!=` and does not look
at what it decrypts. Scheme of both platforms:
https://developers.weixin.qq.com/doc/service/en/guide/product/message/Receiving_event_pushes.html
https://developer.work.weixin.qq.com/document/path/90968
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac

from wechatpy.crypto.base import WeChatCipher

RANDOM_BYTES = 16
LENGTH_BYTES = 4
BLOCK_BYTES = 32
KEY_BYTES = 32


class BadCallback(Exception):
    """A callback that is refused; `status` is the HTTP answer, the text is for logs."""

    status = 400


class BadSignature(BadCallback):
    """Not signed with the token of the app, or meant for another app."""

    status = 403


def signature(*parts: str) -> str:
    """SHA-1 (hex) over the sorted parts: token, timestamp, nonce, and what is signed."""
    return hashlib.sha1("".join(sorted(parts)).encode()).hexdigest()  # noqa: S324


def check_signature(given: str, *parts: str) -> None:
    """Compare in constant time; raises BadSignature."""
    if not hmac.compare_digest(given.encode(), signature(*parts).encode()):
        raise BadSignature("signature does not match")


def decrypt(encrypted: str, *, aes_key: str, receive_id: str) -> bytes:
    """Decrypt an `Encrypt` or `echostr` value whose signature was checked.

    `aes_key` is the EncodingAESKey of 43 characters; `receive_id` the AppID of an
    official account or the corp id. Raises BadCallback for any bad content and
    BadSignature when the message was meant for another receiver.
    """
    try:
        sealed = base64.b64decode(encrypted, validate=True)
        plain = WeChatCipher(_key(aes_key)).decrypt(sealed)
    except (binascii.Error, ValueError) as error:
        raise BadCallback("cannot be decrypted") from error
    message, receiver = _unpack(plain)
    if not hmac.compare_digest(receiver, receive_id.encode()):
        raise BadSignature("encrypted for another receiver")
    return message


def _key(aes_key: str) -> bytes:
    key = base64.b64decode(aes_key + "=")
    if len(key) != KEY_BYTES:
        raise BadCallback("the EncodingAESKey of the app has the wrong length")
    return key


def _unpack(plain: bytes) -> tuple[bytes, bytes]:
    """Split 16 random bytes | length | message | receiver | padding of 1 to 32."""
    padding = plain[-1] if plain else 0
    if not 1 <= padding <= BLOCK_BYTES:
        raise BadCallback("bad padding")
    content = plain[RANDOM_BYTES : len(plain) - padding]
    if len(content) < LENGTH_BYTES:
        raise BadCallback("too short")
    end = LENGTH_BYTES + int.from_bytes(content[:LENGTH_BYTES], "big")
    if end > len(content):
        raise BadCallback("bad length")
    return content[LENGTH_BYTES:end], content[end:]
