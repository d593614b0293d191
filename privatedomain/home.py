"""The first page: what needs me now, for my role."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext as _

from core.pages import console_page
from core.registry import HomeTile, Text, TileLine, home_tiles

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Tile:
    title: Text
    lines: list[TileLine]
    is_broken: bool = False


def home(request: HttpRequest) -> TemplateResponse:
    return console_page(
        request, "console/home.html", title=_("Home"), context=_context(request)
    )


def tiles(request: HttpRequest) -> TemplateResponse:
    """The tiles alone; the open page asks every half minute."""
    return TemplateResponse(request, "console/home_tiles.html", _context(request))


def _context(request: HttpRequest) -> dict[str, Any]:
    built = [_build(tile, request) for tile in _allowed(request)]
    return {
        "tiles": [tile for tile in built if tile.lines or tile.is_broken],
        "as_of": timezone.now(),
        "shortcuts": _shortcuts(request),
    }


def _allowed(request: HttpRequest) -> list[HomeTile]:
    return sorted(
        (
            tile
            for tile in home_tiles
            if not tile.permission or request.user.has_perm(tile.permission)
        ),
        key=lambda tile: tile.order,
    )


def _build(tile: HomeTile, request: HttpRequest) -> Tile:
    try:
        return Tile(tile.title, list(tile.build(request)))
    except Exception:
        # The other answers still help; this one says that it is missing.
        logger.exception("Home tile %s failed", tile.name)
        return Tile(tile.title, [], is_broken=True)


def _shortcuts(request: HttpRequest) -> list[dict[str, Any]]:
    """The pages one works in, for the empty state: the top of each menu group."""
    menu: list[dict[str, Any]] = admin.site.get_sidebar_list(request)  # type: ignore[attr-defined]
    return [group["items"][0] for group in menu[1:] if group["items"]][:6]
