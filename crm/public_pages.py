"""What every page for people without a log-in keeps to."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils import translation

from core.throttle import is_too_often
from staff.lockout import client_ip

View = Callable[..., HttpResponse]
MINUTE = 60
# Behind one address of a mobile carrier sit thousands.
PER_ADDRESS = 600


def public_page(
    name: str, often: Callable[[HttpRequest], HttpResponse]
) -> Callable[[View], View]:
    """In Chinese whatever the browser says, not kept, not indexed, not endlessly.

    `name` counts the requests of an address; `often` answers those past PER_ADDRESS.
    """

    def decorate(view: View) -> View:
        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            with translation.override(settings.LANGUAGE_CODE):
                if is_too_often(f"{name}:{client_ip(request)}", PER_ADDRESS, MINUTE):
                    response = often(request)
                else:
                    response = view(request, *args, **kwargs)
            response["Cache-Control"] = "no-store"
            response["X-Robots-Tag"] = "noindex, nofollow"
            return response

        return guarded

    return decorate
