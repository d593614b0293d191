"""Access tokens: one per app, in PostgreSQL, refreshed by whoever claims the row.

The claim is a compare-and-set with a lease; the call is made outside any transaction;
everybody else waits for the row to change. However many processes see the same token
refused, one asks for a new one, and at most one in MIN_INTERVAL.
"""

from __future__ import annotations

import logging
import time
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from wechat import limits
from wechat.api import transport
from wechat.api.errors import Outcome, PlatformError, refusal_of
from wechat.models import AccessToken, App

logger = logging.getLogger(__name__)

MIN_INTERVAL = timedelta(seconds=10)
FORCE_INTERVAL = timedelta(seconds=30)
NETWORK_PAUSE = timedelta(seconds=1)
# The platform gives the next stable token five minutes before the end of the last.
AHEAD = timedelta(minutes=5)
POLL_SECONDS = 0.05
MP_URL = "https://api.weixin.qq.com/cgi-bin/stable_token"
WECOM_URL = "https://qyapi.weixin.qq.com/cgi-bin/gettoken"


@dataclass(frozen=True)
class Token:
    """A token's value and which of the app's tokens it is."""

    value: str
    generation: int


def current(app: App) -> Token:
    """The app's token, fetched first when there is none that lives another minute.

    Raises PlatformError with outcome "not_sent": whatever was to be called was not.
    """
    row = _row(app)
    if row.is_usable():
        return Token(row.value, row.generation)
    return _refresh(app, row.generation, refused="")


def renew(app: App, refused: Token) -> Token:
    """Another token than `refused`, which the platform did not take."""
    row = _row(app)
    if row.generation != refused.generation and row.is_usable():
        return Token(row.value, row.generation)
    return _refresh(app, refused.generation, refused=refused.value)


def forget(app: App) -> None:
    """Drop the token: the credentials changed, or an administrator wants a fresh one."""
    AccessToken.objects.filter(app=app).update(
        value="",
        generation=F("generation") + 1,
        expires_at=None,
        refresh_owner="",
        refresh_until=None,
        refreshed_at=None,
        renewed_at=None,
        last_error="",
        last_errcode=None,
        is_suspect=False,
    )


def refresh_ending() -> None:
    """Renew ahead what ends within AHEAD, of apps that were used; failures are kept."""
    ending = App.objects.filter(
        is_active=True,
        account__state="live",
        access_token__expires_at__lt=timezone.now() + AHEAD,
    ).select_related("account")
    for app in ending:
        try:
            _refresh(app, _row(app).generation, refused="")
        except PlatformError as error:
            logger.warning("Token of app %s: %s", app.pk, error.code)


def _row(app: App) -> AccessToken:
    row = AccessToken.objects.filter(app=app).first()
    if row is None:
        AccessToken.objects.bulk_create([AccessToken(app=app)], ignore_conflicts=True)
        row = AccessToken.objects.get(app=app)
    return row


def _refresh(app: App, generation: int, *, refused: str) -> Token:
    """Claim and fetch, or wait for who did."""
    # A claimer that died must not cost a welcome its 20 seconds.
    lease = sum(settings.PLATFORM_TIMEOUT) + 2
    deadline = time.monotonic() + lease
    while True:
        now, owner = timezone.now(), uuid.uuid4().hex
        free = Q(refresh_until=None) | Q(refresh_until__lt=now)
        # A fetch for want of a token is no renewal: its token may be refused at once.
        rested = Q(renewed_at=None) | Q(renewed_at__lt=now - MIN_INTERVAL)
        if not refused:
            rested = Q()
        claimed = AccessToken.objects.filter(
            free, rested, app=app, generation=generation
        ).update(refresh_owner=owner, refresh_until=now + timedelta(seconds=lease))
        if claimed:
            return _fetch_claimed(app, owner, refused)
        row = _row(app)
        if row.generation != generation and row.is_usable():
            return Token(row.value, row.generation)
        if row.generation != generation:
            generation = row.generation
        elif not row.refresh_owner or time.monotonic() > deadline:
            raise _resting(app, row)
        time.sleep(POLL_SECONDS)


