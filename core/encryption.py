"""Values encrypted at rest, and keyed hashes to look them up by.

`FIELD_KEYS` holds Fernet keys: the first encrypts, every one decrypts, so a key is
rotated by putting a new one in front and running `rotate_field_keys`.
"""

from __future__ import annotations

import hmac
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import models

if TYPE_CHECKING:
    _BytesBase = models.BinaryField[bytes, bytes]
    _TextBase = models.TextField[str, str]
else:
    _BytesBase = models.BinaryField
    _TextBase = models.TextField


class Undecryptable(ImproperlyConfigured):
    """No key of FIELD_KEYS opens the value: a key was removed too early."""


@lru_cache(maxsize=4)
def _cipher(keys: tuple[str, ...]) -> MultiFernet:
    if not keys:
        raise ImproperlyConfigured("FIELD_KEYS is empty: nothing can be encrypted.")
    return MultiFernet([Fernet(key) for key in keys])


def encrypt(plain: bytes) -> bytes:
    """Return the Fernet token of `plain` under the first key."""
    return _cipher(tuple(settings.FIELD_KEYS)).encrypt(plain)


def decrypt(token: bytes) -> bytes:
    """Open a token made by `encrypt`; raises Undecryptable."""
    try:
        return _cipher(tuple(settings.FIELD_KEYS)).decrypt(token)
    except InvalidToken as error:
        raise Undecryptable("No key in FIELD_KEYS opens this value.") from error


def rotate(token: bytes) -> bytes:
    """Re-encrypt a token under the first key."""
    return _cipher(tuple(settings.FIELD_KEYS)).rotate(token)


def blind_index(value: str, *, purpose: str) -> str:
    """Keyed SHA-256 (hex) of `value`, for exact look-up of an encrypted value."""
    message = f"{purpose}\0{value}".encode()
    return hmac.digest(settings.SEARCH_KEY.encode(), message, "sha256").hex()


class EncryptedBytesField(_BytesBase):
    """Bytes, encrypted at rest; empty stays empty. Can't be filtered or ordered by."""

    def get_prep_value(self, value: Any) -> Any:
        return encrypt(bytes(value)) if value else b""

    def from_db_value(self, value: Any, *_: Any) -> bytes:
        return decrypt(bytes(value)) if value else b""


class EncryptedTextField(_TextBase):
    """Text, encrypted at rest as UTF-8; empty stays empty. Can't be filtered by."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("default", "")
        super().__init__(*args, **kwargs)

    def get_internal_type(self) -> str:
        return "BinaryField"

    def get_prep_value(self, value: Any) -> Any:
        return encrypt(str(value).encode()) if value else b""

    def from_db_value(self, value: Any, *_: Any) -> str:
        return decrypt(bytes(value)).decode() if value else ""

    def value_to_string(self, obj: models.Model) -> str:
        # Serialised forms (dumps, history) never carry the secret.
        return ""
