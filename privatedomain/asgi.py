"""ASGI entry of the live process: WebSockets below /ws/ and nothing else."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "privatedomain.settings")
django.setup()

from channels.db import database_sync_to_async  # noqa: E402
from channels.routing import URLRouter  # noqa: E402
from channels.security.websocket import OriginValidator  # noqa: E402
from django.conf import settings  # noqa: E402
from django.db import DatabaseError  # noqa: E402
from django.urls import path  # noqa: E402

from core.sockets import LiveSocket, watch  # noqa: E402
from privatedomain.checks import refuse_wrong_secrets  # noqa: E402
from privatedomain.heartbeats import EVERY_SECONDS, beat_once  # noqa: E402

refuse_wrong_secrets()

logger = logging.getLogger(__name__)

sockets = OriginValidator(
    URLRouter([path("ws/", LiveSocket.as_asgi())]), settings.CSRF_TRUSTED_ORIGINS
)


async def application(scope: Any, receive: Any, send: Any) -> None:
    """Dispatch by protocol; the server's start and stop run the background work."""
    if scope["type"] == "lifespan":
        await _live_span(receive, send)
    elif scope["type"] == "websocket":
        if scope["path"] == "/ws/":
            await sockets(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1008})
    else:
        await _answer(scope, send)


async def _answer(scope: Any, send: Any) -> None:
    """`/ws/health` and `/ws/healthz`: 200 while this process runs."""
    is_known = scope["path"] in {"/ws/health", "/ws/healthz"}
    body = b'{"live": true}' if is_known else b'{"detail": "WebSockets only"}'
    await send(
        {
            "type": "http.response.start",
            "status": 200 if is_known else 404,
            "headers": [
                (b"content-type", b"application/json"),
                (b"cache-control", b"no-store"),
            ],
        }
    )
    await send({"type": "http.response.body", "body": body})


async def _live_span(receive: Any, send: Any) -> None:
    tasks: list[asyncio.Task[None]] = []
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            tasks = [asyncio.create_task(watch.run()), asyncio.create_task(_beat())]
            await send({"type": "lifespan.startup.complete"})
            continue
        for task in tasks:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        await send({"type": "lifespan.shutdown.complete"})
        return


async def _beat() -> None:
    """Write the heartbeat "live"; without a database try again."""
    while True:
        try:
            await database_sync_to_async(beat_once)("live")
        except DatabaseError as error:
            logger.warning("PostgreSQL is away, live goes on: %s", error)
        await asyncio.sleep(EVERY_SECONDS)
