"""Lists that open as they were left: filters and search, not the page."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode, urlsplit

from django.http import HttpRequest, HttpResponseRedirect
from django.http.response import HttpResponseBase


class RemembersFilters:
    """Mixed in front of ScopedAdmin. `remembered`: the keys of the query string kept."""

    remembered: tuple[str, ...] = ("q",)

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponseBase:
        kept = self._remember(request)
        if kept:
            return HttpResponseRedirect(f"{request.path}?{urlencode(kept)}")
        return super().changelist_view(request, extra_context)  # type: ignore[misc, no-any-return]

    def _remember(self, request: HttpRequest) -> dict[str, str]:
        """Keep this look's filters; on a bare visit, those of the last one.

        Coming from the list itself, a bare address means that they were cleared.
        """
        key = f"{self.opts.label_lower}.list"  # type: ignore[attr-defined]
        given = {
            name: request.GET[name] for name in self.remembered if request.GET.get(name)
        }
        stored: dict[str, str] = request.session.get(key, {})
        came_from = urlsplit(request.headers.get("Referer", "")).path
        if stored and not request.GET and came_from != request.path:
            return stored
        if given != stored:
            request.session[key] = given
        return {}
