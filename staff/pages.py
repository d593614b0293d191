"""One's own account: language, sessions, who one is here."""

from __future__ import annotations

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST

from core.pages import console_page
from staff import accounts, roles
from staff.models import Staff


def me(request: HttpRequest) -> TemplateResponse:
    assert isinstance(request.user, Staff)
    person = request.user
    names = person.groups.order_by("name").values_list("name", flat=True)
    return console_page(
        request,
        "staff/me.html",
        title=_("My account"),
        context={
            "person": person,
            "roles": [roles.role_label(name) for name in names],
            "units": person.org_unit.line() if person.org_unit else [],
            "session_count": len(accounts.open_sessions(person)),
            "tokens": person.api_tokens.filter(revoked_at__isnull=True),
            "languages": settings.LANGUAGES,
        },
    )


@require_POST
def language(request: HttpRequest) -> HttpResponse:
    """Keep the person's choice on the account, and in a cookie for the log-in page."""
    assert isinstance(request.user, Staff)
    chosen = request.POST.get("language", "")
    back = _local(request.POST.get("next", ""), request)
    response = HttpResponseRedirect(back)
    if chosen in dict(settings.LANGUAGES):
        request.user.language = chosen
        request.user.save(update_fields=["language"])
        response.set_cookie(
            settings.LANGUAGE_COOKIE_NAME,
            chosen,
            max_age=365 * 86_400,
            secure=settings.LANGUAGE_COOKIE_SECURE,
            httponly=True,
            samesite="Lax",
        )
    return response


@require_POST
def end_other_sessions(request: HttpRequest) -> HttpResponse:
    assert isinstance(request.user, Staff)
    ended = accounts.end_sessions(request.user, keep=request.session.session_key)
    text = ngettext(
        "%(count)d other session was ended.",
        "%(count)d other sessions were ended.",
        ended,
    )
    messages.success(request, text % {"count": ended})
    return HttpResponseRedirect(reverse("admin:me"))


def _local(address: str, request: HttpRequest) -> str:
    is_ours = url_has_allowed_host_and_scheme(
        address, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return address if address and is_ours else reverse("admin:index")
