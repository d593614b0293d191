"""Expected refusals, caught only at the edges (admin, API, tasks)."""

from __future__ import annotations

from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _


class AppError(Exception):
    """A refusal the person can act on.

    `code` is stable and for machines, `message` translated and for people, `extra` is
    JSON data for the page or API client (`{"holder": …}`).
    """

    code = "refused"
    message: str | Promise = _("This can't be done now.")

    def __init__(
        self, message: str | Promise | None = None, *, code: str = "", **extra: Any
    ) -> None:
        self.message = message or type(self).message
        self.code = code or type(self).code
        self.extra = extra
        super().__init__(str(self.message))


class BadInput(AppError):
    """What was given can't be used; the state of things would allow it."""

    code = "bad_input"


class NotAllowed(AppError):
    """This person may not do it, whatever is given."""

    code = "not_allowed"
    message = _("You may not do this.")
