"""The sandbox's control API, as far as the demo needs it."""

from __future__ import annotations

import json
import urllib.request
from typing import Any

from django.conf import settings

SECONDS = 10.0


def ask(path: str, body: dict[str, Any] | None = None) -> Any:
    """GET /control/<path>, or POST `body` to it; raises OSError."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(  # noqa: S310  our own loopback address
        f"{settings.SANDBOX_URL}/control/{path}",
        data,
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=SECONDS) as answer:  # noqa: S310
        return json.loads(answer.read())


def accounts() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = ask("accounts")
    return found


def people() -> list[dict[str, Any]]:
    """Everybody, in the order of their ids, which is the same in every fresh sandbox."""
    found: list[dict[str, Any]] = ask("people?limit=1000")
    return sorted(found, key=lambda person: str(person["id"]))


def say(person: str, account: str, text: str) -> None:
    ask(f"people/{person}/say", {"account": account, "text": text})


def open_shop(token: str) -> None:
    """Let the sandbox's shop tell its orders with this token."""
    ask("shop", {"token": token})
