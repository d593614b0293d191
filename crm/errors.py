"""Refusals of crm that people can act on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.utils.translation import gettext_lazy as _

from core.errors import AppError, BadInput, NotAllowed

if TYPE_CHECKING:
    from crm.models import MatchReview, Merge


class DifferentControllers(AppError):
    code = "different_controllers"
    message = _("The two members belong to different data controllers.")


class NotMergeable(AppError):
    code = "not_mergeable"
    message = _("A member who was merged or purged can't be merged.")


class AlreadyUndone(AppError):
    code = "already_undone"
    message = _("The two were taken apart already.")

    @classmethod
    def by(cls, row: Merge) -> AlreadyUndone:
        words = _("%(who)s took the two apart already.") % {"who": row.undone_by}
        return cls(words, by=row.undone_by_id)


class LaterMergeStands(AppError):
    code = "later_merge_stands"
    message = _("A later merge of one of the two must be undone first.")

    @classmethod
    def of(cls, later: Merge) -> LaterMergeStands:
        words = _("Undo the later merge %(merge)s first.") % {"merge": later}
        return cls(words, merge=later.pk)


class NotUndoable(AppError):
    code = "not_undoable"
    message = _("The data of the person was purged since; there is nothing to restore.")


class AlreadyDecided(AppError):
    code = "already_decided"
    message = _("Somebody else decided this a moment ago.")

    @classmethod
    def by(cls, review: MatchReview) -> AlreadyDecided:
        words = _("%(who)s decided this already: %(what)s.") % {
            "who": review.decided_by,
            "what": review.get_state_display(),
        }
        return cls(words, by=review.decided_by_id)


class PhoneInvalid(BadInput):
    code = "phone_invalid"
    message = _("This is no phone number that can be called. Example: 138 0013 8000.")


class TooManyReveals(AppError):
    """Past the setting `reveals_per_hour`; the message says when the next one is free."""

    code = "too_many_reveals"
    message = _("You have looked at many phone numbers this hour; try again later.")


class ComplaintClosed(AppError):
    code = "complaint_closed"
    message = _("Somebody closed this complaint already.")


class ReasonMissing(AppError):
    code = "reason_missing"
    message = _("Say why you need it.")


class TagArchived(AppError):
    code = "tag_archived"
    message = _("The tag was archived; restore it first.")


class TagInUse(AppError):
    code = "tag_in_use"
    message = _("The tag is in use.")


class NoteTextMissing(BadInput):
    code = "note_text"
    message = _("A note has 1 to 500 characters.")


class NoteNotYours(NotAllowed):
    code = "note_not_yours"
    message = _("Only who wrote a note may change it or take it away.")


class MeanwhileChanged(AppError):
    code = "meanwhile_changed"
    message = _(
        "Somebody has changed it since you opened the page; look at it and try again."
    )


class MemberGone(AppError):
    code = "member_gone"
    message = _("The record was merged or erased; nothing more can be written to it.")


class BulkTargetGone(AppError):
    code = "target_gone"
    message = _("What was chosen is gone, archived, or no longer yours to see.")


class OutsideEveryController(NotAllowed):
    code = "outside_every_controller"
    message = _("You belong to no org unit, so there are no members of yours.")
