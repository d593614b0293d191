"""Refusals of crm that people can act on."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from core.errors import AppError, BadInput, NotAllowed


class DifferentControllers(AppError):
    code = "different_controllers"
    message = _("The two members belong to different data controllers.")


class NotMergeable(AppError):
    code = "not_mergeable"
    message = _("A member who was merged or purged can't be merged.")


class TooManyReveals(AppError):
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
