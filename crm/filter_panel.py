"""The filters of the member list, drawn when somebody opens them.

They hold every tag, store and colleague in the person's scope: more than the page they
stand on, which most looks never need.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from django.contrib.admin import ListFilter
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from crm.filters import MEMBER_FILTERS
from crm.models import Member
from staff.requests import require


class Unopened:
    """Stands in the list for all its filters; holds what they chose, so that the form
    loses nothing when it is sent before they are there."""

    template = "crm/filter_panel.html"
    title = ""

    def __init__(self, request: HttpRequest, filters: Sequence[ListFilter]) -> None:
        self.query = request.GET.urlencode()
        self.used_parameters: dict[str, Any] = {}
        for each in filters:
            self.used_parameters |= each.used_parameters

    def choices(self, _changelist: Any) -> Iterator[Any]:
        chosen = [
            (key, value)
            for key, values in self.used_parameters.items()
            for value in values
        ]
        yield {"query": self.query, "chosen": chosen}


@require_GET
def show(request: HttpRequest) -> HttpResponse:
    """All filters with their choices, and what the query string chose of them."""
    require(request, "crm.view_member")
    params = {key: request.GET.getlist(key) for key in request.GET}
    filters = [kind(request, params, Member, None) for kind in MEMBER_FILTERS]
    return render(request, "crm/filters.html", {"filters": filters})
