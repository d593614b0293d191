"""Refusals of the gateway that a person can act on."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from core.errors import AppError


class NotReady(AppError):
    """`extra["fields"]`: field → what is missing, for the form."""

    code = "not_ready"
    message = _("The account can't go live yet: something is missing.")


class NotUnknown(AppError):
    code = "not_unknown"
    message = _("This message is settled already.")


class AlreadyAsked(AppError):
    code = "already_asked"
    message = _("Somebody has already asked for a decision on this message.")


class SecondPersonNeeded(AppError):
    code = "second_person"
    message = _("Another person must confirm this.")


class DecisionOutdated(AppError):
    code = "outdated"
    message = _("The message changed since this was asked; ask again.")


class MayStillArrive(AppError):
    code = "may_still_arrive"
    message = _(
        "It can't be sent again yet: the sender may still be alive. Try again later."
    )
