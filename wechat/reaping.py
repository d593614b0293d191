"""What dead workers leave behind: claims go back, open attempts are settled honestly."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from wechat import evidence, mass_following, runs
from wechat.models import OutboundMessage
from wechat.outcomes import Verdict, fail_planned, record, verdict_of_evidence

State = OutboundMessage.State
BATCH = 200


def sweep() -> int:
    """Settle what is over; how many rows were. Safe to run anywhere at any time."""
    settled = _return_claims() + _settle_attempts() + _expire()
    return settled + runs.fail_stopped() + mass_following.sweep()


def _return_claims() -> int:
    """Claimed and its lease over: certainly not sent, the next worker may have it."""
    return OutboundMessage.objects.filter(
        state=State.CLAIMED, lease_until__lt=timezone.now()
    ).update(state=State.PLANNED, owner="", lease_until=None)


def _settle_attempts() -> int:
    """Sending and its lease over: what the local evidence says, else "unknown".

    Time never makes a second send possible here: "unknown" is sent again only by a
    person, and a worker that wakes up late may still record what it knows.
    """
    lost = list(
        OutboundMessage.objects.filter(
            state=State.SENDING, lease_until__lt=timezone.now()
        )
        .order_by("id")
        .values_list("attempt", flat=True)[:BATCH]
    )
    lines = evidence.find(str(attempt) for attempt in lost) if lost else {}
    settled = 0
    for attempt in lost:
        assert attempt is not None
        line = lines.get(str(attempt))
        verdict = (
            verdict_of_evidence(line)
            if line
            else Verdict(State.UNKNOWN, code="worker_lost")
        )
        settled += record(attempt, verdict)
    return settled


def _expire() -> int:
    """Planned and too late by now: failed, with everybody told."""
    late = OutboundMessage.objects.filter(
        state=State.PLANNED, expires_at__lt=timezone.now()
    ).values_list("pk", flat=True)[:BATCH]
    expired = 0
    for pk in list(late):
        with transaction.atomic():
            expired += fail_planned(pk, "expired")
    return expired


def adopt_late_evidence() -> int:
    """Lines of attempts that were called "unknown" before this machine came back."""
    unknown = [
        str(attempt)
        for attempt in OutboundMessage.objects.filter(
            state=State.UNKNOWN, reason_code="worker_lost"
        ).values_list("attempt", flat=True)[:BATCH]
    ]
    lines = evidence.find(unknown) if unknown else {}
    return sum(
        record(line["attempt"], verdict_of_evidence(line)) for line in lines.values()
    )
