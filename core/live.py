"""Telling open pages that something changed: ids only, pages fetch the rest.

A lost frame costs seconds, never content: a page that reconnects, or that is told the
channel is down, fetches everything again. Frames go through Redis in the wire format
of the Channels layer (`channels_redis.pubsub`), published synchronously: an event loop
and a connection per call would cost a worker more than the work it tells of.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import redis
from channels.layers import get_channel_layer
from django.conf import settings
from django.db import transaction
from django.http import HttpRequest
from redis.backoff import NoBackoff
from redis.retry import Retry

if TYPE_CHECKING:
    from django.contrib.auth.base_user import AbstractBaseUser

logger = logging.getLogger(__name__)

# After a failure nothing is published for so long: a hung Redis must not cost every
# request its time-out.
PAUSE_SECONDS = 3.0
_paused_until = 0.0
# What a drain's frames wait for each other at most.
GATHER_SECONDS = 0.05
Frame = tuple[str, dict[str, Any]]

LOOPBACK = {"127.0.0.1", "localhost"}

Permits = Callable[[Any, int], bool]
Presence = Callable[[Any], None]
_permits: dict[str, Permits] = {}
on_presence: list[Presence] = []


def address(request: HttpRequest) -> str:
    """Where a page opens its WebSocket: cookies go only to the name it came from."""
    url = urlsplit(settings.LIVE_URL)
    asked = urlsplit(f"//{request.get_host()}").hostname or ""
    if url.hostname not in LOOPBACK or asked not in LOOPBACK:
        return str(settings.LIVE_URL)
    return url._replace(netloc=f"{asked}:{url.port}").geturl()


def notify(group: str, **ids: int | str) -> None:
    """Tell the pages subscribed to `group` ("conversation.42") after the commit.

    Never raises and never waits longer than the Redis time-out. `session="ended"` to
    "staff.<id>" makes that person's sockets look at their session at once; they do so
    every few seconds anyway.
    """
    message = {"type": "changed", "group": group, "ids": ids}
    transaction.on_commit(partial(_publish, group, message))


def subject(prefix: str) -> Callable[[Permits], Permits]:
    """Register who may subscribe to groups "<prefix>.<id>": f(staff, id) → bool."""

    def register(permits: Permits) -> Permits:
        _permits[prefix] = permits
        return permits

    return register


def may_subscribe(staff: AbstractBaseUser, group: str) -> bool:
    """Whether the person may hear of `group`; False for names nobody registered."""
    prefix, _, number = group.partition(".")
    if not (number.isascii() and number.isdigit() and len(number) < 19):
        return False
    if prefix == "staff":
        return bool(int(number) == staff.pk)
    permits = _permits.get(prefix)
    return permits is not None and permits(staff, int(number))


@contextmanager
def gathering() -> Iterator[None]:
    """Publish what this thread notifies of in few calls, and what is the same once.

    For drains, which call `deliver` between their rows; the end of the block delivers
    the rest.
    """
    _gathered.frames = {}
    try:
        yield
    finally:
        frames, _gathered.frames = _gathered.frames, None
        _send(list(frames.values()))


def deliver() -> None:
    """Publish what was gathered if the first of it has waited for GATHER_SECONDS."""
    frames = _gathered.frames
    if frames and time.monotonic() - _gathered.since > GATHER_SECONDS:
        _gathered.frames = {}
        _send(list(frames.values()))


class _Gathered(threading.local):
    frames: dict[str, Frame] | None = None
    since = 0.0


_gathered = _Gathered()


def _publish(group: str, message: dict[str, Any]) -> None:
    frames = _gathered.frames
    if frames is None:
        _send([(group, message)])
        return
    if not frames:
        _gathered.since = time.monotonic()
    frames[repr((group, message))] = (group, message)


def _send(frames: list[Frame]) -> None:
    global _paused_until
    if not frames or time.monotonic() < _paused_until:
        return
    layer = get_channel_layer()
    config: Any = settings.CHANNEL_LAYERS["default"]["CONFIG"]
    try:
        with _redis().pipeline(transaction=False) as pipeline:
            for group, message in frames:
                channel = f"{config['prefix']}__group__{group}"
                pipeline.publish(channel, layer.serialize(message))
            pipeline.execute()
    except (redis.RedisError, OSError) as error:
        _paused_until = time.monotonic() + PAUSE_SECONDS
        logger.warning("Live channel is down, pages will poll: %s", error)


@lru_cache(maxsize=1)
def _redis() -> redis.Redis:
    return redis.Redis.from_url(
        settings.REDIS_URL,
        socket_timeout=settings.REDIS_TIMEOUT_SECONDS,
        socket_connect_timeout=settings.REDIS_TIMEOUT_SECONDS,
        retry=Retry(NoBackoff(), 0),
    )
