"""The list of API calls that the simulator knows, and what a handler gets and gives."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from django.core.files.uploadedfile import UploadedFile

from sandbox.models import Account

MP, QY = "mp", "qy"


class Refusal(Exception):
    """A business error; ``more`` are further fields of the answer."""

    def __init__(self, errcode: int, errmsg: str, **more: Any) -> None:
        super().__init__(errmsg)
        self.errcode, self.errmsg, self.more = errcode, errmsg, more


@dataclass(frozen=True)
class Blob:
    """An answer that is a file."""

    content: bytes
    content_type: str
    filename: str = ""


@dataclass
class Call:
    """One request. ``account`` is whose token it carries."""

    platform: str
    method: str
    path: str
    query: dict[str, str]
    raw: bytes
    files: "dict[str, UploadedFile[Any]]"
    remote: str
    account: Account = field(init=False)
    # Run before the answer goes out, when everything is committed.
    before_answer: list[Callable[[], None]] = field(default_factory=list)
    # Run when the answer has gone out, however long that took.
    on_answered: list[Callable[[], None]] = field(default_factory=list)

    @cached_property
    def json(self) -> dict[str, Any]:
        """The JSON object of the body, as the platform reads it."""
        if not self.raw.strip():
            raise Refusal(44002, "empty post data")
        if self.platform == MP and _hides_text(self.raw):
            raise Refusal(
                40033,
                "invalid charset. please check your request, "
                "if include \\uxxxx will create fail!",
            )
        try:
            body = json.loads(self.raw)
        except ValueError as error:
            raise Refusal(47001, "data format error") from error
        if not isinstance(body, dict):
            raise Refusal(47001, "data format error")
        return body

    def text(self, name: str, refusal: Refusal) -> str:
        """A non-empty string of the body, else the refusal."""
        value = self.json.get(name)
        if not isinstance(value, str) or not value:
            raise refusal
        return value

    def texts(self, name: str, refusal: Refusal, most: int = 100) -> list[str]:
        """A list of 1 to ``most`` strings of the body, else the refusal."""
        value = self.json.get(name)
        if not isinstance(value, list) or not 1 <= len(value) <= most:
            raise refusal
        if not all(isinstance(one, str) for one in value):
            raise refusal
        return value

    def number(
        self, name: str, default: int, refusal: Refusal, least: int, most: int
    ) -> int:
        """A whole number of the body within bounds, else the refusal."""
        value = self.json.get(name, default) if self.raw.strip() else default
        if isinstance(value, bool) or not isinstance(value, int):
            raise refusal
        if not least <= value <= most:
            raise refusal
        return value


def _hides_text(raw: bytes) -> bool:
    """Whether text that people read is written as ``\\uXXXX`` escapes."""
    if b"\\u" not in raw:
        return False
    escapes = re.findall(rb"(?<!\\)(?:\\\\)*\\u([0-9a-fA-F]{4})", raw)
    return any(int(code, 16) >= 0x80 for code in escapes)


Answer = dict[str, Any] | Blob
Handler = Callable[[Call], Answer]


@dataclass(frozen=True)
class Endpoint:
    method: str
    handler: Handler
    needs_token: bool


ENDPOINTS: dict[tuple[str, str], Endpoint] = {}


def endpoint(
    platform: str,
    method: str,
    path: str,
    *,
    needs_token: bool = True,
    root: str = "/cgi-bin/",
) -> Callable[[Handler], Handler]:
    """Register the handler; ``method`` is GET, POST or ANY."""

    def register(handler: Handler) -> Handler:
        key = (platform, root + path)
        ENDPOINTS[key] = Endpoint(method, handler, needs_token)
        return handler

    return register


OK: dict[str, Any] = {"errcode": 0, "errmsg": "ok"}
