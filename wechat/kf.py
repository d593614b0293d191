"""WeChat Customer Service: the callback only says "pull", messages come by kf/sync_msg.

One puller per account at a time: a lease on its row, the call outside any transaction,
messages and cursor in one transaction that only succeeds while the cursor is still the
one that was asked with. A lost lease or a repeated page changes nothing: messages are
unique by msgid. https://developer.work.weixin.qq.com/document/path/94670
"""

from __future__ import annotations

import json
import logging
import time
import uuid
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from core.doorbell import ring
from wechat import limits
from wechat.api import PlatformError, Reach, wecom_client
from wechat.models import Account, App, InboundEvent, KfAccount, SyncRun
from wechat.parsing import kf_envelope, text
from wechat.registry import Inbound, on

logger = logging.getLogger(__name__)

PULL_SECONDS = 20.0
# A token is not used in its last seconds: the call takes some, too.
TOKEN_MARGIN = timedelta(seconds=30)
ALARM_AGE = timedelta(minutes=5)
# Without a callback: callbacks get lost, and calls without a token are few.
POLL_EVERY = timedelta(minutes=10)
RETRY_SOON, RETRY_LATER = timedelta(seconds=30), timedelta(minutes=10)
PAGE = 100


@on("wecom.event.kf_msg_or_event")
def note_callback(inbound: Inbound) -> None:
    """Mark the account due, with the callback's token unless a newer one is known."""
    from wechat.tasks import pull_kf

    open_kfid = text(inbound.fields, "OpenKfId")
    account, _ = KfAccount.objects.get_or_create(
        open_kfid=open_kfid, defaults={"app": inbound.app}
    )
    rows = KfAccount.objects.filter(pk=account.pk)
    rows.update(pull_due_at=timezone.now())
    rows.filter(Q(pull_token_at=None) | Q(pull_token_at__lt=inbound.at)).update(
        pull_token=text(inbound.fields, "Token"), pull_token_at=inbound.at
    )
    ring(pull_kf, account.pk)


def due() -> list[int]:
    """Accounts that have something to pull now."""
    rows = KfAccount.objects.filter(
        pull_due_at__lte=timezone.now(), app__is_active=True
    )
    return list(rows.order_by("pull_due_at").values_list("pk", flat=True))


def overdue() -> int:
    """Accounts whose cursor stands still although messages wait: an alarm."""
    border = timezone.now() - ALARM_AGE
    never = Q(last_pulled_at=None, pull_token_at__lt=border)
    return KfAccount.objects.filter(
        never | Q(last_pulled_at__lt=border), pull_due_at__isnull=False
    ).count()


def pull_due() -> int:
    """Pull every due account; returns how many messages are new."""
    return sum(pull(pk) for pk in due())


def pull(pk: int, seconds: float = PULL_SECONDS) -> int:
    """Read the account's stream to its end, or for `seconds`; returns new messages.

    Returns 0 at once when another worker is reading it.
    """
    owner = uuid.uuid4().hex
    if not _lease(pk, owner):
        return 0
    deadline = time.monotonic() + seconds
    account = KfAccount.objects.select_related("app__account").get(pk=pk)
    asked_at = account.pull_due_at
    stored = 0
    try:
        while True:
            page = _page(account)
            count, is_end = _store(account, owner, page)
            stored += count
            if is_end or time.monotonic() > deadline:
                break
    except PlatformError as error:
        _note_error(account, error)
    else:
        if is_end:
            # A callback that came meanwhile made the account due again.
            rows = KfAccount.objects.filter(pk=pk, pull_due_at=asked_at)
            rows.update(pull_due_at=None)
    finally:
        KfAccount.objects.filter(pk=pk, lease_owner=owner).update(lease_until=None)
    return stored


def _lease(pk: int, owner: str) -> bool:
    now = timezone.now()
    free = KfAccount.objects.filter(
        Q(lease_until=None) | Q(lease_until__lt=now), pk=pk, app__is_active=True
    )
    until = now + timedelta(seconds=settings.LEASE_SECONDS)
    return bool(free.update(lease_owner=owner, lease_until=until))


def _page(account: KfAccount) -> dict[str, Any]:
    """One call; a token that is refused is dropped and the call made without."""
    now = timezone.now()
    history = timedelta(seconds=limits.value("kf.sync.history_seconds"))
    if account.last_pulled_at and now - account.last_pulled_at > history:
        logger.warning("kf account %s was not read for three days", account.pk)
        account.cursor = _forget_cursor(account)
    client = wecom_client(account.app)
    token = account.pull_token
    if token and _is_live(account.pull_token_at, now):
        try:
            return client.kf_sync(account.open_kfid, cursor=account.cursor, token=token)
        except PlatformError as error:
            if error.reach in {Reach.ACCOUNT, Reach.TOKEN} or error.errcode is None:
                raise
            logger.info("kf token of account %s refused: %s", account.pk, error.code)
            KfAccount.objects.filter(pk=account.pk, pull_token=token).update(
                pull_token=""
            )
            account.pull_token = ""
    return client.kf_sync(account.open_kfid, cursor=account.cursor)


