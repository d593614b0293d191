"""Feeding touches to the gateway: chunk by chunk, never much ahead of what is sent.

Each chunk is one transaction on the locked row of the touch: who of the next people must
not get it now is left out, the others are planned at the gateway, and both are written
at once. May run in any number of processes; of one touch one feeds.
"""

from __future__ import annotations

import logging
import time
from datetime import timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import Count, Max, Min
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from campaigns import counts, links, pace, sending, snapshots
from campaigns.models import Recipient, Touch
from content import links as written
from content import rendering
from content.models import Version
from core import registry, sweep
from core.registry import HealthCheck, HealthResult
from crm import preference_links, quiet_hours
from staff.accounts import system_staff
from wechat import limits, media, outbox, runs
from wechat.models import OutboundBatch, OutboundMessage, OutboundRun

logger = logging.getLogger(__name__)

# Single messages planned and not yet sent, per touch; and mass calls.
MESSAGES_AHEAD = 1000
MESSAGES_AT_ONCE = 250
BATCHES_AHEAD = 2
MANY = 1000
SECONDS = 20.0
NEGLECTED = timedelta(minutes=1)
State = Touch.State
Waiting = Recipient.State.WAITING
NOTE = """
UPDATE campaigns_recipient recipient SET message_id = message.id
FROM wechat_outboundmessage message
WHERE recipient.id = ANY(%s)
  AND message.dedupe_key = 'touch:' || recipient.touch_id || ':' || recipient.member_id
"""


def register() -> None:
    """Called once, in AppConfig.ready()."""
    sweep.register("campaigns.touches", drain)
    registry.health_checks.append(
        HealthCheck(
            "touches",
            gettext_lazy("Campaign messages"),
            health,
            advice=gettext_lazy("Start worker; look at the touches that are held."),
        )
    )


def health() -> HealthResult:
    """Whether what is being sent is looked after, and how much is held."""
    states = dict(
        Touch.objects.filter(state__in=[State.SENDING, State.HELD, State.PAUSED])
        .values_list("state")
        .annotate(touches=Count("pk"))
    )
    oldest = Touch.objects.sendable().aggregate(at=Min("fed_at"))["at"]
    age = (timezone.now() - oldest).total_seconds() if oldest else 0.0
    figures = {**states, "oldest_seconds": round(age)}
    if age > NEGLECTED.total_seconds():
        return HealthResult(False, _("A touch is not being looked after."), figures)
    return HealthResult(True, _("Campaign messages go out."), figures)


def drain(seconds: float = SECONDS) -> int:
    """Start what is due, feed what is being sent, end what is over; chunks fed."""
    deadline = time.monotonic() + seconds
    sending.start_due()
    sending.wake_held()
    fed = 0
    while time.monotonic() < deadline:
        turn = [_safely(pk) for pk in _sendable()]
        if not any(turn):
            break
        fed += sum(turn)
    _end_stopped(deadline)
    counts.fold_long()
    return fed


def _sendable() -> list[int]:
    return list(Touch.objects.sendable().order_by("?").values_list("pk", flat=True))


def _safely(pk: int) -> bool:
    try:
        return feed(pk)
    except Exception:
        # The other touches are independent; this one is looked at again next time.
        logger.exception("Touch %s could not be fed", pk)
        return False


def feed(pk: int) -> bool:
    """One chunk of one touch; False when there is nothing to feed now."""
    with transaction.atomic():
        touch = (
            Touch.objects.sendable()
            .select_related("account", "version__item", "version__picture")
            .select_for_update(no_key=True, of=("self",), skip_locked=True)
            .filter(pk=pk)
            .first()
        )
        if touch is None:
            return False
        now = timezone.now()
        if pace.is_expired(touch, now):
            return _expire(touch)
        why = pace.while_sending(touch, now)
        if why is not None:
            sending.halt(touch, why)
            return False
        if touch.fed_at == touch.watched_from:
            _tell_planner(touch)
        Touch.objects.filter(pk=pk).update(fed_at=now)
        run = sending.run_of(touch)
        assert run is not None  # made with the state
        try:
            with transaction.atomic():
                is_fed = _chunk(touch, run)
        except media.MediaMissing:
            sending.halt(touch, pace.Halt(State.HELD, "not_sendable"))
            return False
        return is_fed or _finish_if_over(touch)


def _tell_planner(touch: Touch) -> None:
    """Statistics of a snapshot written just now: without them a chunk takes minutes."""
    if touch.planned_count >= MANY:
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE campaigns_recipient")


def _chunk(touch: Touch, run: OutboundRun) -> bool:
    if touch.channel == Touch.Channel.MASS:
        return _plan_batch(touch, run)
    return _plan_messages(touch, run)


def _finish_if_over(touch: Touch) -> bool:
    if not Recipient.objects.filter(touch=touch, state=Waiting).exists():
        sending.finish(touch)
    return False


def _expire(touch: Touch) -> bool:
    """Too late for who still waits; what is on its way comes to its end."""
    if sending.leave_out(touch, "expired"):
        return True
    return _finish_if_over(touch)


def _end_stopped(deadline: float) -> None:
    """Leave out who waits in stopped touches, and what stood too long in held ones."""
    stopped = Touch.objects.filter(state=State.STOPPED, finished_at=None)
    for touch in stopped[:50]:
        while time.monotonic() < deadline:
            with transaction.atomic():
                if sending.leave_out(touch, "stopped"):
                    continue
            if not Recipient.objects.filter(touch=touch, state=Waiting).exists():
                stopped.filter(pk=touch.pk).update(finished_at=timezone.now())
            break
    held = Touch.objects.filter(state=State.HELD, reason_code="quiet_window")
    for touch in held[:50]:
        if pace.is_expired(touch, timezone.now()):
            with transaction.atomic():
                sending.leave_out(touch, "quiet_hours")


