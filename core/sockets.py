"""The WebSocket of an open page: it hears ids of what changed and asks for the rest.

Page to server, JSON: `{"do": "subscribe" | "unsubscribe", "groups": [...]}`,
`{"do": "ping"}`. Server to page: `{"what": "hello" | "changed" | "subscribed" |
"degraded" | "restored" | "pong", ...}`. "degraded" means that frames may be missing and
the page is to poll; "restored" and every new connection mean: fetch everything again.
Close codes: 4401 the session is over, 1013 try again later.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from http.cookies import CookieError, SimpleCookie
from importlib import import_module
from typing import Any

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncJsonWebsocketConsumer
from channels.layers import get_channel_layer
from django.conf import settings
from django.contrib.auth import get_user
from django.contrib.auth.base_user import AbstractBaseUser
from django.db import DatabaseError
from django.http import HttpRequest
from redis.exceptions import RedisError

from core import live

logger = logging.getLogger(__name__)

SESSION_OVER = 4401
TRY_AGAIN_LATER = 1013
CHECK_SECONDS = 10.0
GROUP_CHECK_EVERY = 6  # session checks
PRESENCE_SECONDS = 15.0
MAX_GROUPS = 100
MAX_FRAME_CHARACTERS = 8192
LAYER_SECONDS = 2.0
LAYER_ERRORS = (RedisError, OSError, TimeoutError)


def staff_of_session(session_key: str) -> AbstractBaseUser | None:
    """Who is logged in with the session; None when it ended or they may not work."""
    engine = import_module(settings.SESSION_ENGINE)
    request = HttpRequest()
    request.session = engine.SessionStore(session_key)
    user = get_user(request)
    is_working = user.is_active and getattr(user, "is_staff", False)
    return user if is_working else None  # type: ignore[return-value]


def session_key_of(headers: list[tuple[bytes, bytes]]) -> str:
    raw = next((value for name, value in headers if name == b"cookie"), b"")
    jar: SimpleCookie = SimpleCookie()
    try:
        jar.load(raw.decode("latin-1"))
    except CookieError:
        return ""
    morsel = jar.get(settings.SESSION_COOKIE_NAME)
    return morsel.value if morsel else ""


class LiveSocket(AsyncJsonWebsocketConsumer):
    """One open page. It dies with its session, within CHECK_SECONDS at the latest."""

    staff: Any = None
    is_ended = False

    async def connect(self) -> None:
        # Accepted first: a refusal before it reaches the page without its code.
        await self.accept()
        self.joined: set[str] = set()
        self.presence_at = 0.0
        self.checks = 0
        self.checking: asyncio.Task[None] | None = None
        self.session_key = session_key_of(self.scope["headers"])
        self.staff = await self._ask(staff_of_session, self.session_key)
        if self.staff is None:
            await self._end(SESSION_OVER)
            return
        if not await self._join(f"staff.{self.staff.pk}"):
            return
        watch.pages.add(self)
        self.checking = asyncio.create_task(self._keep_checking())
        await self.send_json({"what": "hello", "is_degraded": not watch.is_up})
        await self._show_presence()

    async def disconnect(self, code: int) -> None:
        watch.pages.discard(self)
        if getattr(self, "checking", None) is not None:
            self.checking.cancel()  # type: ignore[union-attr]
        for group in list(getattr(self, "joined", ())):
            await self._leave(group)

    async def receive(
        self, text_data: str | None = None, bytes_data: bytes | None = None, **_: Any
    ) -> None:
        if not text_data or len(text_data) > MAX_FRAME_CHARACTERS:
            await self._end(1009)
            return
        try:
            content = json.loads(text_data)
        except (ValueError, RecursionError):
            content = None
        if not isinstance(content, dict) or self.staff is None:
            await self._end(1003)
            return
        await self.receive_json(content)

    async def receive_json(self, content: dict[str, Any], **_: Any) -> None:
        groups = content.get("groups")
        names = (
            [g for g in groups if isinstance(g, str)]
            if isinstance(groups, list)
            else []
        )
        match content.get("do"):
            case "ping":
                await self.send_json({"what": "pong"})
                await self._show_presence()
            case "subscribe":
                await self._subscribe(names[:MAX_GROUPS])
            case "unsubscribe":
                for group in names[:MAX_GROUPS]:
                    if group in self.joined and not group.startswith("staff."):
                        await self._leave(group)

    async def _end(self, code: int) -> None:
        """Close once; frames that still arrive are dropped."""
        watch.pages.discard(self)
        self.staff = None
        if not self.is_ended:
            self.is_ended = True
            await self.close(code=code)

    # -- frames of the channel layer

    async def changed(self, event: dict[str, Any]) -> None:
        if self.is_ended:
            return
        ids = event.get("ids") or {}
        if "session" in ids:
            await self._check()
            return
        await self.send_json({"what": "changed", "group": event["group"], "ids": ids})

    # -- groups

    async def _subscribe(self, names: list[str]) -> None:
        allowed = await self._ask(_allowed, self.staff, names)
        for group in allowed or []:
            is_new = group not in self.joined and len(self.joined) < MAX_GROUPS
            if is_new and not await self._join(group):
                return
        refused = [group for group in names if group not in self.joined]
        await self.send_json(
            {
                "what": "subscribed",
                "groups": [group for group in names if group in self.joined],
                "refused": refused,
            }
        )

    async def _join(self, group: str) -> bool:
        try:
            await asyncio.wait_for(
                self.channel_layer.group_add(group, self.channel_name), LAYER_SECONDS
            )
        except LAYER_ERRORS as error:
            logger.warning("The live channel is down: %s", error)
            await self._end(TRY_AGAIN_LATER)
            return False
        self.joined.add(group)
        return True

    async def _leave(self, group: str) -> None:
        self.joined.discard(group)
        try:
            await asyncio.wait_for(
                self.channel_layer.group_discard(group, self.channel_name),
                LAYER_SECONDS,
            )
        except LAYER_ERRORS as error:
            logger.warning("The live channel is down: %s", error)

    # -- the session

    async def _keep_checking(self) -> None:
        while True:
            await asyncio.sleep(CHECK_SECONDS)
            await self._check()

    async def _check(self) -> None:
        """End with the session; now and then leave groups no longer permitted."""
        try:
            self.staff = await database_sync_to_async(staff_of_session)(
                self.session_key
            )
            self.checks += 1
            if self.staff is not None and self.checks % GROUP_CHECK_EVERY == 0:
                mine = await database_sync_to_async(_allowed)(
                    self.staff, list(self.joined)
                )
                for group in self.joined - set(mine):
                    await self._leave(group)
        except DatabaseError as error:
            # Nothing can be fetched meanwhile either; the next check decides.
            logger.warning("A session can't be checked now: %s", error)
            return
        if self.staff is None:
            await self._end(SESSION_OVER)

    async def _show_presence(self) -> None:
        if time.monotonic() - self.presence_at > PRESENCE_SECONDS:
            self.presence_at = time.monotonic()
            await self._ask(_present, self.staff)

    async def _ask(self, question: Any, *args: Any) -> Any:
        """Run a database question; closes the socket when there is no database."""
        try:
            return await database_sync_to_async(question)(*args)
        except DatabaseError as error:
            logger.warning("The live process has no database: %s", error)
            await self._end(TRY_AGAIN_LATER)
            return None


def _allowed(staff: AbstractBaseUser, groups: list[str]) -> list[str]:
    return [group for group in groups if live.may_subscribe(staff, group)]


def _present(staff: AbstractBaseUser) -> None:
    for handler in live.on_presence:
        handler(staff)


class ChannelWatch:
    """Sends itself a frame through Redis every few seconds and tells the pages when it
    does not arrive: an open socket alone does not show that Redis hangs."""

    EVERY_SECONDS = 2.0
    GROUP = "live.watch"

    def __init__(self) -> None:
        self.pages: set[LiveSocket] = set()
        self.is_up = True

    async def run(self) -> None:
        channel = ""
        while True:
            layer: Any = get_channel_layer()
            try:
                if not channel:
                    channel = await asyncio.wait_for(layer.new_channel(), LAYER_SECONDS)
                    await asyncio.wait_for(
                        layer.group_add(self.GROUP, channel), LAYER_SECONDS
                    )
                is_up = await asyncio.wait_for(
                    self._round_trip(layer, channel), LAYER_SECONDS
                )
            except LAYER_ERRORS:
                is_up, channel = False, ""
            if is_up != self.is_up:
                self.is_up = is_up
                await self._tell("restored" if is_up else "degraded")
            await asyncio.sleep(self.EVERY_SECONDS)

    async def _round_trip(self, layer: Any, channel: str) -> bool:
        stamp = time.monotonic()
        await layer.group_send(self.GROUP, {"type": "watch", "stamp": stamp})
        while (await layer.receive(channel)).get("stamp") != stamp:
            continue
        return True

    async def _tell(self, what: str) -> None:
        logger.warning("The live channel is %s.", what)
        for page in list(self.pages):
            try:
                await page.send_json({"what": what})
            except (OSError, RuntimeError):
                self.pages.discard(page)


watch = ChannelWatch()
