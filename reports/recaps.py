"""Versions of a recap: drafts are counted anew on demand, locked ones never change."""

from __future__ import annotations

import contextlib
import time
from datetime import datetime
from typing import Any

from django.core.cache import cache
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from redis.exceptions import RedisError

from campaigns import attribution
from campaigns.models import Campaign, Recap
from core import audit
from core.errors import AppError
from reports import figures
from staff.models import Staff

MAX_LEARNINGS_LENGTH = 10_000
# A recap nobody kept yet is counted for who looks at it, of a million people not each time.
SLOW_SECONDS = 1.0
KEPT_SECONDS = 300


class AlreadyLocked(AppError):
    code = "already_locked"
    message = _("This version is locked already.")


class Refreshed(AppError):
    code = "refreshed"
    message = _(
        "The figures were counted anew meanwhile. Look at them again, then lock them."
    )


class TooLong(AppError):
    code = "too_long"
    message = _("The learnings have at most 10,000 characters.")


class Edited(AppError):
    code = "edited"
    message = _("Somebody else changed the learnings meanwhile; nothing was saved.")


def latest(campaign: Campaign) -> Recap:
    """The newest version; before the first is kept, what it would say now, not saved."""
    found: Recap | None = campaign.recaps.order_by("-number").first()
    if found is not None:
        return found
    counted, as_of = _counted(campaign)
    return Recap(campaign=campaign, number=1, figures=counted, as_of=as_of)


def _counted(campaign: Campaign) -> tuple[dict[str, Any], datetime]:
    """The figures and as of when; what took long to count is shown for some minutes."""
    key = f"reports.recap:{campaign.pk}"
    with contextlib.suppress(RedisError):
        kept: tuple[dict[str, Any], datetime] | None = cache.get(key)
        if kept is not None:
            return kept
    as_of, began = timezone.now(), time.monotonic()
    counted = figures.of(campaign)
    if time.monotonic() - began >= SLOW_SECONDS:
        with contextlib.suppress(RedisError):
            cache.set(key, (counted, as_of), KEPT_SECONDS)
    return counted, as_of


def refresh(campaign: Campaign) -> Recap:
    """Count anew into the open version, or begin the next one after a locked one."""
    attribution.catch_up(is_waiting=True)
    as_of, counted = timezone.now(), figures.of(campaign)
    with transaction.atomic():
        newest = _newest_held(campaign)
        if newest is None or newest.locked_at is not None:
            return Recap.objects.create(
                campaign=campaign,
                number=newest.number + 1 if newest else 1,
                figures=counted,
                as_of=as_of,
                learnings=newest.learnings if newest else "",
            )
        if as_of > newest.as_of:
            newest.figures, newest.as_of = counted, as_of
            newest.save(update_fields=["figures", "as_of"])
        return newest


def _newest_held(campaign: Campaign) -> Recap | None:
    """The newest version, its campaign's versions ours until the transaction ends."""
    Campaign.objects.select_for_update(no_key=True).get(pk=campaign.pk)
    newest = campaign.recaps.select_for_update(no_key=True).order_by("-number")
    return newest.first()


def lock(recap: Recap, *, as_of: datetime, actor: Staff) -> Recap:
    """Freeze the figures the person has seen, those counted at `as_of`.

    Raises AlreadyLocked (also when somebody else was faster), Refreshed.
    """
    with transaction.atomic():
        now = timezone.now()
        open_rows = Recap.objects.filter(pk=recap.pk, locked_at=None, as_of=as_of)
        if not open_rows.update(locked_at=now, locked_by=actor):
            standing = Recap.objects.select_related("locked_by").get(pk=recap.pk)
            raise _refusal(standing)
        audit.record(
            "campaigns.recap.locked",
            recap,
            actor=actor,
            after={"number": recap.number, "as_of": as_of.isoformat()},
            label=str(recap),
        )
    recap.refresh_from_db()
    return recap


def _refusal(standing: Recap) -> AppError:
    if standing.locked_by is None:
        return Refreshed()
    return AlreadyLocked(
        _("%(name)s has locked this version already.") % {"name": standing.locked_by}
    )


def write_learnings(recap: Recap, text: str, *, before: str, actor: Staff) -> None:
    """Keep what people learnt; also of a locked version. Raises TooLong, Edited.

    `before`: what the person saw; somebody else's words are not written over.
    """
    text, before = _plain(text), _plain(before)
    if len(text) > MAX_LEARNINGS_LENGTH:
        raise TooLong
    with transaction.atomic():
        row = Recap.objects.select_for_update(no_key=True).get(pk=recap.pk)
        if text == row.learnings:
            return
        if row.learnings != before:
            raise Edited
        row.learnings = text
        row.save(update_fields=["learnings"])
        audit.record(
            "campaigns.recap.learnings_changed",
            row,
            actor=actor,
            before={"length": len(before)},
            after={"length": len(text)},
            label=str(row),
        )


def _plain(text: str) -> str:
    return text.replace("\r\n", "\n").strip()
