"""The least that can be done with a callback: decrypt, encrypt, insert, answer.

No check of the request, no parsing, no fall-back: what the console's callbacks are
measured against, under the same server and workers.
"""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from cryptography.fernet import Fernet
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from psycopg_pool import ConnectionPool

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

INSERT = """
INSERT INTO bench_intake (app_id, dedupe_key, body) VALUES (1, %s, %s)
ON CONFLICT (app_id, dedupe_key) DO NOTHING
"""
_key = base64.b64decode(os.environ["BENCH_AES_KEY"] + "=")
_cipher = Cipher(algorithms.AES(_key), modes.CBC(_key[:16]))
_fernet = Fernet(os.environ["FIELD_KEYS"].split(",")[0])
_encrypt = re.compile(rb"<Encrypt><!\[CDATA\[(.*?)\]\]>")
_id = re.compile(rb"<MsgId>(\d+)<")
_headers = [("Content-Type", "text/plain"), ("Content-Length", "7")]
_pool: ConnectionPool[Any] | None = None


def application(
    environ: WSGIEnvironment, start_response: StartResponse
) -> Iterable[bytes]:
    global _pool
    if _pool is None:
        _pool = ConnectionPool(
            os.environ["DATABASE_URL"],
            kwargs={"autocommit": True, "prepare_threshold": None},
            min_size=1,
            max_size=4,
            open=True,
        )
    posted = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
    found = _encrypt.search(posted)
    assert found is not None
    decryptor = _cipher.decryptor()
    plain = decryptor.update(base64.b64decode(found[1])) + decryptor.finalize()
    body = plain[20 : 20 + int.from_bytes(plain[16:20], "big")]
    number = _id.search(body)
    assert number is not None
    with _pool.connection() as link:
        link.execute(INSERT, (f"MsgId={number[1].decode()}", _fernet.encrypt(body)))
    start_response("200 OK", _headers)
    return [b"success"]
