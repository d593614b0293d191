"""What every request goes through before a page sees it."""

from __future__ import annotations

from collections.abc import Callable

from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import Resolver404, resolve


class RefuseNulMiddleware:
    """400 for NUL characters in the address: PostgreSQL has no text with them.

    Searches and filters of the admin put parameters into queries as they come. Forms
    refuse NUL by themselves, and so does the API, in its own words.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        is_page = not request.path_info.startswith("/api/")
        if is_page and "%00" in request.META.get("QUERY_STRING", ""):
            raise BadRequest("NUL in the query string")
        return self.get_response(request)


class WrongMethodMiddleware:
    """A page with the way back for who opens an address that is there to be sent to.

    Such an address stays in the browser's bar after a refused form; without this,
    pressing Enter there ends on the browser's own error page.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        is_page = request.method == "GET" and not request.path_info.startswith("/api/")
        if response.status_code != 405 or not is_page:
            return response
        context = {"back": _page_above(request.path_info)}
        page = render(request, "405.html", context, status=405)
        page["Allow"] = response.get("Allow", "POST")
        return page


def _page_above(address: str) -> str:
    """The nearest page above the address: of a row its own page; "" without one."""
    above = address.rstrip("/")
    while above := above.rpartition("/")[0]:
        for page in (f"{above}/change/", f"{above}/", above):
            try:
                found = resolve(page)
            except Resolver404:
                continue
            # The admin's catch-all has no name.
            if found.url_name:
                return page
    return ""
