"""What django-axes asks us: where a request comes from, what a locked one is shown."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse


def client_ip(request: HttpRequest) -> str:
    """The address the outermost of our own proxies saw.

    TRUSTED_PROXIES is how many of ours stand in front; entries further left in
    X-Forwarded-For are the client's own words and never believed.
    """
    proxies = settings.TRUSTED_PROXIES
    hops = request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")
    if proxies and len(hops) >= proxies:
        return str(hops[-proxies]).strip()
    return str(request.META.get("REMOTE_ADDR", ""))


def response(
    request: HttpRequest, original_response: HttpResponse, credentials: Any = None
) -> HttpResponse:
    """The log-in page as it stands (its form says why), with status 429."""
    original_response.status_code = 429
    return original_response
