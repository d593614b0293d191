"""What django-axes asks us: where a request comes from, who is locked, what they see."""

from __future__ import annotations

from typing import Any

from axes.attempts import get_cool_off_threshold
from axes.handlers.database import AxesDatabaseHandler
from axes.models import AccessAttempt
from django.conf import settings
from django.db.models import Sum
from django.http import HttpRequest, HttpResponse


class Handler(AxesDatabaseHandler):
    """Locks one account from one address, and an address that tries many accounts."""

    def get_failures(
        self, request: HttpRequest, credentials: dict[str, Any] | None = None
    ) -> int:
        failures = int(super().get_failures(request, credentials))
        if self._failures_from(request) >= settings.LOGIN_FAILURES_PER_ADDRESS:
            return max(failures, settings.AXES_FAILURE_LIMIT)
        return failures

    def _failures_from(self, request: HttpRequest) -> int:
        """Failures of the address on any account since the cool-off began to count."""
        attempts = AccessAttempt.objects.filter(
            ip_address=client_ip(request),
            attempt_time__gte=get_cool_off_threshold(request),
        )
        return attempts.aggregate(n=Sum("failures_since_start"))["n"] or 0


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
