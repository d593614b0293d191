"""Ids that look like the platforms' own. The same person at the same account always
has the same ones, whatever database they are made in."""

import base64
import hashlib
import secrets
import string
import time

_LETTERS = string.ascii_letters + string.digits


def _derived(length: int, *parts: str) -> str:
    digest = hashlib.sha512("\0".join(parts).encode()).digest()
    return base64.urlsafe_b64encode(digest).decode()[:length]


def openid(prefix: str, person_id: str) -> str:
    """28 characters, the first six common to all openids of the account."""
    return prefix + _derived(28 - len(prefix), "openid", prefix, person_id)


def unionid(person_id: str) -> str:
    return "oWk3Fs" + _derived(22, "unionid", person_id)


def external_userid(person_id: str) -> str:
    return "wmJ8QxCwAA" + _derived(22, "external", person_id)


def fixed_hex(length: int, *parts: str) -> str:
    return hashlib.sha512("\0".join(parts).encode()).hexdigest()[:length]


def fixed_letters(length: int, *parts: str) -> str:
    return _derived(80, *parts).replace("-", "x").replace("_", "y")[:length]


def fixed_aes_key(slug: str) -> str:
    digest = hashlib.sha256(f"aes {slug}".encode()).digest()
    return base64.b64encode(digest).decode().rstrip("=")


def random_letters(length: int) -> str:
    return "".join(secrets.choice(_LETTERS) for _ in range(length))


def random_hex(length: int) -> str:
    return secrets.token_hex(length)[:length]


def random_digits(length: int) -> str:
    return "".join(secrets.choice(string.digits) for _ in range(length))


def message_id() -> int:
    """A 64-bit MsgId above 2**53, where a float would lose digits."""
    return 2**54 + secrets.randbelow(2**62)


def rising(head: str, count: int) -> list[str]:
    """New ids in rising order: rows with them lie side by side in every index."""
    start = time.time_ns() // 1000
    return [f"{head}{start + number:013x}" for number in range(count)]
