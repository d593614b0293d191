"""Signatures and AES of callbacks, written from the published scheme and vectors.

Key: base64 of the 43-character EncodingAESKey plus ``=``. Cipher: AES-256-CBC, IV the
first 16 bytes of the key, PKCS#7 padding to 32 bytes. Plaintext: 16 random bytes, the
length as 4 bytes big-endian, the message, the AppID or CorpID.
https://developer.work.weixin.qq.com/document/path/90968
"""

import base64
import binascii
import hashlib
import os
import struct

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

BLOCK = 32


class CryptoError(Exception):
    """The text is not one that this key and receiver could have produced."""


def signature(*parts: str) -> str:
    """SHA-1 hex over the sorted parts (token, timestamp, nonce and, if any, text)."""
    return hashlib.sha1("".join(sorted(parts)).encode()).hexdigest()  # noqa: S324


def _cipher(aes_key: str) -> Cipher[modes.CBC]:
    key = base64.b64decode(aes_key + "=")
    return Cipher(algorithms.AES(key), modes.CBC(key[:16]))


def encrypt(
    aes_key: str, receive_id: str, message: str, prefix: bytes | None = None
) -> str:
    """Base64 of the encrypted message; ``prefix`` replaces the 16 random bytes."""
    body = message.encode()
    plain = (prefix or os.urandom(16)) + struct.pack(">I", len(body)) + body
    plain += receive_id.encode()
    pad = BLOCK - len(plain) % BLOCK
    encryptor = _cipher(aes_key).encryptor()
    sealed = encryptor.update(plain + bytes([pad]) * pad) + encryptor.finalize()
    return base64.b64encode(sealed).decode()


def decrypt(aes_key: str, receive_id: str, text: str) -> str:
    """The message; ``CryptoError`` when key, padding, length or receiver disagree."""
    try:
        sealed = base64.b64decode(text, validate=True)
        decryptor = _cipher(aes_key).decryptor()
        padded = decryptor.update(sealed) + decryptor.finalize()
    except (binascii.Error, ValueError) as error:
        raise CryptoError("not a sealed text") from error
    if len(padded) < 20 or not 1 <= padded[-1] <= BLOCK:
        raise CryptoError("bad padding")
    plain = padded[: -padded[-1]]
    (length,) = struct.unpack(">I", plain[16:20])
    message, receiver = plain[20 : 20 + length], plain[20 + length :]
    if len(message) != length or receiver != receive_id.encode():
        raise CryptoError("meant for another receiver")
    return message.decode()
