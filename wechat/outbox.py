"""Planning what to say: one row per right to send, in the caller's transaction."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Any

from django.db import transaction

from core import doorbell
from core.crash import crash_point
from core.inserting import insert_new
from staff.models import Staff
from wechat.models import App, OutboundMessage
from wechat.tasks import drain_bulk, drain_outbox


def plan(
    *,
    app: App,
    channel: str,
    recipient: str,
    kind: str,
    payload: dict[str, Any],
    dedupe_key: str,
    purpose: str,
    reference: str = "",
    actor: Staff,
    expires_at: datetime | None = None,
    lane: str = OutboundMessage.Lane.REALTIME,
) -> OutboundMessage:
    """Plan one message to `recipient` (openid or external_userid) and ring for it.

    Safe to repeat: the row that already has `dedupe_key` is returned as it stands,
    whatever its state. `payload` by `kind`: see OutboundMessage. `expires_at`: after it
    the message fails as "expired" instead of being sent.
    """
    planned = OutboundMessage(
        app=app,
        channel=channel,
        recipient=recipient,
        kind=kind,
        payload=payload,
        dedupe_key=dedupe_key,
        purpose=purpose,
        reference=reference,
        created_by=actor,
        expires_at=expires_at,
        lane=lane,
    )
    message = (
        planned
        if insert_new(planned)
        else OutboundMessage.objects.get(dedupe_key=dedupe_key)
    )
    if message.state == OutboundMessage.State.PLANNED:
        crash_point("K1")
        transaction.on_commit(partial(crash_point, "K2"))
        drain = drain_outbox if lane == OutboundMessage.Lane.REALTIME else drain_bulk
        doorbell.ring(drain)
    return message


def plan_many(messages: list[OutboundMessage]) -> None:
    """Plan many messages of a run in one statement and ring for them.

    Rows whose `dedupe_key` stands already stay as they are.
    """
    OutboundMessage.objects.bulk_create(messages, ignore_conflicts=True)
    doorbell.ring(drain_bulk)
