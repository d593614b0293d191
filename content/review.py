"""Two pairs of eyes: submit, approve, return, withdraw.

What is approved is the digest of the version, kept in a staff.Approval when it is
submitted. The item's row is locked first, so of two decisions at once, or an edit and a
decision, one comes first and the other one is told.
"""

from __future__ import annotations

from datetime import timedelta

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from content import checking, items, states
from content.errors import (
    AlreadySubmitted,
    BadContent,
    ChangedMeanwhile,
    NotUnderReview,
    OwnWords,
    ReviewExpired,
)
from content.models import Item, Version
from core import audit
from staff.models import Approval, Staff

ACTION = "content.version.approve"
ASKED_FOR = timedelta(days=30)


@transaction.atomic
def submit(version: Version, *, actor: Staff, note: str = "") -> Version:
    """Ask for a review of the newest draft. Raises BadContent, AlreadySubmitted,
    ChangedMeanwhile, IsArchived."""
    item = states.locked_alive(version.item_id)
    newest = states.newest(item)
    if newest.pk != version.pk or newest.digest != version.digest:
        raise ChangedMeanwhile
    if newest.state != Version.State.DRAFT:
        raise AlreadySubmitted
    problems = checking.missing(newest)
    for name, texts in checking.too_much(item.kind, newest.content()).items():
        problems.setdefault(name, []).extend(texts)
    if problems:
        raise BadContent.of(problems)
    newest.state = Version.State.IN_REVIEW
    newest.submitted_by, newest.submitted_at = actor, timezone.now()
    newest.save(update_fields=["state", "submitted_by", "submitted_at"])
    Approval.objects.create(
        action=ACTION,
        subject_type=newest._meta.label_lower,
        subject_id=str(newest.pk),
        summary=str(newest)[:300],
        digest=newest.digest,
        requested_by=actor,
        reason=note[:500],
        expires_at=timezone.now() + ASKED_FOR,
    )
    states.refresh(item)
    _record("content.version.submitted", newest, actor, reason=note)
    return newest


def approve(
    version: Version, *, actor: Staff, seen: str | None = None, note: str = ""
) -> Version:
    """Say yes to exactly the words that were submitted.

    `seen`: the digest of what the reviewer read. Raises OwnWords for anybody who wrote
    the version, NotUnderReview when it was decided or withdrawn, ChangedMeanwhile,
    ReviewExpired.
    """
    with transaction.atomic():
        item, found, asked = _under_review(version, seen)
        if actor.pk in {*found.author_ids, found.created_by_id, asked.requested_by_id}:
            raise OwnWords
        found.state = Version.State.APPROVED
        found.approved_by, found.approved_at = actor, timezone.now()
        found.review_note = note[:500]
        found.save(update_fields=["state", "approved_by", "approved_at", "review_note"])
        _settle(asked, Approval.State.APPROVED, actor)
        states.refresh(item)
        _record("content.version.approved", found, actor, reason=note)
    return found


def give_back(
    version: Version, *, actor: Staff, comment: str, seen: str | None = None
) -> Version:
    """Return it to its author with a comment. Raises as `approve`, and BadContent
    without a comment. An author withdraws instead."""
    if not comment.strip():
        raise BadContent.of({"comment": [_("Say what should change.")]})
    with transaction.atomic():
        item, found, asked = _under_review(version, seen)
        if actor.pk in {*found.author_ids, asked.requested_by_id}:
            raise OwnWords(_("You wrote this version yourself: withdraw it instead."))
        found.state = Version.State.RETURNED
        found.returned_by, found.returned_at = actor, timezone.now()
        found.review_note = comment.strip()[:500]
        found.save(update_fields=["state", "returned_by", "returned_at", "review_note"])
        _settle(asked, Approval.State.REFUSED, actor)
        states.refresh(item)
        _record("content.version.returned", found, actor, reason=comment)
    return found


@transaction.atomic
def withdraw(version: Version, *, actor: Staff) -> Version:
    """Take a version back before anybody decided; the draft to go on with.

    Raises NotUnderReview, IsArchived.
    """
    item = states.locked_alive(version.item_id)
    found = item.versions.select_related("item").get(pk=version.pk)
    if found.state != Version.State.IN_REVIEW:
        raise NotUnderReview
    take_back(found, actor=actor)
    draft = items.written(found, found.content(), actor=actor)
    states.refresh(item)
    return draft


def take_back(version: Version, *, actor: Staff) -> None:
    """The same for a version whose item is locked already."""
    version.state = Version.State.WITHDRAWN
    version.save(update_fields=["state"])
    _requests(version).update(state=Approval.State.VOID, decided_at=timezone.now())
    _record("content.version.withdrawn", version, actor)


def waiting_for(staff: Staff) -> list[Version]:
    """Versions in their scope that somebody else wrote and waits for, oldest first."""
    if not staff.has_perm("content.approve_item"):
        return []
    own = Item.objects.writable_by(staff).exclude(state=Item.State.ARCHIVED)
    return list(
        Version.objects.filter(item__in=own, state=Version.State.IN_REVIEW)
        .exclude(author_ids__contains=[staff.pk])
        .exclude(submitted_by=staff)
        .select_related("item", "submitted_by")
        .order_by("submitted_at")[:100]
    )


def _under_review(version: Version, seen: str | None) -> tuple[Item, Version, Approval]:
    item = states.locked_alive(version.item_id)
    found = item.versions.select_related("item").get(pk=version.pk)
    if found.state != Version.State.IN_REVIEW:
        raise NotUnderReview(_why_decided(found))
    asked = _requests(found).select_for_update().first()
    if asked is None or asked.expires_at <= timezone.now():
        raise ReviewExpired
    if asked.digest != found.digest or (seen is not None and seen != found.digest):
        raise ChangedMeanwhile
    return item, found, asked


def _why_decided(version: Version) -> str:
    if version.state == Version.State.APPROVED:
        return _("%(name)s has already approved this version.") % {
            "name": version.approved_by
        }
    if version.state == Version.State.RETURNED:
        return _("%(name)s has already returned this version.") % {
            "name": version.returned_by
        }
    if version.state == Version.State.WITHDRAWN:
        return _(
            "The author changed or withdrew it meanwhile; a newer version follows."
        )
    return str(NotUnderReview.message)


def _requests(version: Version) -> QuerySet[Approval]:
    return Approval.objects.filter(
        action=ACTION,
        subject_type=version._meta.label_lower,
        subject_id=str(version.pk),
        state=Approval.State.REQUESTED,
    )


def _settle(asked: Approval, state: Approval.State, actor: Staff) -> None:
    asked.state, asked.approver, asked.decided_at = state, actor, timezone.now()
    asked.save(update_fields=["state", "approver", "decided_at"])


def _record(action: str, version: Version, actor: Staff, *, reason: str = "") -> None:
    audit.record(
        action,
        version.item,
        actor=actor,
        after={"version": version.number, "digest": version.digest[:12]},
        reason=reason,
        label=version.item.title,
    )
