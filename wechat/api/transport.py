"""One HTTP call to a platform: bounded, unrepeated, and honest about its end.

wechatpy keeps connections, waits for ever on the token endpoint, repeats on its own and
lets requests' errors out, which quote the URL with its token. Nothing of that here:
every call has its own connection (a reset on a reused one could mean anything), both
time-outs, a size cap, no redirects, and ends in an answer or a PlatformError.
"""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import requests
import urllib3
from django.conf import settings
from django.utils.translation import gettext_lazy as _
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from core.crash import crash_point
from wechat import clock
from wechat.api.errors import Outcome, PlatformError, rejected
from wechat.models import Account

HOSTS = {"api.weixin.qq.com", "mp.weixin.qq.com", "qyapi.weixin.qq.com"}
MAX_JSON_BYTES = 8 * 1024 * 1024
MAX_MEDIA_BYTES = 20 * 1024 * 1024


class _Wire(threading.local):
    """Whether the call running in this thread got as far as a connection."""

    is_connected = False


_wire = _Wire()


class _PlainConnection(HTTPConnection):
    def connect(self) -> None:
        super().connect()
        _wire.is_connected = True
        crash_point("K6")


class _TlsConnection(HTTPSConnection):
    def connect(self) -> None:
        super().connect()  # the handshake included
        _wire.is_connected = True


class _PlainPool(HTTPConnectionPool):
    ConnectionCls = _PlainConnection


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


class PlatformAdapter(HTTPAdapter):
    """Reaches the platforms' hosts, or `base_url` in their place; nothing else."""

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url.rstrip("/")
        super().__init__(max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {
            "http": _PlainPool,
            "https": _TlsPool,
        }

    def send(
        self, request: requests.PreparedRequest, *args: Any, **kwargs: Any
    ) -> requests.Response:
        parts = urlsplit(request.url or "")
        if parts.hostname not in HOSTS:
            raise requests.exceptions.InvalidURL("Not an address of the platforms.")
        if self.base_url:
            request.url = f"{self.base_url}{parts.path}?{parts.query}"
        return super().send(request, *args, **kwargs)


@dataclass(frozen=True)
class Answer:
    """What came back with HTTP 200. `data` is None when it is a file."""

    content: bytes
    content_type: str
    data: dict[str, Any] | None


def call(
    account: Account, method: str, url: str, *, max_bytes: int = 0, **request: Any
) -> Answer:
    """Make one call; raises PlatformError and nothing else of the network's.

    `request`: params, data, files as requests takes them, and `timeout` (connect, read)
    where PLATFORM_TIMEOUT is too long. A JSON answer with an errcode is raised as the
    refusal it is. `max_bytes` set: a file is expected, capped there.
    """
    _wire.is_connected = False
    failure: PlatformError
    # Raised outside the handler: requests' own error, which quotes the URL with its
    # token, must not hang on ours as context.
    try:
        response, content = _fetch(
            account, method, url, max_bytes or MAX_JSON_BYTES, request
        )
    except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
        failure = _network_failure(error)
    else:
        clock.learn(account, response.headers.get("Date"))
        return _read(account, response, content, is_file=bool(max_bytes))
    raise failure


def _fetch(
    account: Account, method: str, url: str, max_bytes: int, request: dict[str, Any]
) -> tuple[requests.Response, bytes]:
    timeout = request.pop("timeout", settings.PLATFORM_TIMEOUT)
    with requests.Session() as session:
        session.trust_env = False
        adapter = PlatformAdapter(account.api_base_url)
        session.mount("https://", adapter)
        session.mount("http://", adapter)
        response = session.request(
            method,
            url,
            timeout=timeout,
            allow_redirects=False,
            stream=True,
            headers={"Connection": "close", "Accept-Encoding": "identity"},
            **request,
        )
        crash_point("K7")
        with response:
            return response, _read_capped(response, max_bytes, 3 * timeout[1])


def _read_capped(
    response: requests.Response, max_bytes: int, max_seconds: float
) -> bytes:
    """The body; the read time-out alone would let it drip for ever."""
    deadline = time.monotonic() + max_seconds
    chunks: list[bytes] = []
    size = 0
    for chunk in response.iter_content(65_536):
        size += len(chunk)
        if size > max_bytes:
            raise requests.exceptions.ContentDecodingError("The answer is too large.")
        if time.monotonic() > deadline:
            raise requests.exceptions.ReadTimeout("The answer is too slow.")
        chunks.append(chunk)
    return b"".join(chunks)


def _network_failure(error: Exception) -> PlatformError:
    if not _wire.is_connected:
        return PlatformError(
            _("The platform can't be reached."),
            outcome=Outcome.NOT_SENT,
            code="unreachable",
            retryable=True,
        )
    if isinstance(error, requests.Timeout | urllib3.exceptions.TimeoutError):
        return PlatformError(
            _("The platform took the call and did not answer in time."),
            outcome=Outcome.UNKNOWN,
            code="no_answer",
            retryable=True,
        )
    return PlatformError(
        _("The connection broke before the platform's answer was complete."),
        outcome=Outcome.UNKNOWN,
        code="cut",
        retryable=True,
    )


def _read(
    account: Account, response: requests.Response, content: bytes, *, is_file: bool
) -> Answer:
    if response.status_code != 200:
        raise PlatformError(
            _("Something between us and the platform answered in its place."),
            outcome=Outcome.UNKNOWN,
            code=f"http_{response.status_code}",
            retryable=True,
            http_status=response.status_code,
        )
    content_type = response.headers.get("Content-Type", "").partition(";")[0].strip()
    data = _as_object(content)
    errcode = _errcode(data)
    if errcode:
        known = str((data or {}).get("msg_id") or "")[:64]
        raise rejected(errcode, is_wecom=account.is_wecom, remote_id=known)
    if is_file and data is None:
        return Answer(content, content_type, None)
    if data is None or errcode is None:
        raise bad_answer(_("The platform's answer can't be read."))
    return Answer(content, content_type, data)


def bad_answer(text: Any) -> PlatformError:
    """The error of an answer that is not what was agreed: nobody knows what was done."""
    return PlatformError(
        text,
        outcome=Outcome.UNKNOWN,
        code="bad_answer",
        retryable=True,
        http_status=200,
    )


def _as_object(content: bytes) -> dict[str, Any] | None:
    if content.lstrip()[:1] != b"{":
        return None
    try:
        # Nicknames hold control characters and, now and then, half a character.
        data = json.loads(content.decode("utf-8", "replace"), strict=False)
    except (ValueError, RecursionError):
        return None
    return data if isinstance(data, dict) else None


def _errcode(data: dict[str, Any] | None) -> int | None:
    """0 without an errcode (success), None when it can't be read as a number."""
    try:
        return int((data or {}).get("errcode", 0))
    except (TypeError, ValueError):
        return None
