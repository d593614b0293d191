"""Showing a phone number or real name in clear: with a reason, on record, not in bulk."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core import audit, system_settings
from core.models import AuditEntry
from core.system_settings import Declaration, declare
from crm.errors import ReasonMissing, TooManyReveals
from crm.models import Member
from staff.models import Staff

logger = logging.getLogger(__name__)
ACTION = "crm.member.revealed"
REFUSED = "crm.member.reveal_refused"
LIMIT = "reveals_per_hour"
HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Revealed:
    """Both in clear; never to be logged or kept."""

    phone: str
    real_name: str


def reveal(member: Member, *, actor: Staff, reason: str) -> Revealed:
    """The member's phone and real name, after writing who looked and why.

    Raises ReasonMissing, and TooManyReveals past the setting `reveals_per_hour`; that
    somebody went past it stands in the trail and on the privacy officer's home page.
    """
    reason = reason.strip()
    if len(reason) < 2:
        raise ReasonMissing
    with transaction.atomic():
        # The person's own row orders two looks at once, so that the count holds.
        Staff.objects.select_for_update(no_key=True).get(pk=actor.pk)
        free_at = _free_at(actor)
        if free_at is None:
            audit.record(ACTION, member, actor=actor, reason=reason)
            return Revealed(phone=member.phone, real_name=member.real_name)
        logger.warning("Staff %s reached the hourly limit of reveals", actor.pk)
        audit.record(REFUSED, member, actor=actor, reason=reason)
    words = _(
        "You have looked at %(count)d phone numbers within an hour; the next one is free "
        "at %(time)s. The privacy officer was told."
    )
    local = timezone.localtime(free_at + timedelta(minutes=1))
    raise TooManyReveals(words % {"count": limit(), "time": local.strftime("%H:%M")})


def limit() -> int:
    """How many phone numbers one person may look at within an hour."""
    return int(system_settings.get(LIMIT))


def register() -> None:
    """Declare the setting; called once, in AppConfig.ready()."""
    declare(
        Declaration(
            LIMIT,
            gettext_lazy("Phone numbers one person may reveal per hour"),
            50,
            unit=gettext_lazy("times"),
            minimum=1,
            maximum=500,
        )
    )


def _free_at(actor: Staff) -> datetime | None:
    """When the person may look again; None when they may now."""
    recent = AuditEntry.objects.filter(
        actor=actor, action=ACTION, at__gt=timezone.now() - HOUR
    )
    times = list(recent.order_by("-at").values_list("at", flat=True)[: limit()])
    return times[-1] + HOUR if len(times) >= limit() else None


def entries(staff: Staff) -> QuerySet[AuditEntry]:
    """Looks and refused looks of the colleagues `staff` may see, newest first."""
    rows = AuditEntry.objects.visible_to(staff).filter(action__in=(ACTION, REFUSED))
    return rows.select_related("actor").order_by("-id")
