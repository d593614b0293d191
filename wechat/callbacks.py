"""What the platforms call: `/wechat/callback/<slug>/`, a plain WSGI application.

Served in front of Django's middleware: one INSERT and an answer within their five
seconds, also while the database is away. Answers are constant, so that nobody learns
from them what was wrong; the log says it, without bodies.

Rules: Receiving_event_pushes (official accounts), document/path/90930 (WeCom).
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from wechat import credentials, storing
from wechat.credentials import Credentials
from wechat.crypto import BadCallback, BadSignature, check_signature, decrypt
from wechat.parsing import (
    MAX_BODY_BYTES,
    Envelope,
    envelope,
    json_envelope,
    parse_xml,
    text,
)
from wechat.spool import Received

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

logger = logging.getLogger(__name__)

PREFIX = "/wechat/callback/"
JSON_HINT = "json"
_PATH = re.compile(rf"{PREFIX}([-a-zA-Z0-9_]{{1,60}})/?")
_ANSWERS = {
    200: ("200 OK", b"success"),
    400: ("400 Bad Request", b"bad request"),
    403: ("403 Forbidden", b"forbidden"),
    404: ("404 Not Found", b"not found"),
    405: ("405 Method Not Allowed", b"method not allowed"),
    413: ("413 Content Too Large", b"too large"),
    503: ("503 Service Unavailable", b"try again"),
}


class _NoSuchApp(BadCallback):
    status = 404


class _TooLarge(BadCallback):
    status = 413


class _WrongMethod(BadCallback):
    status = 405


def application(
    environ: WSGIEnvironment, start_response: StartResponse
) -> Iterable[bytes]:
    """Verify the address (GET) or take a callback (POST).

    200 after it is durable, 400 no content we can read, 403 not signed by the platform
    for this app, 404 no such app, 413 more than 64 KB, 503 not durable.
    """
    path = environ.get("PATH_INFO", "")
    try:
        status, body = 200, _answer(environ, path)
    except BadCallback as refusal:
        status, body = refusal.status, b""
        logger.warning("Callback %r refused with %s: %s", path, status, refusal)
    except (storing.Unavailable, storing.NotDurable) as error:
        status, body = 503, b""
        logger.error("Callback %r not durable: %s", path, error)
    except Exception:
        # Each request is independent, and the platform tries again after a 503.
        status, body = 503, b""
        logger.exception("Callback %r failed", path)
    line, constant = _ANSWERS[status]
    body = body or constant
    headers = [
        ("Content-Type", "text/plain; charset=utf-8"),
        ("Content-Length", str(len(body))),
        ("Cache-Control", "no-store"),
        ("X-Content-Type-Options", "nosniff"),
    ]
    if status == 405:
        headers.append(("Allow", "GET, POST"))
    start_response(line, headers)
    return [body]


def _answer(environ: WSGIEnvironment, path: str) -> bytes:
    method = environ["REQUEST_METHOD"]
    if method not in {"GET", "POST"}:
        raise _WrongMethod(method)
    found = _PATH.fullmatch(path)
    if found is None:
        raise _NoSuchApp("no callback address")
    query = _query(environ)
    if method == "GET":
        return _verify(found[1], query)
    received_at = datetime.now(UTC)
    body = _body(environ)
    app, plain = _opened(found[1], query, body)
    storing.keep(_received(app, plain, received_at))
    return b""


def _query(environ: WSGIEnvironment) -> dict[str, str]:
    try:
        pairs = parse_qsl(environ.get("QUERY_STRING", ""), max_num_fields=50)
    except ValueError as error:
        raise BadCallback("too many parameters") from error
    return dict(pairs)


# -- address verification


def _verify(slug: str, query: dict[str, str]) -> bytes:
    """What the platform wants to read back; uses the apps already known, at any age."""
    app = _app(slug, max_age=float("inf"))
    try:
        return _echo(app, query)
    except BadSignature:
        # The token may have been changed a moment ago.
        newer = credentials.find_newer(slug, app)
        if newer is None:
            raise
        return _echo(newer, query)


def _echo(app: Credentials, query: dict[str, str]) -> bytes:
    echo = query.get("echostr", "")
    if app.platform == "wecom":
        # Base64 has no space: a "+" that was not escaped.
        echo = echo.replace(" ", "+")
        _check(query, "msg_signature", app.token, echo)
        return decrypt(echo, aes_key=app.aes_key, receive_id=app.receive_id)
    _check(query, "signature", app.token)
    if not echo:
        raise BadCallback("no echostr")
    return echo.encode()


def _app(slug: str, *, max_age: float = credentials.FRESH_SECONDS) -> Credentials:
    app = credentials.find(slug, max_age=max_age)
    if app is None:
        raise _NoSuchApp("unknown or inactive app")
    return app


def _check(query: dict[str, str], name: str, token: str, *signed: str) -> None:
    if not token:
        raise BadSignature("the app has no token")
    parts = (token, query.get("timestamp", ""), query.get("nonce", ""), *signed)
    check_signature(query.get(name, ""), *parts)


# -- callbacks


def _body(environ: WSGIEnvironment) -> bytes:
    """The request's body, refused before it is read when it says it is too long."""
    length = environ.get("CONTENT_LENGTH") or ""
    stream = environ["wsgi.input"]
    if length:
        if not (length.isascii() and length.isdigit()):
            raise BadCallback("bad Content-Length")
        if len(length) > 9 or int(length) > MAX_BODY_BYTES:
            raise _TooLarge(f"{length[:20]} bytes")
        body: bytes = stream.read(int(length))
        return body
    if not environ.get("HTTP_TRANSFER_ENCODING"):
        raise BadCallback("no body")
    body = stream.read(MAX_BODY_BYTES + 1)
    if len(body) > MAX_BODY_BYTES:
        raise _TooLarge("chunked")
    return body


