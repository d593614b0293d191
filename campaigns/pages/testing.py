"""Test sends to oneself: binding one's own WeChat, and the test; a part of the page."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from campaigns import sending, testers
from campaigns.models import Touch
from campaigns.pages import access
from core.errors import AppError
from staff.models import Staff
from staff.requests import staff_of


@require_http_methods(["GET", "POST"])
def show(request: HttpRequest, touch: Touch) -> HttpResponse:
    """GET: how it stands. POST `what`: bind, unbind or send."""
    staff = staff_of(request)
    if not staff.has_perm(access.CHANGE_TOUCH):
        raise PermissionDenied
    told: dict[str, Any] = {}
    if request.method == "POST":
        told = _do(request.POST.get("what", ""), touch, staff)
    answer = TemplateResponse(
        request, "campaigns/touch_test.html", {**context(touch, staff), **told}
    )
    answer["Cache-Control"] = "no-store"
    return answer


def context(touch: Touch, staff: Staff) -> dict[str, Any]:
    return {"touch": touch, "tester": testers.binding(touch.account, staff)}


def _do(what: str, touch: Touch, staff: Staff) -> dict[str, Any]:
    try:
        if what == "bind":
            code, until = testers.new_code(touch.account, actor=staff)
            return {"code": code, "code_until": until}
        if what == "unbind":
            testers.unbind(touch.account, actor=staff)
            return {}
        if what == "send":
            sending.send_test(touch, actor=staff)
            done = _("On its way to your phone; it counts for nobody.")
            return {"test_done": done}
    except AppError as error:
        return {"test_problem": error.message}
    raise Http404
