"""Lists: what the theme works out again for every row, worked out once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache, wraps
from typing import Any

from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.utils.html import escape, format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _
from unfold.admin import checkbox
from unfold.templatetags import unfold_list

Headers = Callable[[Any], Iterable[dict[str, Any]]]
Items = Callable[[Any, Any, Any], Iterable[SafeString]]
PLACE = "the-key-of-the-row"


def install() -> None:
    """Called once, by ready(). The theme reads the headers anew for each row's labels,
    and takes the first figure of a row for the box that chooses it."""
    unfold_list.result_headers = once_per_list(unfold_list.result_headers)
    unfold_list.items_for_result = first_by_its_name(unfold_list.items_for_result)


def once_per_list(headers: Headers) -> Headers:
    """`headers(changelist)`, kept on the changelist, which lives for one request."""

    @wraps(headers)
    def kept(changelist: Any) -> Iterable[dict[str, Any]]:
        if not hasattr(changelist, "kept_headers"):
            changelist.kept_headers = list(headers(changelist))
        return changelist.kept_headers  # type: ignore[no-any-return]

    return kept


def first_by_its_name(items: Items) -> Items:
    """`items(changelist, row, form)`, the first one called what its column is called."""

    @wraps(items)
    def named(changelist: Any, row: Any, form: Any) -> Iterator[SafeString]:
        cells = iter(items(changelist, row, form))
        if changelist.list_display[0] != "action_checkbox":
            header = next(iter(unfold_list.result_headers(changelist)))
            theirs = format_html('data-label="{}"', _("Select record"))
            ours = format_html('data-label="{}"', header["text"])
            for first in cells:
                yield mark_safe(first.replace(theirs, ours, 1))  # noqa: S308  both escaped
                break
        yield from cells

    return named


def row_checkbox(key: Any, language: str) -> SafeString:
    """The theme's box before a row; `language` is the one in force."""
    before, after = _around_the_key(language)
    return mark_safe(f"{before}{escape(key)}{after}")  # noqa: S308  drawn by the theme


@lru_cache(maxsize=8)
def _around_the_key(language: str) -> tuple[str, str]:
    before, _place, after = checkbox.render(ACTION_CHECKBOX_NAME, PLACE).partition(
        PLACE
    )
    return before, after
