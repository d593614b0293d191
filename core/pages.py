"""The frame of our own pages inside the admin site."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.template.response import TemplateResponse

from core import live
from core.registry import Text


def console_page(
    request: HttpRequest,
    template: str,
    *,
    title: Text,
    lead: Text = "",
    context: dict[str, Any] | None = None,
    status: int = 200,
) -> TemplateResponse:
    """Render `template` (extending console/page.html) in the console's frame.

    `lead`: one line under the title saying what the page is for. The view itself checks
    the permission (`admin.site.admin_view` checks the log-in only).
    """
    request.current_app = admin.site.name
    frame = {
        **admin.site.each_context(request),
        "title": title,
        "lead": lead,
        "live_url": live.address(request),
        **(context or {}),
    }
    return TemplateResponse(request, template, frame, status=status)