def _opened(slug: str, query: dict[str, str], body: bytes) -> tuple[Credentials, bytes]:
    """The app and the verified, decrypted body."""
    app = _app(slug)
    outside = _outside(body)
    try:
        return app, _plain(app, query, body, outside)
    except BadSignature:
        newer = credentials.find_newer(slug, app)
        if newer is None:
            raise
        return newer, _plain(newer, query, body, outside)


def _outside(body: bytes) -> dict[str, Any]:
    """Fields of the body as it came: plain ones, an envelope, or both."""
    if not _is_json(body):
        return parse_xml(body)
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BadCallback("no JSON") from error
    if not isinstance(fields, dict):
        raise BadCallback("JSON without fields")
    return fields


def _plain(
    app: Credentials, query: dict[str, str], body: bytes, outside: dict[str, Any]
) -> bytes:
    """Verify and decrypt. Plain mode signs three values, the others the Encrypt too.

    In compatible mode both are there; what is signed counts, and that is Encrypt. A
    plain body on an app in another mode is refused: its signature does not cover it.
    """
    encrypted = text(outside, "Encrypt").strip()
    if app.platform == "mp" and app.mode == "plain" and "msg_signature" not in query:
        _check(query, "signature", app.token)
        return body
    if not encrypted:
        raise BadSignature("not encrypted, but the app is not in plain mode")
    _check(query, "msg_signature", app.token, encrypted)
    return decrypt(encrypted, aes_key=app.aes_key, receive_id=app.receive_id)


def _received(app: Credentials, body: bytes, received_at: datetime) -> Received:
    found, state, hint = _named(app, body)
    return Received(
        app_id=app.app_pk,
        dedupe_key=found.dedupe_key,
        kind=found.kind,
        subject=found.subject,
        body=body,
        received_at=received_at,
        state=state,
        hint=hint,
    )


def _named(app: Credentials, body: bytes) -> tuple[Envelope, str, str]:
    if _is_json(body):
        return json_envelope(body), "ignored", JSON_HINT
    return envelope(parse_xml(body), body, platform=app.platform), "new", ""


def _is_json(body: bytes) -> bool:
    return body.lstrip()[:1] in {b"{", b"["}
