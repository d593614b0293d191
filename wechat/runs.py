"""Runs: many sends of one decision, begun, paused, gone on with and stopped as one."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import transaction

from core import doorbell
from core.models import Instance
from staff.models import Staff
from wechat import limits
from wechat.models import App, OutboundBatch, OutboundMessage, OutboundRun

State = OutboundRun.State
KEY_LENGTH = 40  # of at most 64 bytes
CHUNK = 200


def begin(*, app: App, purpose: str, reference: str, actor: Staff) -> OutboundRun:
    """The run of `purpose` and `reference`; safe to repeat, whatever its state is."""
    run, _created = OutboundRun.objects.get_or_create(
        purpose=purpose,
        reference=reference,
        defaults={"app": app, "created_by": actor},
    )
    return run


def move(run: OutboundRun, state: str) -> bool:
    """Let the run go on or stand still; False when it was stopped for good.

    Each sender makes at most the one call it has begun already.
    """
    rows = OutboundRun.objects.filter(pk=run.pk).exclude(state=State.STOPPED)
    if not rows.update(state=state):
        return False
    run.state = state
    if state == State.RUNNING:
        _ring()
    return True


def _ring() -> None:
    from wechat.tasks import drain_bulk, drain_mass

    doorbell.ring(drain_bulk)
    doorbell.ring(drain_mass)


def plan_batch(
    run: OutboundRun,
    *,
    number: int,
    kind: str,
    payload: dict[str, Any],
    openids: Sequence[str],
    reference: str = "",
    expires_at: datetime | None = None,
) -> OutboundBatch:
    """Plan mass call `number` of `run` to exactly these people, and ring for it.

    Raises ValueError for fewer or more people than the platform takes, IntegrityError
    when the run already has the number.
    """
    size = len(openids)
    if not limits.value("mp.mass.size_min") <= size <= limits.value("mp.mass.size_max"):
        raise ValueError(f"{size} people are too few or too many for a mass call")
    batch = OutboundBatch.objects.create(
        app_id=run.app_id,
        run=run,
        number=number,
        reference=reference,
        kind=kind,
        payload=payload,
        openids=list(openids),
        openids_sha256=digest_of(openids),
        size=size,
        clientmsgid=key_of(run, number),
        expires_at=expires_at,
    )
    from wechat.tasks import drain_mass

    doorbell.ring(drain_mass)
    return batch


def key_of(run: OutboundRun, number: int) -> str:
    """The call's `clientmsgid`: the same for this batch for ever, on no other copy."""
    epoch = Instance.objects.values_list("epoch", flat=True).first()
    text = f"{epoch}:{run.pk}:{number}"
    digest = hashlib.sha256(text.encode()).digest()
    return base64.b32encode(digest).decode()[:KEY_LENGTH]


def digest_of(openids: Sequence[str]) -> str:
    return hashlib.sha256(json.dumps(list(openids)).encode()).hexdigest()


def fail_stopped() -> int:
    """Settle what stopped runs left waiting; how many rows. In chunks, for the sweep."""
    from wechat import mass_outcomes, outcomes

    settled = 0
    for pk in _waiting(OutboundMessage):
        with transaction.atomic():
            settled += outcomes.fail_planned(pk, "stopped")
    for pk in _waiting(OutboundBatch):
        with transaction.atomic():
            settled += mass_outcomes.fail_planned(pk, "stopped")
    return settled


def _waiting(model: type[OutboundMessage] | type[OutboundBatch]) -> list[int]:
    stopped = OutboundRun.objects.filter(state=State.STOPPED)
    rows = model._default_manager.filter(run__in=stopped, state="planned")
    return list(rows.order_by("run_id", "pk").values_list("pk", flat=True)[:CHUNK])
