"""Forgetting a person: what the gateway keeps of somebody's messages is emptied.

The rows stay, so that counts and the audit trail hold; nothing in them tells who it was.
"""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Cast, Concat

from wechat.models import (
    Account,
    InboundEvent,
    OutboundBatch,
    OutboundMessage,
    ReplyWindow,
)

_NAMELESS = Concat(
    models.Value("purged:"),
    Cast("pk", models.CharField()),
    output_field=models.CharField(),
)


def forget_subject(account: Account, value: str) -> None:
    """Empty everything about the openid or external_userid `value` on `account`.

    Callbacks not handled yet are left alone: they tell of something newer. Must be
    called inside the caller's transaction.
    """
    InboundEvent.objects.filter(app__account=account, subject=value).exclude(
        state=InboundEvent.State.NEW
    ).update(body=b"", subject="", error="", dedupe_key=_NAMELESS)
    waiting = [OutboundMessage.State.CLAIMED, OutboundMessage.State.SENDING]
    OutboundMessage.objects.filter(app__account=account, recipient=value).exclude(
        state__in=waiting
    ).update(payload={}, recipient="", dedupe_key=_NAMELESS)
    ReplyWindow.objects.filter(app__account=account, recipient=value).delete()
    _leave_batches(account, value)


def _leave_batches(account: Account, value: str) -> None:
    """Take the person out of mass calls that are over; the digest stays as it was.

    An open call must be made again with the very same people; its list is emptied when
    it is settled long enough (wechat.mass_following.empty_old_lists).
    """
    OutboundBatch.objects.filter(
        app__account=account,
        openids__contains=[value],
        state__in=[OutboundBatch.State.SENT, OutboundBatch.State.FAILED],
    ).update(
        openids=models.Func(
            models.F("openids"), models.Value(value), function="array_remove"
        )
    )
