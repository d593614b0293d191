"""Showing a phone number or real name in clear: with a reason, on record, not in bulk."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from core import audit, system_settings
from core.models import AuditEntry
from crm.errors import ReasonMissing, TooManyReveals
from crm.models import Member
from staff.models import Staff

logger = logging.getLogger(__name__)
ACTION = "crm.member.revealed"


@dataclass(frozen=True)
class Revealed:
    phone: str
    real_name: str


@transaction.atomic
def reveal(member: Member, *, actor: Staff, reason: str) -> Revealed:
    """The member's phone and real name, after writing who looked and why.

    Raises ReasonMissing, and TooManyReveals past the setting `reveals_per_hour`.
    """
    if len(reason.strip()) < 2:
        raise ReasonMissing
    # The person's own row orders two looks at once, so that the count holds.
    Staff.objects.select_for_update(no_key=True).get(pk=actor.pk)
    recent = AuditEntry.objects.filter(
        actor=actor, action=ACTION, at__gt=timezone.now() - timedelta(hours=1)
    )
    if recent.count() >= int(system_settings.get("reveals_per_hour")):
        logger.warning("Staff %s reached the hourly limit of reveals", actor.pk)
        raise TooManyReveals
    audit.record(ACTION, member, actor=actor, reason=reason.strip())
    return Revealed(phone=member.phone, real_name=member.real_name)
