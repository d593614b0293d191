"""The frame of our own pages inside the admin site."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib import admin, messages
from django.db.models import Model
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _

from core import live
from core.registry import Text

Place = type[Model] | Model | tuple[Text, str]


def console_page(
    request: HttpRequest,
    template: str,
    *,
    title: Text,
    lead: Text = "",
    above: Sequence[Place] = (),
    context: dict[str, Any] | None = None,
    status: int = 200,
) -> TemplateResponse:
    """Render `template` (extending console/page.html) in the console's frame.

    `lead`: one line under the title saying what the page is for. `above`: the way back,
    shown before the title: a model for its list, a row for its list and its page, or a
    title with an address; lists the person may not open are left out. The view itself
    checks the permission (`admin.site.admin_view` checks the log-in only).
    """
    request.current_app = admin.site.name
    frame = {
        **admin.site.each_context(request),
        "title": title,
        "lead": lead,
        "above": above,
        "live_url": live.address(request),
        **(context or {}),
    }
    return TemplateResponse(request, template, frame, status=status)


def tell_missing(request: HttpRequest, field: Any) -> None:
    """Say what has to be made before a form can be filled in, and where.

    `field`: the form's choice of a row, None when the form has no such field.
    """
    if field is None or field.queryset.exists():
        return
    opts = field.queryset.model._meta
    text = _("There is no %(thing)s yet, and this form needs one.")
    words = text % {"thing": opts.verbose_name}
    other = admin.site._registry.get(field.queryset.model)
    if other is not None and other.has_add_permission(request):
        url = reverse(f"admin:{opts.app_label}_{opts.model_name}_add")
        first = _("Make the first %(thing)s") % {"thing": opts.verbose_name}
        words = format_html(
            '{} <a class="underline" href="{}">{}</a>', words, url, first
        )
    messages.warning(request, words)