def _is_live(at: datetime | None, now: datetime) -> bool:
    life = timedelta(seconds=limits.value("kf.sync.token_seconds")) - TOKEN_MARGIN
    return at is not None and now - at < life


def _forget_cursor(account: KfAccount) -> str:
    """Older than the platform's history: start at its beginning, duplicates are known."""
    KfAccount.objects.filter(pk=account.pk, cursor=account.cursor).update(cursor="")
    return ""


def _store(account: KfAccount, owner: str, page: dict[str, Any]) -> tuple[int, bool]:
    """Messages and cursor in one transaction; how many messages, and whether to stop."""
    from wechat.tasks import drain_inbox

    messages = [item for item in page.get("msg_list") or [] if isinstance(item, dict)]
    cursor = text(page, "next_cursor") or account.cursor
    with transaction.atomic():
        rows = KfAccount.objects.select_for_update().filter(
            pk=account.pk, lease_owner=owner, cursor=account.cursor
        )
        if rows.first() is None:
            return 0, True  # somebody else went on from here
        InboundEvent.objects.bulk_create(
            [_event(account, message) for message in messages], ignore_conflicts=True
        )
        now = timezone.now()
        KfAccount.objects.filter(pk=account.pk).update(
            cursor=cursor,
            last_pulled_at=now,
            last_error="",
            lease_until=now + timedelta(seconds=settings.LEASE_SECONDS),
        )
        if messages:
            ring(drain_inbox)
    has_moved = bool(messages) or cursor != account.cursor
    account.cursor, account.last_pulled_at = cursor, now
    # has_more may come with an empty list; with an unmoved cursor it would never end.
    return len(messages), not (page.get("has_more") and has_moved)


def _event(account: KfAccount, message: dict[str, Any]) -> InboundEvent:
    body = json.dumps(message).encode()
    named = kf_envelope(message, body)
    return InboundEvent(
        app_id=account.app_id,
        dedupe_key=named.dedupe_key,
        kind=named.kind,
        subject=named.subject,
        body=body,
    )


def _note_error(account: KfAccount, error: PlatformError) -> None:
    wait = RETRY_SOON if error.retryable else RETRY_LATER
    logger.warning("kf account %s cannot be read: %s", account.pk, error.code)
    KfAccount.objects.filter(pk=account.pk).update(
        last_error=str(error.message)[:300], pull_due_at=timezone.now() + wait
    )


# -- without a callback


def mark_quiet_accounts() -> int:
    """Make accounts due that were not read for a while; returns how many."""
    border = timezone.now() - POLL_EVERY
    return (
        KfAccount.objects.filter(
            Q(last_pulled_at=None) | Q(last_pulled_at__lt=border),
            pull_due_at=None,
            app__is_active=True,
        )
        .exclude(app__account__state=Account.State.REVOKED)
        .update(pull_due_at=timezone.now())
    )


def sync_accounts() -> None:
    """Read the kf accounts of every corp that uses them or may."""
    apps = App.objects.filter(account__kind=Account.Kind.WECOM, is_active=True)
    for app in apps.select_related("account").exclude(
        account__state=Account.State.REVOKED
    ):
        sync_accounts_of(app)


def sync_accounts_of(app: App) -> SyncRun:
    """Read the list page by page; names follow the platform, nothing is deleted."""
    run = SyncRun.objects.create(app=app, scope="kf.accounts")
    try:
        offset = 0
        while True:
            page = wecom_client(app).kf_accounts(offset, PAGE)
            _take_accounts(app, page, run)
            if len(page) < PAGE:
                break
            offset += PAGE
        run.state = SyncRun.State.DONE
    except PlatformError as error:
        run.state, run.error = SyncRun.State.FAILED, str(error.message)[:300]
    run.finished_at = timezone.now()
    run.save(
        update_fields=["state", "error", "seen", "created", "updated", "finished_at"]
    )
    return run


def _take_accounts(app: App, page: list[dict[str, Any]], run: SyncRun) -> None:
    for item in page:
        open_kfid, name = text(item, "open_kfid"), text(item, "name")[:64]
        if not open_kfid:
            continue
        _, is_new = KfAccount.objects.get_or_create(
            open_kfid=open_kfid,
            defaults={"app": app, "name": name, "pull_due_at": timezone.now()},
        )
        rows = KfAccount.objects.filter(open_kfid=open_kfid).exclude(name=name)
        run.seen += 1
        run.created += int(is_new)
        run.updated += rows.update(name=name)
