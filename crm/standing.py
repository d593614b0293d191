"""May somebody be written to, in one badge: what keeps marketing away comes first."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils import timezone
from django.utils.translation import gettext as _

from core.templatetags.console import moment
from crm.models import Member
from crm.models.consents import NO_END


@dataclass(frozen=True)
class Standing:
    """`tone` as for core.templatetags.console.status."""

    tone: str
    words: str
    may_be_addressed: bool = False


def marketing(member: Member) -> Standing:
    """The strongest reason against, or that nothing speaks against it."""
    if member.merged_into_id is not None:
        return Standing("idle", _("Merged"))
    if member.purged_at is not None:
        return Standing("idle", _("Purged"))
    if member.opted_out_at is not None:
        return Standing("bad", _("Opted out"))
    frozen = member.frozen_until
    if frozen is not None and frozen >= NO_END:
        return Standing("bad", _("Frozen: a complaint is open"))
    if frozen is not None and frozen > timezone.now():
        until = {"at": moment(frozen)}
        return Standing("bad", _("Frozen until %(at)s after a complaint") % until)
    if not member.is_reachable:
        return Standing("idle", _("Not reachable"))
    return Standing("good", _("May be addressed"), may_be_addressed=True)