def _resting(app: App, row: AccessToken) -> PlatformError:
    """Nobody is fetching and it is too early to try again: what the last try said."""
    if row.last_errcode:
        refusal = refusal_of(row.last_errcode, is_wecom=app.account.is_wecom)
        return PlatformError(
            refusal.text,
            outcome=Outcome.NOT_SENT,
            code=f"errcode_{row.last_errcode}",
            errcode=row.last_errcode,
            retryable=True,
            refusal=refusal,
        )
    text = _("The platform refused the access token; a new one was fetched just now.")
    if row.last_error:
        text = _("No access token: the platform can't be reached.")
    return PlatformError(
        text, outcome=Outcome.NOT_SENT, code="token_resting", retryable=True
    )


def _fetch_claimed(app: App, owner: str, refused: str) -> Token:
    row = AccessToken.objects.get(app=app)
    mine = AccessToken.objects.filter(app=app, refresh_owner=owner)
    force = _may_force(app, row, refused)
    try:
        value, lives = fetch(app, force=force)
    except PlatformError as error:
        # The lease stays as a pause: everybody else gets this answer until it is over.
        is_network = error.outcome is Outcome.NOT_SENT
        pause = NETWORK_PAUSE if is_network else MIN_INTERVAL
        mine.update(
            refresh_owner="",
            refresh_until=timezone.now() + pause,
            last_error=str(error)[:300],
            last_errcode=error.errcode,
        )
        error.outcome = Outcome.NOT_SENT
        raise
    now = timezone.now()
    changed: dict[str, Any] = {"is_suspect": bool(refused) and value == refused}
    if refused:
        changed["renewed_at"] = now
    if refused and value != refused and not force and _was_young(row, now):
        # It died early and a different one was ready: somebody else asked for it.
        logger.warning("Token of app %s was refreshed by another system.", app.pk)
        changed["foreign_refresh_at"] = now
    row.value = value
    stored = mine.update(
        value=value,
        generation=F("generation") + 1,
        expires_at=now + timedelta(seconds=lives),
        refreshed_at=now,
        refresh_owner="",
        refresh_until=None,
        last_error="",
        last_errcode=None,
        **changed,
    )
    if not stored:  # the lease ran out meanwhile; the row's own token counts
        return current(app)
    return Token(value, AccessToken.objects.values_list("generation").get(app=app)[0])


def _was_young(row: AccessToken, now: datetime) -> bool:
    """Refused more than five minutes before its end."""
    return bool(row.expires_at and row.expires_at - now > timedelta(minutes=5))


def _may_force(app: App, row: AccessToken, refused: str) -> bool:
    """Force a new stable token only when the platform gave the refused one again.

    force_refresh is allowed 20 times a day, 30 s apart
    (https://developers.weixin.qq.com/doc/service/en/api/base/api_getstableaccesstoken.html).
    """
    if app.account.is_wecom or not refused or not row.is_suspect:
        return False
    if row.refreshed_at and timezone.now() - row.refreshed_at < FORCE_INTERVAL:
        return False
    kind = "mp.stable_token_forced.day"
    period = limits.reserve(app, kind)
    if period is None:
        return False
    limits.settle(app, kind, period, is_used=True)
    return True


def fetch(app: App, *, force: bool = False) -> tuple[str, int]:
    """Ask the platform: the token and the seconds it lives. Raises PlatformError."""
    if app.account.is_wecom:
        query = {"corpid": app.app_id, "corpsecret": app.secret}
        answer = transport.call(app.account, "get", WECOM_URL, params=query)
    else:
        body = {
            "grant_type": "client_credential",
            "appid": app.app_id,
            "secret": app.secret,
            "force_refresh": force,
        }
        answer = transport.call(app.account, "post", MP_URL, json=body)
    data = answer.data or {}
    try:
        return str(data["access_token"]), int(data.get("expires_in", 7200))
    except (KeyError, TypeError, ValueError):
        incomplete = transport.bad_answer(
            _("The platform's answer lacks what it should hold.")
        )
    raise incomplete
