"""Mass calls: claim → intent, committed → call → record.

As in wechat.sending, with one difference: the platform knows a key of ours for 24 h, so
a call whose answer is open is made again, identical, until the platform tells that it
has it (45065) or takes it. https://developers.weixin.qq.com/doc/service/api/notify/message/api_masssend.html
"""

from __future__ import annotations

import hashlib
import json
import logging
import time
import uuid
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import DatabaseError, connection, transaction
from django.db.models import Q
from django.utils import timezone

from core.crash import crash_point
from wechat import clock, evidence, limits, media, runs, tokens
from wechat.api import PlatformError, mp_client
from wechat.holding import free_apps, free_for_mass, is_held, is_mass_held
from wechat.mass_outcomes import (
    fail,
    give_up,
    key_is_forgotten,
    locked,
    open_verdict,
    put_back,
    record,
    sent_verdict,
    to_unknown,
    verdict_of,
)
from wechat.models import Account, App, BatchAttempt, OutboundBatch, OutboundRun
from wechat.outcomes import Verdict
from wechat.processes import identity
from wechat.registry import veto_for_batch
from wechat.sending import MARGIN_PART, is_stopped

logger = logging.getLogger(__name__)

State = OutboundBatch.State
RATE = "mp.mass.minute"
INTENT_FIELDS = [
    *("state", "attempt", "attempts", "lease_until", "next_at", "request"),
    *("first_called_at", "reason_code", "reason"),
]


def drain(seconds: float = 20.0) -> int:
    """Make the mass calls that are due for at most `seconds`; how many were handled."""
    deadline = time.monotonic() + seconds
    handled = 0
    while time.monotonic() < deadline:
        batch = claim()
        if batch is None:
            break
        try:
            send(batch)
        except Exception:
            # The others are independent; this one must not come round for ever.
            logger.exception("Batch %s could not be carried through", batch.pk)
            give_up(batch)
        handled += 1
    return handled


def claim() -> OutboundBatch | None:
    """Take the first batch to call, or to call again; None when there is none."""
    if is_stopped():
        return None
    now = timezone.now()
    is_open = Q(state=State.SENDING, remote_id="", lease_until__lte=now)
    with transaction.atomic():
        batch = (
            OutboundBatch.objects.filter(
                Q(state=State.PLANNED) | is_open,
                free_apps(now),
                free_for_mass(now),
                next_at__lte=now,
                run__state=OutboundRun.State.RUNNING,
            )
            .select_related("app__account", "run")
            .defer("openids")
            .select_for_update(skip_locked=True, no_key=True, of=("self",))
            .order_by("next_at", "id")
            .first()
        )
        if batch is None:
            return None
        if batch.state == State.PLANNED:
            batch.state = State.CLAIMED
        batch.owner = identity()
        batch.generation += 1
        batch.lease_until = now + timedelta(seconds=settings.LEASE_SECONDS)
        batch.save(update_fields=["state", "owner", "generation", "lease_until"])
    crash_point("K3")
    return batch


def send(batch: OutboundBatch) -> None:
    """Carry one claimed batch through; every way out leaves a state with a reason."""
    try:
        request = _prepare(batch)
    except PlatformError as error:
        put_back(batch, verdict_of(error, batch, is_replay=False))
        return
    except media.MediaMissing:
        fail(batch, "media_missing")
        return
    is_replay = batch.state == State.SENDING
    attempt = _intend(batch, request)
    if attempt is None:
        return
    crash_point("K5")
    verdict = _call(batch, is_replay=is_replay)
    evidence.append(verdict.as_evidence(attempt))
    crash_point("K8")
    try:
        record(attempt, verdict)
    except DatabaseError:
        logger.exception("Outcome of attempt %s stands in the evidence only", attempt)
        connection.close()
    crash_point("K9")


# -- what is said


def _prepare(batch: OutboundBatch) -> dict[str, Any]:
    """Token and body; failing here certainly sent nothing of this batch."""
    tokens.current(batch.app)
    if batch.request:
        return dict(batch.request)
    return request_of(batch.app, batch.kind, batch.payload, run=batch.run)


def request_of(
    app: App, kind: str, payload: dict[str, Any], *, run: OutboundRun | None = None
) -> dict[str, Any]:
    """The body without the people. Raises MediaMissing and PlatformError.

    Articles need a draft on the platform: made once for a `run`, else every time.
    """
    if kind == OutboundBatch.Kind.TEXT:
        return {"msgtype": "text", "text": {"content": str(payload["text"])}}
    if kind == OutboundBatch.Kind.IMAGE:
        media_id = media.platform_id(app, int(payload["media"]))
        return {"msgtype": "image", "image": {"media_id": media_id}}
    article = payload["article"]
    draft = _new_draft(app, article) if run is None else _draft(app, run, article)
    return {
        "msgtype": "mpnews",
        "mpnews": {"media_id": draft},
        "send_ignore_reprint": 0,
    }


