"""What the outbound half adds to the registries below it."""

from __future__ import annotations

from functools import partial

from core import registry, sweep
from wechat import limits, media, reaping, sending
from wechat import windows as windows  # registers its handlers


def register() -> None:
    """Called once, from WechatConfig.ready()."""
    registry.builtin_data.append(limits.load_builtin)
    sweep.register("wechat.reaper", reaping.sweep)
    sweep.register("wechat.outbox", partial(sending.drain, "realtime"))
    sweep.register("wechat.bulk", partial(sending.drain, "bulk"))
    sweep.register("wechat.media", media.fetch_wanted)
