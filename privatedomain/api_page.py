"""The page that shows the API to people who write programs for it."""

from __future__ import annotations

from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core import navigation
from core.pages import console_page
from core.registry import NavItem, nav_items, site_urls


def api_page(request: HttpRequest) -> TemplateResponse:
    return console_page(
        request,
        "console/api.html",
        title=_("API"),
        lead=_(
            "What other programs may ask and do, with the rights of a token's person."
        ),
        context={"schema_url": reverse("api:schema")},
    )


def register() -> None:
    site_urls.append(("api/", api_page, "api"))
    nav_items.append(
        NavItem(
            group=navigation.SYSTEM,
            title=gettext_lazy("API"),
            url_name="admin:api",
            permission="staff.view_apitoken",
            icon="api",
            order=90,
        )
    )
