from wechat.models.accounts import (
    AccessToken,
    Account,
    App,
    KfAccount,
    PlatformLimit,
    QuotaUse,
    ReplyWindow,
    VerifyFile,
)
from wechat.models.directory import Colleague, Media, SeenContact, SyncRun
from wechat.models.inbox import InboundEvent
from wechat.models.outbox import Attempt, OutboundBatch, OutboundMessage

__all__ = [
    "AccessToken",
    "Account",
    "App",
    "Attempt",
    "Colleague",
    "InboundEvent",
    "KfAccount",
    "Media",
    "OutboundBatch",
    "OutboundMessage",
    "PlatformLimit",
    "QuotaUse",
    "ReplyWindow",
    "SeenContact",
    "SyncRun",
    "VerifyFile",
]
