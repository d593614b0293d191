"""The platforms' HTTP APIs. Nothing outside this package imports wechatpy's clients."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wechat.api.errors import Outcome, PlatformError, Reach, Refusal

if TYPE_CHECKING:
    from wechat.api.mp import MpClient
    from wechat.api.wecom import WecomClient
    from wechat.models import App

__all__ = [
    "Outcome",
    "PlatformError",
    "Reach",
    "Refusal",
    "mp_client",
    "wecom_client",
]


def mp_client(app: App) -> MpClient:
    """Client of an official account's app; `app.account` should be loaded."""
    from wechat.api.mp import MpClient

    return MpClient(app)


def wecom_client(app: App) -> WecomClient:
    """Client of one self-built app of a WeCom corp."""
    from wechat.api.wecom import WecomClient

    return WecomClient(app)
