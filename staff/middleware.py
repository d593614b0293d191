"""What holds for every request of a person: language, session age, first password."""

from __future__ import annotations

import time
from collections.abc import Callable

from django.conf import settings
from django.contrib.auth import logout
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import translation
from django.utils.cache import patch_cache_control

from staff.models import Staff

Handler = Callable[[HttpRequest], HttpResponse]

# Pages that refresh themselves say so: they are no sign that somebody is there.
BACKGROUND_HEADER = "X-Background"
TOUCH_EVERY_SECONDS = 60
SIGNED_IN_AT = "signed_in_at"
SEEN_AT = "seen_at"


class LanguageMiddleware:
    """The person's own language, else the browser's choice here, else Chinese.

    Accept-Language is not asked: an English browser does not mean an English reader.
    """

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        language = _language(request)
        with translation.override(language):
            request.LANGUAGE_CODE = language
            response = self.get_response(request)
        response.headers.setdefault("Content-Language", language)
        return response


def _language(request: HttpRequest) -> str:
    known = dict(settings.LANGUAGES)
    if isinstance(request.user, Staff) and request.user.language in known:
        return request.user.language
    chosen = request.COOKIES.get(settings.LANGUAGE_COOKIE_NAME, "")
    return chosen if chosen in known else settings.LANGUAGE_CODE


class SessionMiddleware:
    """Ends sessions that are idle or old, and keeps pages out of every cache."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not isinstance(request.user, Staff):
            return self.get_response(request)
        if _is_over(request):
            logout(request)
        response = self.get_response(request)
        if not response.has_header("Cache-Control"):
            patch_cache_control(response, no_store=True, private=True)
        return response


def begin(request: HttpRequest, **_: object) -> None:
    """Start the clocks of a session; called at every log-in."""
    request.session[SIGNED_IN_AT] = request.session[SEEN_AT] = int(time.time())


def _is_over(request: HttpRequest) -> bool:
    now = int(time.time())
    session = request.session
    began = session.setdefault(SIGNED_IN_AT, now)
    seen = session.setdefault(SEEN_AT, now)
    if now - began > settings.SESSION_ABSOLUTE_SECONDS:
        return True
    if now - seen > settings.SESSION_IDLE_SECONDS:
        return True
    is_background = BACKGROUND_HEADER in request.headers
    if not is_background and now - seen > TOUCH_EVERY_SECONDS:
        session[SEEN_AT] = now
    return False


class FirstPasswordMiddleware:
    """A temporary password opens only the page where it is replaced."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        person = request.user
        if isinstance(person, Staff) and person.must_change_password:
            allowed = {
                reverse("admin:password_change"),
                reverse("admin:logout"),
                reverse("admin:language"),
                reverse("admin:jsi18n"),
            }
            if request.path not in allowed:
                return HttpResponseRedirect(reverse("admin:password_change"))
        return self.get_response(request)
