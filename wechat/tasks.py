"""Doorbells: each drains what is due for a while and may run any number of times."""

from __future__ import annotations

import time

from celery import shared_task

from core import doorbell
from wechat import (
    bulk,
    directory,
    evidence,
    mass,
    mass_following,
    media,
    reaping,
    sending,
    tokens,
)

# A flood of callbacks must not keep answers waiting: then others have a turn.
TURN_SECONDS = 2.0


@shared_task
def drain_inbox() -> None:
    """Work off what the platforms pushed."""
    from wechat import inbox

    begun = time.monotonic()
    inbox.drain(TURN_SECONDS)
    if time.monotonic() - begun >= TURN_SECONDS:
        doorbell.ring_now(drain_inbox)


@shared_task
def drain_outbox() -> None:
    """Send what is due in the realtime lane: welcomes, greetings, agents' replies."""
    sending.drain("realtime")


@shared_task
def drain_bulk() -> None:
    """Send what is due in the bulk lane."""
    bulk.drain()


@shared_task
def drain_mass() -> None:
    """Make the mass calls that are due."""
    mass.drain()


@shared_task
def fetch_media() -> None:
    """Fetch incoming pictures before the platform drops them."""
    media.fetch_wanted()


@shared_task
def reap_outbox() -> None:
    """Settle what dead workers left behind, and what this machine knows better."""
    reaping.sweep()
    reaping.adopt_late_evidence()


@shared_task
def pull_kf(account_id: int) -> None:
    """Read the messages of one WeChat Customer Service account."""
    from wechat import kf

    kf.pull(account_id)


@shared_task
def poll_kf() -> None:
    """Read the accounts no callback spoke of for a while: callbacks get lost."""
    from wechat import kf

    kf.mark_quiet_accounts()


@shared_task
def sync_kf_accounts() -> None:
    from wechat import kf

    kf.sync_accounts()


@shared_task
def empty_old_bodies() -> None:
    """Delete the bodies of callbacks after their retention (a setting)."""
    from wechat import intake

    intake.empty_old_bodies()


@shared_task
def sync_all_contacts() -> None:
    """Read colleagues and contacts of every corp, nightly."""
    directory.sync_all()


@shared_task
def prune_evidence() -> None:
    """Drop what nobody needs any more of calls long settled."""
    evidence.prune()
    mass_following.empty_old_lists()


@shared_task
def refresh_tokens() -> None:
    """Fetch tokens before they end, so that no reply waits for one."""
    tokens.refresh_ending()
