"""Reading WeCom's directory: colleagues who serve customers, and their contacts.

One pass is a SyncRun, resumable from its cursor; only a complete pass says who is gone.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from core import jobs
from core.errors import AppError
from wechat import registry
from wechat.api import PlatformError, wecom_client
from wechat.api.wecom import WecomClient
from wechat.models import Account, App, Colleague, SeenContact, SyncRun
from wechat.registry import Contact

JOB = "wechat.sync_contacts"
SCOPE = "wecom.contacts"
LEASE = timedelta(minutes=2)
# Colleagues of one get_by_user call; pages are 100 contacts whatever their number.
COLLEAGUES_A_CALL = 50
# Also said of colleagues who have no customers at all.
NO_CONTACTS = 84061
Progress = Callable[[SyncRun], None]


def sync_contacts(app: App, *, progress: Progress | None = None) -> SyncRun:
    """Read colleagues and contacts, going on where a broken pass stopped.

    Returns the run; `error` says why it stopped when it is "failed". A pass that is
    running elsewhere is returned as it stands.
    """
    run = _claim(app)
    if run is None:
        standing: SyncRun = SyncRun.objects.filter(app=app, scope=SCOPE).latest("id")
        return standing
    try:
        _read(run, wecom_client(app), progress)
    except PlatformError as error:
        _finish(run, SyncRun.State.FAILED, str(error.message))
        return run
    _finish(run, SyncRun.State.DONE)
    return run


def _claim(app: App) -> SyncRun | None:
    """A new run, or the newest unfinished one when nobody holds it."""
    now = timezone.now()
    with transaction.atomic():
        App.objects.select_for_update(no_key=True).get(pk=app.pk)
        passes = SyncRun.objects.filter(app=app, scope=SCOPE).order_by("-id")
        last: SyncRun | None = passes.first()
        if last is None or last.state == SyncRun.State.DONE:
            return SyncRun.objects.create(app=app, scope=SCOPE, lease_until=now + LEASE)
        free = Q(lease_until=None) | Q(lease_until__lt=now)
        if not SyncRun.objects.filter(free, pk=last.pk).update(
            state=SyncRun.State.RUNNING, error="", lease_until=now + LEASE
        ):
            return None
        last.refresh_from_db()
        return last


def _finish(run: SyncRun, state: str, error: str = "") -> None:
    run.state, run.error, run.lease_until = state, error[:300], None
    run.finished_at = timezone.now()
    run.save(update_fields=["state", "error", "lease_until", "finished_at"])


def _read(run: SyncRun, client: WecomClient, progress: Progress | None) -> None:
    account = run.app.account
    userids = _sync_colleagues(run, client)
    for contacts, cursor in _pages(account, client, userids, run.cursor):
        with transaction.atomic():
            SeenContact.objects.bulk_create(
                [
                    SeenContact(
                        run=run,
                        userid=contact.userid[:64],
                        external_userid=str(contact.person.get("external_userid"))[:64],
                    )
                    for contact in contacts
                ],
                ignore_conflicts=True,
            )
            for handler in registry.on_contacts:
                handler(run, contacts)
            run.seen += len(contacts)
            run.cursor = cursor
            run.lease_until = timezone.now() + LEASE
            run.save(update_fields=["seen", "cursor", "lease_until"])
        if progress is not None:
            progress(run)
    with transaction.atomic():
        run.missing = sum(
            complete(account, run) for complete in registry.on_contacts_complete
        )
        run.save(update_fields=["missing"])
        SeenContact.objects.filter(run=run).delete()


def _sync_colleagues(run: SyncRun, client: WecomClient) -> list[str]:
    """Bring Colleague rows in line with who may have customers; their userids, sorted."""
    account = run.app.account
    userids = sorted(set(client.follow_users()))
    names = _names(client)
    now = timezone.now()
    known = {row.userid: row for row in Colleague.objects.filter(account=account)}
    for userid in userids:
        name = names.get(userid, "")[:64]
        row = known.get(userid)
        if row is None:
            Colleague.objects.create(
                account=account, userid=userid, name=name, seen_at=now
            )
            continue
        row.name, row.is_following, row.seen_at = name or row.name, True, now
        row.save(update_fields=["name", "is_following", "seen_at"])
    Colleague.objects.filter(account=account, is_following=True).exclude(
        userid__in=userids
    ).update(is_following=False)
    return userids


def _names(client: WecomClient) -> dict[str, str]:
    """Names by userid; none when the app may not read them (they are a comfort)."""
    try:
        rows = client.colleagues()
    except PlatformError as error:
        if error.retryable:
            raise
        return {}
    return {str(row["userid"]): str(row.get("name", "")) for row in rows}


def _pages(
    account: Account, client: WecomClient, userids: list[str], cursor: str
) -> Iterator[tuple[list[Contact], str]]:
    """Pages of contacts, each with our cursor behind it.

    Our cursor: the first userid of the group being read, and the platform's own cursor.
    """
    resume = json.loads(cursor) if cursor else {"from": "", "next": ""}
    waiting = [userid for userid in userids if userid >= resume["from"]]
    remote = resume["next"] if waiting[:1] == [resume["from"]] else ""
    while waiting:
        group, rest = waiting[:COLLEAGUES_A_CALL], waiting[COLLEAGUES_A_CALL:]
        page = _page(client, group, remote)
        remote = str(page.get("next_cursor") or "")
        if not remote:
            waiting = rest
        behind = {"from": waiting[0] if waiting else "\U0010ffff", "next": remote}
        yield _contacts(account, page), json.dumps(behind)


def _page(client: WecomClient, group: list[str], cursor: str) -> dict[str, Any]:
    try:
        return client.contacts_of(group, cursor)
    except PlatformError as error:
        if error.errcode != NO_CONTACTS:
            raise
        return {}


def _contacts(account: Account, page: dict[str, Any]) -> list[Contact]:
    return [
        Contact(
            account=account,
            userid=str(row.get("follow_info", {}).get("userid", "")),
            person=row.get("external_contact", {}),
            follow=row.get("follow_info", {}),
        )
        for row in page.get("external_contact_list", [])
    ]


def run_job(progress: jobs.Progress) -> dict[str, Any]:
    """The pass as a job: `params["app"]`. Raises AppError when the platform refuses."""
    app = App.objects.select_related("account").get(pk=progress.params["app"])
    seen = 0

    def tell(run: SyncRun) -> None:
        nonlocal seen
        progress.step(run.seen - seen)
        seen = run.seen

    run = sync_contacts(app, progress=tell)
    if run.state == SyncRun.State.FAILED:
        raise AppError(run.error, code="sync_failed")
    return {"seen": run.seen, "run": run.pk}


def sync_all() -> None:
    """The nightly pass over every live corp, by its first active app."""
    for account in Account.objects.live().filter(kind=Account.Kind.WECOM):
        app = account.apps.filter(is_active=True, held_reason="").order_by("pk").first()
        if app is not None:
            app.account = account
            sync_contacts(app)
