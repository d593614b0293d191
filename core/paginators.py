"""Pages of big tables, without ever counting them."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from django.core.paginator import Page, Paginator

if TYPE_CHECKING:
    _Page = Page[Any]
    _Paginator = Paginator[Any]
else:
    _Page, _Paginator = Page, Paginator

# Larger than any table; only says "there may be more".
ENDLESS = 2**53


class OpenPage(_Page):
    def has_next(self) -> bool:
        return self.paginator.has_more  # type: ignore[attr-defined, no-any-return]


class OpenPaginator(_Paginator):
    """Previous and next only: reads one row past the page instead of COUNT(*)."""

    template_name = "console/pagination.html"
    has_more = False

    @cached_property
    def count(self) -> int:
        return ENDLESS

    def page(self, number: int | str) -> _Page:
        number = self.validate_number(number)
        bottom = (number - 1) * self.per_page
        rows = self.object_list[bottom : bottom + self.per_page]
        beyond = self.object_list[bottom + self.per_page :][:1]
        self.has_more = len(rows) == self.per_page and bool(beyond)
        return OpenPage(rows, number, self)
