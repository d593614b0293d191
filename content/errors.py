"""Refusals of the content, each with what the person can do about it."""

from __future__ import annotations

from collections.abc import Mapping

from django.utils.translation import gettext_lazy as _

from core.errors import AppError, BadInput, NotAllowed
from core.registry import Text


class BadContent(BadInput):
    """What was written can't be kept or shown. extra: fields (field → list of texts)."""

    code = "bad_content"
    message = _("Something about the content must be changed first.")

    @classmethod
    def of(cls, problems: Mapping[str, list[Text]]) -> BadContent:
        fields = {
            name: [str(text) for text in texts] for name, texts in problems.items()
        }
        return cls(
            " ".join(text for texts in fields.values() for text in texts), fields=fields
        )


class ChangedMeanwhile(AppError):
    """Somebody else saved or decided first."""

    code = "changed_meanwhile"
    message = _(
        "Somebody changed this meanwhile. Look at the newest state, then decide."
    )


class IsArchived(AppError):
    code = "archived"
    message = _("The item is archived. Take it out of the archive first.")


class NotUnderReview(AppError):
    code = "not_under_review"
    message = _("This version is not waiting for a review (any more).")


class AlreadySubmitted(AppError):
    code = "already_submitted"
    message = _("This version was submitted already; a change makes a new one.")


class OwnWords(NotAllowed):
    code = "own_words"
    message = _("You wrote this version yourself: another person must approve it.")


class ReviewExpired(AppError):
    code = "review_expired"
    message = _("The review was asked for too long ago. Submit the version again.")


class StillUsed(AppError):
    """extra: uses (list of texts)."""

    code = "still_used"
    message = _("It is still used.")


class NotPlanned(AppError):
    code = "not_planned"
    message = _("The slot was published or cancelled meanwhile and can't be changed.")


class NotApproved(AppError):
    code = "not_approved"
    message = _("The version is not approved yet, so it can't go out.")


class CannotSchedule(AppError):
    """The time, account or rights don't allow a slot there."""

    code = "cannot_schedule"
    message = _("It can't be planned there.")


class NotYours(NotAllowed):
    code = "not_yours"
    message = _("This belongs to a unit above yours: you may read it, not change it.")
