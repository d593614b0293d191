"""The command palette: pages, lists and rows one may see, nothing cached.

The theme keeps results for five minutes per person, also those of rights taken away
since, and fails when the cache is down.
"""

from __future__ import annotations

from typing import Any

from django.contrib.admin.sites import AdminSite
from django.db import models
from django.http import HttpRequest
from django.urls import reverse
from django.utils.text import capfirst
from unfold.dataclasses import SearchResult

ROWS_PER_MODEL = 5
MAX_TERM = 80


def find(
    request: HttpRequest, term: str, *, site: AdminSite, menu: list[dict[str, Any]]
) -> list[SearchResult]:
    """Lines of the side bar whose title holds the term, then rows."""
    term = term.strip()[:MAX_TERM]
    return _menu(menu, term.lower()) + _rows(request, term, site) if term else []


def _menu(menu: list[dict[str, Any]], term: str) -> list[SearchResult]:
    return [
        SearchResult(
            title=item["title"],
            description=str(group.get("title", "")),
            link=item["link"],
            icon=item["icon"],
        )
        for group in menu
        for item in group["items"]
        if term in item["title"].lower() or term in str(group.get("title", "")).lower()
    ]


def _rows(request: HttpRequest, term: str, site: AdminSite) -> list[SearchResult]:
    found = []
    for model_admin in site._registry.values():
        if not getattr(model_admin, "command_search", False):
            continue
        if not model_admin.has_view_permission(request):
            continue
        rows, _duplicates = model_admin.get_search_results(
            request, model_admin.get_queryset(request), term
        )
        found += [_row(row, site) for row in rows[:ROWS_PER_MODEL]]
    return found


def _row(row: models.Model, site: AdminSite) -> SearchResult:
    opts = row._meta
    return SearchResult(
        title=str(row),
        description=capfirst(opts.verbose_name),
        link=reverse(
            f"{site.name}:{opts.app_label}_{opts.model_name}_change", args=[row.pk]
        ),
        icon="data_object",
    )
