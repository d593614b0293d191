"""The platforms' side of a callback for tests, with an implementation of its own."""

from __future__ import annotations

import base64
import hashlib
import io
import os
import secrets
import struct
from typing import Any
from urllib.parse import urlencode

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

TIMESTAMP, NONCE = "1763769900", "1372623149"


def sign(*parts: str) -> str:
    return hashlib.sha1("".join(sorted(parts)).encode()).hexdigest()  # noqa: S324


def seal(plain: bytes, *, aes_key: str, receive_id: str) -> str:
    """An Encrypt value."""
    key = base64.b64decode(aes_key + "=")
    data = os.urandom(16) + struct.pack(">I", len(plain)) + plain + receive_id.encode()
    padding = 32 - len(data) % 32
    data += bytes([padding]) * padding
    encryptor = Cipher(algorithms.AES(key), modes.CBC(key[:16])).encryptor()
    return base64.b64encode(encryptor.update(data) + encryptor.finalize()).decode()


def signed_query(app: Any, *signed: str, name: str = "msg_signature") -> dict[str, str]:
    signature = sign(app.token, TIMESTAMP, NONCE, *signed)
    return {name: signature, "timestamp": TIMESTAMP, "nonce": NONCE}


def push(app: Any, body: bytes, **changes: Any) -> tuple[dict[str, str], bytes]:
    """Query and body of a delivery of `body` in the app's mode."""
    if app.mode == "plain" and not app.account.is_wecom:
        return signed_query(app, name="signature"), body
    receive_id = changes.get("receive_id", app.app_id)
    sealed = seal(body, aes_key=app.aes_key, receive_id=receive_id)
    query = signed_query(app, sealed)
    if not app.account.is_wecom:
        plain = sign(app.token, TIMESTAMP, NONCE)
        query |= {"encrypt_type": "aes", "signature": plain}
    envelope = f"<Encrypt><![CDATA[{sealed}]]></Encrypt>".encode()
    if app.mode == "compat":
        return query, body.replace(b"</xml>", envelope + b"</xml>")
    return query, b"<xml><ToUserName>x</ToUserName>" + envelope + b"</xml>"


def request(
    method: str, path: str, query: dict[str, str], body: bytes = b"", **environ: Any
) -> tuple[int, bytes]:
    """Call the web process's WSGI application; status and body."""
    from privatedomain.wsgi import application

    seen: list[str] = []

    def start_response(status: str, headers: Any, *_: Any) -> Any:
        seen.append(status)

    answer = application(
        {
            "REQUEST_METHOD": method,
            "PATH_INFO": path,
            "QUERY_STRING": urlencode(query),
            "CONTENT_LENGTH": str(len(body)) if method == "POST" else "",
            "SERVER_NAME": "testserver",
            "SERVER_PORT": "80",
            "wsgi.input": io.BytesIO(body),
            "wsgi.url_scheme": "http",
            **environ,
        },
        start_response,
    )
    return int(seen[0].split()[0]), b"".join(answer)


def deliver(app: Any, body: bytes, **changes: Any) -> tuple[int, bytes]:
    """POST `body` to the app's callback address as its platform would."""
    query, sent = push(app, body, **changes)
    return request("POST", app.callback_path, query, sent)


def new_key() -> str:
    return base64.b64encode(secrets.token_bytes(32)).decode().rstrip("=")
