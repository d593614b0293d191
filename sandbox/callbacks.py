"""One HTTP exchange with the console: a push, or the check of its URL."""

import http.client
import secrets
import time
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit

from django.conf import settings

from sandbox import bodies, clock, crypto, options
from sandbox.models import Account


@dataclass(frozen=True)
class Reply:
    """What came back. ``status`` is ``None`` when nothing did; then ``error`` says why."""

    url: str
    status: int | None
    answer: str
    error: str
    milliseconds: int

    @property
    def is_accepted(self) -> bool:
        """200 with ``success`` or nothing: anything else is pushed again."""
        return self.status == 200 and self.answer.strip() in ("", "success")


def callback_url(account: Account) -> str:
    if account.callback_override:
        return account.callback_override
    return f"{settings.CONSOLE_URL}/wechat/callback/{account.slug}/"


def push(account: Account, body: str, openid: str) -> Reply:
    """POST one signed callback, in the account's mode."""
    wire, sealed = bodies.wrap(account, body)
    stamp, nonce = str(int(clock.now())), str(secrets.randbelow(10**10))
    query: dict[str, str] = {}
    if not account.is_wecom:
        query["signature"] = crypto.signature(account.token, stamp, nonce)
    query |= {"timestamp": stamp, "nonce": nonce}
    if not account.is_wecom:
        query["openid"] = openid
    if sealed:
        query["msg_signature"] = crypto.signature(account.token, stamp, nonce, sealed)
        if not account.is_wecom:
            query["encrypt_type"] = "aes"
    seconds = float(options.get("push_timeout_seconds"))
    return _exchange("POST", account, query, wire.encode(), seconds)


def verify(account: Account) -> tuple[bool, Reply]:
    """The check that the platform does when a server URL is saved.

    An official account sends ``echostr`` in clear and wants it back; WeCom sends it
    sealed and wants the plain text within a second, with nothing around it.
    """
    stamp, nonce = str(int(clock.now())), str(secrets.randbelow(10**10))
    wanted = str(secrets.randbelow(10**18) + 10**18)
    if account.is_wecom:
        sealed = crypto.encrypt(account.aes_key, account.receive_id, wanted)
        query = {
            "msg_signature": crypto.signature(account.token, stamp, nonce, sealed),
            "timestamp": stamp,
            "nonce": nonce,
            "echostr": sealed,
        }
    else:
        query = {
            "signature": crypto.signature(account.token, stamp, nonce),
            "timestamp": stamp,
            "nonce": nonce,
            "echostr": wanted,
        }
    seconds = float(
        options.get(
            "verify_timeout_seconds" if account.is_wecom else "push_timeout_seconds"
        )
    )
    reply = _exchange("GET", account, query, None, seconds)
    return reply.status == 200 and reply.answer == wanted, reply


def _exchange(
    method: str,
    account: Account,
    query: dict[str, str],
    body: bytes | None,
    seconds: float,
) -> Reply:
    base = callback_url(account)
    url = f"{base}{'&' if '?' in base else '?'}{urlencode(query)}"
    parts = urlsplit(url)
    kind = (
        http.client.HTTPSConnection
        if parts.scheme == "https"
        else http.client.HTTPConnection
    )
    started = time.monotonic()
    status, answer, error = None, "", ""
    connection = kind(parts.hostname or "", parts.port, timeout=seconds)
    try:
        connection.request(
            method,
            f"{parts.path or '/'}?{parts.query}",
            body,
            {
                "Content-Type": "text/xml",
                "User-Agent": "Mozilla/4.0",
                "Connection": "close",
            },
        )
        response = connection.getresponse()
        answer = response.read(65536).decode(errors="replace")
        status = response.status
    except TimeoutError:
        error = f"no answer within {seconds:g} s"
    except (OSError, http.client.HTTPException) as problem:
        error = f"{type(problem).__name__}: {problem}"[:200]
    finally:
        connection.close()
    spent = int((time.monotonic() - started) * 1000)
    return Reply(url, status, answer, error, spent)
