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
from core.registry import HomeLead, HomeTile, Text, TileLine, home_leads, home_tiles

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Tile:
    title: Text
    lines: list[TileLine]
    is_broken: bool = False


def home(request: HttpRequest) -> TemplateResponse:
    return console_page(
        request,
        "console/home.html",
        title=_("Home"),
        context={"leads": _leads(request), **_context(request)},
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


def _leads(request: HttpRequest) -> list[str]:
    """The large figures; one that can't be told is left out, the log knows why."""
    shown = []
    for lead in sorted(home_leads, key=lambda lead: lead.order):
        if request.user.has_perm(lead.permission):
            shown.append(_lead(lead, request))
    return shown


def _lead(lead: HomeLead, request: HttpRequest) -> str:
    try:
        return lead.render(request)
    except Exception:
        # What waits below it matters more.
        logger.exception("Home lead %s failed", lead.name)
        return ""


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
