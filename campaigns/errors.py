"""Refusals of planning and sending that more than one file raises."""

from __future__ import annotations

from collections.abc import Mapping

from django.utils.translation import gettext_lazy as _

from core.errors import AppError, BadInput


class ChangedMeanwhile(AppError):
    """The row is no longer what the person has read."""

    code = "changed_meanwhile"
    message = _(
        "Somebody changed this in the meantime. Look at how it stands now and try again."
    )


class NotInThisState(AppError):
    """The state the row is in does not allow it."""

    code = "not_in_this_state"


class FieldProblems(BadInput):
    """`extra["fields"]`: {name of the field: words}, for the page beside the field."""

    message = _("Some of what you entered can't be used.")

    def __init__(self, fields: Mapping[str, object]) -> None:
        super().__init__(fields={name: str(words) for name, words in fields.items()})
