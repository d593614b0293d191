"""Complaints: they freeze marketing from the first angry word until some time after.

Member.frozen_until is derived from the complaints of a member (`refreeze`): without end
while one is open, then `complaint_freeze_days` after the last one was closed (domain:
frequency norms, "until closed + 30 d"). The built-in tag 投诉中 goes with it both ways.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from core import audit, system_settings
from core.system_settings import Declaration, declare
from crm import tagging, timeline
from crm.errors import ComplaintClosed, MemberGone, ReasonMissing
from crm.models import Complaint, Member, Tag
from crm.models.consents import NO_END
from crm.models.tags import Source
from crm.registry import on_merge, on_purge, on_tagged, on_unmerge, on_untagged
from staff.models import Staff

if TYPE_CHECKING:
    from crm.journal import Undo

FREEZE_DAYS = "complaint_freeze_days"
TAG_KEY = "service.Complaint open"
REASON_LENGTH = 300


@transaction.atomic
def begin(
    member: Member,
    *,
    reason: str,
    actor: Staff,
    reference: str = "",
    at: datetime | None = None,
) -> Complaint:
    """Note a complaint and freeze marketing; one that is open for `reference` stands.

    Raises ReasonMissing without words why, MemberGone after a purge.
    """
    reason = reason.strip()
    if len(reason) < 2:
        raise ReasonMissing(_("Say what the complaint is about."))
    locked = _locked(member)
    if locked.purged_at is not None:
        raise MemberGone
    if reference:
        known = locked.complaints.open().filter(reference=reference).first()
        if known is not None:
            return known
    complaint = Complaint.objects.create(
        member=locked,
        reason=reason[:REASON_LENGTH],
        reference=reference,
        opened_at=at or timezone.now(),
        opened_by=actor,
    )
    member.frozen_until = refreeze(locked)
    _tell(complaint, "opened", complaint.opened_at, actor=actor)
    for tag in _tags(locked):
        tagging.tag([locked.pk], tag, actor=actor, source=Source.AUTO)
    return complaint


@transaction.atomic
def close(complaint: Complaint, *, outcome: str, actor: Staff) -> Complaint:
    """End it; marketing thaws some days later, by the setting. Raises ReasonMissing
    without words how it ended, ComplaintClosed for the second of two."""
    outcome = outcome.strip()
    if len(outcome) < 2:
        raise ReasonMissing(_("Say how it ended."))
    member = _locked(complaint.member)
    row = Complaint.objects.select_for_update().get(pk=complaint.pk)
    if row.closed_at is not None:
        raise ComplaintClosed
    row.closed_at, row.closed_by = timezone.now(), actor
    row.outcome = outcome[:REASON_LENGTH]
    row.save(update_fields=["closed_at", "closed_by", "outcome"])
    until = refreeze(member)
    _tell(row, "closed", row.closed_at, actor=actor)
    if until != NO_END:
        for tag in _tags(member):
            tagging.untag([member.pk], tag, actor=actor)
    return row


def refreeze(member: Member) -> datetime | None:
    """Work out anew until when marketing is frozen; the caller holds the member's row."""
    rows = list(member.complaints.values_list("closed_at", flat=True))
    if not rows:  # what another system told us stays
        return member.frozen_until
    ends = [
        NO_END if closed is None else closed + timedelta(days=freeze_days())
        for closed in rows
    ]
    until = max(ends, default=None)
    if member.frozen_until != until:
        member.frozen_until = until
        member.save(update_fields=["frozen_until"])
    return until


def freeze_days() -> int:
    """Days for which marketing rests after the last complaint was closed."""
    return int(system_settings.get(FREEZE_DAYS))


def register() -> None:
    """Declare the setting; called once, in AppConfig.ready()."""
    declare(
        Declaration(
            FREEZE_DAYS,
            _("Days without marketing after a complaint is closed"),
            30,
            unit=_("days"),
            help_text=_("While it is open there is none at all."),
            minimum=0,
            maximum=365,
        )
    )


def _locked(member: Member) -> Member:
    return Member.objects.held(member.pk)


def _tags(member: Member) -> list[Tag]:
    """The built-in tag, unless it was archived."""
    rows = Tag.objects.of_controller(member.controller_id).in_use()
    return list(rows.filter(builtin_key=TAG_KEY))


def _tell(complaint: Complaint, verb: str, at: datetime, *, actor: Staff) -> None:
    """On the member's history and in the trail; their words stand in neither."""
    member = complaint.member
    timeline.write(
        member=member,
        kind=f"complaint.{verb}",
        at=at,
        key=f"complaint:{complaint.pk}:{verb}",
        data={"complaint": complaint.pk},
    )
    audit.record(
        f"crm.complaint.{verb}",
        member,
        actor=actor,
        after={
            "complaint": complaint.pk,
            "reference": complaint.reference,
            "frozen_until": member.frozen_until and member.frozen_until.isoformat(),
        },
    )


# -- the tag


@on_tagged
def _begin_with_tag(members: Sequence[int], tag: Tag, actor: Staff) -> None:
    """Who is tagged 投诉中 by hand has complained."""
    if tag.builtin_key != TAG_KEY:
        return
    rows = Member.objects.known().filter(pk__in=members).order_by("pk")
    known = Complaint.objects.open().filter(member__in=members)
    for member in rows.exclude(pk__in=known.values("member")):
        begin(member, reason=gettext("Tagged “%(tag)s”") % {"tag": tag}, actor=actor)


@on_untagged
def _close_with_tag(members: Sequence[int], tag: Tag, actor: Staff) -> None:
    if tag.builtin_key != TAG_KEY:
        return
    rows = Complaint.objects.open().filter(member__in=members).order_by("member_id")
    for complaint in rows.select_related("member"):
        words = gettext("The tag “%(tag)s” was taken off") % {"tag": tag}
        close(complaint, outcome=words, actor=actor)


# -- people who become one, and people who are forgotten


@on_merge
def _follow_merge(primary: Member, duplicate: Member, _actor: Staff) -> None:
    duplicate.complaints.update(member=primary)
    refreeze(primary)


@on_unmerge
def _follow_undo(kept: Member, returning: Member, undo: Undo) -> None:
    """Where one came or ended since, each is frozen by their own, as they stand now."""
    pair, since = [kept.pk, returning.pk], undo.merge.at
    rows = Complaint.objects.filter(member__in=pair)
    if rows.filter(Q(opened_at__gte=since) | Q(closed_at__gte=since)).exists():
        undo.then(
            lambda: [refreeze(each) for each in Member.objects.filter(pk__in=pair)]
        )


@on_purge
def _forget(member: Member) -> None:
    """That somebody complained stays as a number; what they said goes."""
    people = [member.pk, *member.merged_members.values_list("pk", flat=True)]
    rows = Complaint.objects.filter(member__in=people)
    rows.update(reason="", outcome="", reference="")
