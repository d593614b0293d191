"""Putting accounts live, pausing them, and changing their secrets."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from core import audit
from core.errors import AppError
from staff.models import Staff
from wechat import tokens
from wechat.errors import NotReady
from wechat.models import Account, App

State = Account.State
CHARTER = ("charter_value", "charter_audience", "charter_goal", "charter_owner")
SECRETS = ("secret", "token", "aes_key")


def missing_for_live(account: Account) -> dict[str, Any]:
    """Field → what is missing before the account may go live; empty when ready."""
    missing: dict[str, Any] = {
        name: _("Needed before going live.")
        for name in CHARTER
        if not getattr(account, name)
    }
    apps = list(account.apps.filter(is_active=True))
    if not apps:
        missing["apps"] = _("At least one active app with its credentials is needed.")
    for app in apps:
        needed = ["app_id", "secret", "token"]
        if app.mode != App.Mode.PLAIN or account.is_wecom:
            needed.append("aes_key")
        if any(not getattr(app, name) for name in needed):
            missing["apps"] = _("An app lacks its AppID, secret, token or AES key.")
    return missing


def _move(account: Account, to: str, *, allowed: set[str], actor: Staff) -> None:
    """Compare-and-set of the state, with its trace."""
    before = account.state
    if before not in allowed or not Account.objects.filter(
        pk=account.pk, state=before
    ).update(state=to):
        raise AppError(_("The account's state changed meanwhile; look again."))
    account.state = to
    audit.record(
        f"wechat.account.{to}",
        account,
        actor=actor,
        before={"state": before},
        after={"state": to},
        label=account.name,
    )


@transaction.atomic
def go_live(account: Account, *, actor: Staff) -> None:
    """Draft → live. Raises NotReady with what is missing by field."""
    missing = missing_for_live(account)
    if missing:
        raise NotReady(fields={name: str(text) for name, text in missing.items()})
    _move(account, State.LIVE, allowed={State.DRAFT}, actor=actor)


@transaction.atomic
def pause(account: Account, *, actor: Staff) -> None:
    """Live → paused: callbacks are still taken, nothing is sent."""
    _move(account, State.PAUSED, allowed={State.LIVE}, actor=actor)


@transaction.atomic
def resume(account: Account, *, actor: Staff) -> None:
    _move(account, State.LIVE, allowed={State.PAUSED}, actor=actor)


@transaction.atomic
def change_secrets(app: App, given: dict[str, str], *, actor: Staff) -> list[str]:
    """Store the secrets that were given (never an empty one); names of the changed.

    The trail says which changed and never to what; the access token is dropped.
    """
    changed = [name for name in SECRETS if given.get(name)]
    if not changed:
        return []
    for name in changed:
        setattr(app, name, given[name])
    app.save(update_fields=changed)
    if "secret" in changed:
        tokens.forget(app)
    audit.record(
        "wechat.app.secrets_changed",
        app,
        actor=actor,
        after={"fields": changed},
        label=str(app),
    )
    return changed
