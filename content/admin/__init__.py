"""Registers every admin of the content."""

from content.admin import answers, days, items  # noqa: F401
