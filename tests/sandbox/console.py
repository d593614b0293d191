"""A small console that takes callbacks, so that the sandbox is tested on its own."""

import http.server
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

from defusedxml import ElementTree

from sandbox import crypto


@dataclass(frozen=True)
class Received:
    slug: str
    query: dict[str, str]
    body: str
    at: float


class Console:
    """Answers ``success`` until ``answers`` holds something else, which is used up."""

    def __init__(self) -> None:
        self.received: list[Received] = []
        self.answers: list[tuple[int, bytes, float]] = []  # status, body, delay
        self.verify: Callable[[str, dict[str, str]], str] | None = None
        self._lock = threading.Lock()
        self._server = http.server.ThreadingHTTPServer(
            ("127.0.0.1", 0), self._handler()
        )
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def clear(self) -> None:
        with self._lock:
            self.received, self.answers, self.verify = [], [], None

    def wait(self, count: int, seconds: float = 10) -> list[Received]:
        """The callbacks so far, once there are ``count``."""
        deadline = time.monotonic() + seconds
        while len(self.received) < count:
            assert time.monotonic() < deadline, f"{len(self.received)} of {count} came"
            time.sleep(0.02)
        return list(self.received)

    def _take(self, received: Received) -> tuple[int, bytes, float]:
        with self._lock:
            self.received.append(received)
            return self.answers.pop(0) if self.answers else (200, b"success", 0)

    def _handler(console) -> type[http.server.BaseHTTPRequestHandler]:
        class Handler(http.server.BaseHTTPRequestHandler):
            def _parts(self) -> tuple[str, dict[str, str]]:
                parts = urlsplit(self.path)
                query = {
                    name: found[0] for name, found in parse_qs(parts.query).items()
                }
                return parts.path.rstrip("/").rpartition("/")[2], query

            def _answer(self, status: int, body: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_GET(self) -> None:
                slug, query = self._parts()
                text = console.verify(slug, query) if console.verify else ""
                self._answer(200, text.encode())

            def do_POST(self) -> None:
                slug, query = self._parts()
                length = int(self.headers["Content-Length"])
                body = self.rfile.read(length).decode()
                status, answer, delay = console._take(
                    Received(slug, query, body, time.time())
                )
                time.sleep(delay)
                try:
                    self._answer(status, answer)
                except BrokenPipeError:
                    self.close_connection = True

            def log_message(self, *args: Any) -> None:
                """Nothing: the test's own output is enough."""

        return Handler


def fields_of(xml: str) -> dict[str, str]:
    return {child.tag: child.text or "" for child in ElementTree.fromstring(xml)}


def opened(received: Received, account: dict[str, Any]) -> dict[str, str]:
    """The fields of a callback whose signatures are checked here."""
    query, outer = received.query, fields_of(received.body)
    stamp, nonce, token = query["timestamp"], query["nonce"], account["token"]
    if account["kind"] != "wecom":
        assert query["signature"] == crypto.signature(token, stamp, nonce)
    if "Encrypt" not in outer:
        return outer
    sealed = outer["Encrypt"]
    assert query["msg_signature"] == crypto.signature(token, stamp, nonce, sealed)
    receiver = account["corp_id"] or account["app_id"]
    return fields_of(crypto.decrypt(account["aes_key"], receiver, sealed))