def _waiting(touch: Touch) -> Any:
    """Who waits and is not on the way, first come first.

    Whoever wants no message at this hour goes on waiting, as long as the touch is valid.
    """
    rows = Recipient.objects.filter(
        touch=touch, state=Waiting, batch=None, message=None
    )
    resting = quiet_hours.resting(timezone.now(), member="member_id")
    return rows.exclude(resting).order_by("pk")


def _somebody_rests(touch: Touch) -> bool:
    rows = Recipient.objects.filter(touch=touch, state=Waiting)
    return rows.filter(quiet_hours.resting(timezone.now(), member="member_id")).exists()


# -- mass calls


def _plan_batch(touch: Touch, run: OutboundRun) -> bool:
    """The next mass call, when not enough are planned ahead."""
    states = OutboundBatch.State
    mine = OutboundBatch.objects.filter(run=run)
    if mine.filter(state__in=[states.PLANNED, states.CLAIMED]).count() >= BATCHES_AHEAD:
        return False
    people = _next_people(touch, pace.batch_size(touch))
    smallest = limits.value("mp.mass.size_min")
    if len(people) < smallest:
        if people and not mine.unfinished().exists() and not _somebody_rests(touch):
            # Nobody can come back any more to join them.
            Recipient.objects.filter(pk__in=[pk for pk, _address in people]).update(
                state=Recipient.State.EXCLUDED, reason="batch_too_small"
            )
            return True
        return False
    kind, payload = _content(touch, run)
    number = (mine.aggregate(last=Max("number"))["last"] or 0) + 1
    batch = runs.plan_batch(
        run,
        number=number,
        kind=kind,
        payload=links.tracked(payload, touch, None),
        openids=[address for _pk, address in people],
        reference=f"{people[0][0]}-{people[-1][0]}",
        expires_at=pace.expiry(touch),
    )
    Recipient.objects.filter(pk__in=[pk for pk, _address in people]).update(batch=batch)
    return True


def _next_people(touch: Touch, size: int) -> list[tuple[int, str]]:
    """(pk, address) of the next batch, all of them sendable now, nobody left alone."""
    most = limits.value("mp.mass.size_max")
    checked: set[int] = set()
    while True:
        rows = list(_waiting(touch).values_list("pk", "address")[: size + 2])
        new = [pk for pk, _address in rows if pk not in checked]
        if not new or not snapshots.recheck(touch, new):
            break
        checked.update(new)
    if len(rows) != size + 1:
        return rows[:size]
    # One more than a batch: nobody can be called alone afterwards.
    return rows if size + 1 <= most and size <= 2 else rows[: size - 1]


def _content(touch: Touch, run: OutboundRun) -> tuple[str, dict[str, Any]]:
    version = version_of(touch)
    payload = rendering.payload_for(
        version, app=run.app, actor=system_staff(sending.WRITER)
    )
    return rendering.message_kind(version), payload


def version_of(touch: Touch) -> Version:
    """What the touch says. Raises MediaMissing when it says nothing."""
    if touch.version is None:
        raise media.MediaMissing
    return touch.version


# -- single messages


def _plan_messages(touch: Touch, run: OutboundRun) -> bool:
    """The next messages, when there is room among those planned ahead."""
    states = OutboundMessage.State
    ahead = OutboundMessage.objects.filter(
        run=run, state__in=[states.PLANNED, states.CLAIMED, states.SENDING]
    ).count()
    if MESSAGES_AHEAD - ahead < MESSAGES_AT_ONCE:
        return False
    pks = list(_waiting(touch).values_list("pk", flat=True)[:MESSAGES_AT_ONCE])
    if not pks:
        return False
    snapshots.recheck(touch, pks)
    people = list(_waiting(touch).filter(pk__in=pks))
    if people:
        outbox.plan_many(_messages(touch, run, people))
        with connection.cursor() as cursor:
            cursor.execute(NOTE, [[each.pk for each in people]])
    return True


def _messages(
    touch: Touch, run: OutboundRun, people: list[Recipient]
) -> list[OutboundMessage]:
    kind, payload = _content(touch, run)
    if kind not in OutboundMessage.Kind.values:
        raise media.MediaMissing
    tracked = {url: link.pk for url, link in links.prepare(touch).items()}
    own: dict[int, str] = {}
    if preference_links.is_named_in(payload):
        own = preference_links.addresses_of([each.member_id for each in people])
    return [
        OutboundMessage(
            app_id=run.app_id,
            run=run,
            channel=OutboundMessage.Channel.MP_CUSTOM,
            kind=kind,
            recipient=person.address,
            payload=_for_person(payload, tracked, person, own),
            dedupe_key=f"touch:{touch.pk}:{person.member_id}",
            purpose=sending.PURPOSE,
            reference=str(person.pk),
            created_by=system_staff(sending.WRITER),
            expires_at=pace.expiry(touch),
            lane=OutboundMessage.Lane.BULK,
        )
        for person in people
    ]


def _for_person(
    payload: dict[str, Any],
    tracked: dict[str, int],
    person: Recipient,
    own: dict[int, str],
) -> dict[str, Any]:
    """With addresses that tell whose they are; `own`: preference pages by member."""
    if person.member_id in own:
        payload = preference_links.filled(payload, own[person.member_id])
    if not tracked or "text" not in payload:
        return payload
    by = {url: links.address_of(link, person.pk) for url, link in tracked.items()}
    return {**payload, "text": written.replaced(payload["text"], by)}
