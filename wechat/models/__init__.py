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
from wechat.models.mass import BatchAttempt, MassOutcome, OutboundBatch, OutboundRun
from wechat.models.outbox import Attempt, OutboundMessage

__all__ = [
    "AccessToken",
    "Account",
    "App",
    "Attempt",
    "BatchAttempt",
    "Colleague",
    "InboundEvent",
    "KfAccount",
    "MassOutcome",
    "Media",
    "OutboundBatch",
    "OutboundMessage",
    "OutboundRun",
    "PlatformLimit",
    "QuotaUse",
    "ReplyWindow",
    "SeenContact",
    "SyncRun",
    "VerifyFile",
]
