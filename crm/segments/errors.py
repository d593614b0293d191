"""Refusals of segments that people can act on."""

from __future__ import annotations

from collections.abc import Iterable

from django.utils.translation import gettext_lazy as _

from core.errors import AppError, BadInput
from core.registry import Text


class SegmentInvalid(BadInput):
    """The rule can't be used; `problems` says where and why.

    Each is (path, words); the path is a JSON pointer into the rule (RFC 6901), "" for
    the whole of it: ("/all/0/within_days", "A whole number from 1 to 3650.").
    """

    code = "segment_invalid"
    message = _("The rule can't be used.")

    def __init__(self, problems: Iterable[tuple[str, Text]]) -> None:
        self.problems = [(path, str(words)) for path, words in problems]
        super().__init__(
            " ".join(dict.fromkeys(words for _path, words in self.problems)),
            problems=[list(each) for each in self.problems],
        )


class SegmentInUse(AppError):
    code = "segment_in_use"
    message = _("The segment is in use.")


class SegmentChanged(AppError):
    code = "segment_changed"
    message = _("Somebody changed the segment meanwhile; look at it again.")


class SegmentArchived(AppError):
    code = "segment_archived"
    message = _(
        "The segment is archived: take it out of the archive before you change it."
    )


class NotThatKind(AppError):
    code = "not_that_kind"
    message = _("This can't be done with a segment of this kind.")