def _draft(app: App, run: OutboundRun, article: dict[str, Any]) -> str:
    """The draft of the article on the platform, made once for the run.

    Two workers may make one each: a draft too many in the account's own list.
    """
    text = json.dumps(article, sort_keys=True, ensure_ascii=False)
    digest = hashlib.sha256(text.encode()).hexdigest()
    known = OutboundRun.objects.values_list("draft_id", "draft_digest").get(pk=run.pk)
    if known[0] and known[1] == digest:
        return known[0]
    draft = _new_draft(app, article)
    OutboundRun.objects.filter(pk=run.pk).update(draft_id=draft, draft_digest=digest)
    return draft


def _new_draft(app: App, article: dict[str, Any]) -> str:
    cover = media.material_id(app, int(article["cover_media"]))
    written = {
        "title": article["title"],
        "author": article.get("author", ""),
        "digest": article.get("digest", ""),
        "content": article["content_html"],
        "content_source_url": article.get("content_source_url", ""),
        "thumb_media_id": cover,
    }
    return mp_client(app).add_draft([written])


# -- intent


def _intend(batch: OutboundBatch, request: dict[str, Any]) -> uuid.UUID | None:
    """Commit the intent to call; None when it must not be called now or is not ours."""
    attempt = uuid.uuid4()
    try:
        with transaction.atomic():
            row = _locked_claim(batch)
            if row is None or not _is_allowed(row):
                return None
            now = timezone.now()
            row.state = State.SENDING
            row.attempt = batch.attempt = attempt
            row.attempts += 1
            row.request = request
            row.lease_until = now + timedelta(seconds=settings.LEASE_SECONDS)
            # Whoever finds it after us waits out the platform's minute.
            row.next_at = now + timedelta(seconds=settings.MASS_REPLAY_SECONDS)
            row.first_called_at = row.first_called_at or clock.platform_time(
                row.app.account, now
            )
            row.reason_code = row.reason = ""
            row.save(update_fields=INTENT_FIELDS)
            BatchAttempt.objects.create(
                batch=row,
                attempt=attempt,
                phase="intent",
                owner=row.owner,
                evidence={"openids_sha256": row.openids_sha256, "size": row.size},
            )
            batch.attempts, batch.request = row.attempts, request
            crash_point("K4")
    except DatabaseError:
        # Whether the commit stands is not known and nothing is called: if it stands,
        # the row is taken for open and the call is made by whoever claims it next.
        logger.exception("Intent of batch %s could not be confirmed", batch.pk)
        connection.close()
        return None
    return attempt


def _locked_claim(batch: OutboundBatch) -> OutboundBatch | None:
    """The row, locked, when it is still this worker's with enough of its lease left."""
    margin = timedelta(seconds=settings.LEASE_SECONDS * MARGIN_PART)
    return locked(
        pk=batch.pk,
        state=batch.state,
        owner=batch.owner,
        generation=batch.generation,
        lease_until__gt=timezone.now() + margin,
    )


def _is_allowed(row: OutboundBatch) -> bool:
    """Decide on the locked row; what may not go is settled here."""
    now = timezone.now()
    is_first = row.state == State.CLAIMED
    if is_first and row.expires_at and row.expires_at <= now:
        fail(row, "expired")
        return False
    if is_first and row.run.state == OutboundRun.State.STOPPED:
        fail(row, "stopped")
        return False
    if not _may_go_now(row):
        put_back(row, Verdict(State.PLANNED, code="", retry_seconds=1))
        return False
    if not is_first and key_is_forgotten(row, clock.platform_time(row.app.account)):
        to_unknown(row.pk, "replay_over")
        return False
    veto = veto_for_batch(row) if is_first else None
    if veto is not None:
        fail(row, veto.code, str(veto.text))
        return False
    return _has_room(row)


def _may_go_now(row: OutboundBatch) -> bool:
    app, now = row.app, timezone.now()
    is_live = app.account.state == Account.State.LIVE and app.is_active
    is_free = not (is_stopped() or is_held(app, now) or is_mass_held(app, now))
    return is_live and is_free and row.run.state == OutboundRun.State.RUNNING


def _has_room(row: OutboundBatch) -> bool:
    """Take one of the calls of this minute; without one all mass calls wait for it."""
    period = limits.reserve(row.app, RATE)
    if period is None:
        until = limits.period_end(RATE, timezone.now())
        put_back(row, Verdict(State.PLANNED, code="rate_used", hold_until=until))
        return False
    # The platform counts calls, whatever comes of them.
    limits.settle(row.app, RATE, period, is_used=True)
    return True


# -- call


def _call(batch: OutboundBatch, *, is_replay: bool) -> Verdict:
    """The one call. Anything unforeseen after the first byte leaves it open."""
    openids = OutboundBatch.objects.values_list("openids", flat=True).get(pk=batch.pk)
    if runs.digest_of(openids) != batch.openids_sha256:
        raise RuntimeError(f"The people of batch {batch.pk} are not those frozen")
    try:
        answer = mp_client(batch.app).mass_send(
            openids, batch.request, batch.clientmsgid
        )
    except PlatformError as error:
        return verdict_of(error, batch, is_replay=is_replay)
    verdict = sent_verdict(answer)
    if verdict.state == State.SENDING:
        return open_verdict(verdict.code, batch.attempts)
    return verdict
