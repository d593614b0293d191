"""The one admin site all pages live in."""

from __future__ import annotations

import time
from functools import partial
from typing import Any, cast

from django.conf import settings
from django.contrib import messages
from django.contrib.admin import AdminSite
from django.contrib.auth import update_session_auth_hash
from django.contrib.auth.views import PasswordChangeView
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import URLPattern, get_script_prefix, path, reverse
from django.utils.functional import SimpleLazyObject
from django.utils.translation import gettext as _
from unfold.sites import UnfoldAdminSite

from core import search
from core.registry import site_urls
from core.templatetags.frame import Frame
from privatedomain import navigation

# What a page's frame has of the request, the person and the session.
OF_REQUEST = {
    *("has_permission", "available_apps", "is_popup", "log_entries"),
    "sidebar_navigation",
}
# Addresses begin in one way in life; a bound on what a proxy may make of it.
MOST_PREFIXES = 8


class ConsoleSite(UnfoldAdminSite):
    """Admin site with the console's home, navigation, search and language switch."""

    def __init__(self, name: str = "admin") -> None:
        super().__init__(name)
        self._frames: dict[str, Frame] = {}

    def get_urls(self) -> list[URLPattern]:
        # "r/<type>/<id>/" redirects to any row there is: it tells that it exists.
        return [
            url
            for url in super().get_urls()
            if getattr(url, "name", "") != "view_on_site"
        ]

    def extra_urls(self) -> list[URLPattern]:
        from privatedomain import health_page, home

        own = [
            path("health/", self.admin_view(health_page.health), name="health"),
            path(
                "health/parts/",
                self.admin_view(health_page.parts),
                name="health_parts",
            ),
            path("home/tiles/", self.admin_view(home.tiles), name="home_tiles"),
        ]
        for route, view, name in site_urls:
            own.append(path(route, self.admin_view(view), name=name))
        return own

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        frame = self._frame(request)
        is_inside = self.has_permission(request)
        return {
            **AdminSite.each_context(self, request),
            **frame.values,
            "frame": frame,
            "menu": partial(navigation.drawn, request) if is_inside else "",
            # Where the language switch comes back to.
            "redirect_to": request.get_full_path() if request.method == "GET" else "",
        }

    def _frame(self, request: HttpRequest) -> Frame:
        """What the theme reads from its settings, once: no request changes it."""
        prefix = get_script_prefix()
        frame = self._frames.get(prefix)
        if frame is None:
            told = super().each_context(request)
            values = {k: v for k, v in told.items() if k not in OF_REQUEST}
            codes = [code for code, _name in settings.LANGUAGES]
            frame = Frame({**values, "language_codes": codes})
            if len(self._frames) >= MOST_PREFIXES:
                self._frames.clear()
            self._frames[prefix] = frame
        return frame

    def get_sidebar_list(self, request: HttpRequest) -> list[dict[str, Any]]:
        return navigation.sidebar(request) if self.has_permission(request) else []

    def get_app_list(
        self, request: HttpRequest, app_label: str | None = None
    ) -> list[dict[str, Any]]:
        """Made when looked at: every page gets it, hardly one shows it."""
        made = partial(super().get_app_list, request, app_label)
        return cast("list[dict[str, Any]]", SimpleLazyObject(made))

    def index(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> TemplateResponse:
        from privatedomain import home

        return home.home(request)

    def search(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        started = time.monotonic()
        term = request.GET.get("s", "")
        if not term.strip():
            return HttpResponse()
        found = search.find(
            request, term, site=self, menu=self.get_sidebar_list(request)
        )
        paginator = Paginator(found, 100)
        page = paginator.get_page(request.GET.get("page"))
        is_palette = "extended" in request.GET
        return TemplateResponse(
            request,
            "unfold/helpers/command_results.html"
            if is_palette
            else "unfold/helpers/search_results.html",
            {
                "page_obj": paginator,
                "results": page,
                "page_counter": page.start_index() - 1 if found else 0,
                "execution_time": time.monotonic() - started,
                "command_show_history": False,
            },
            headers={"HX-Trigger": "search"},
        )

    def password_change(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponseBase:
        from staff.forms import OwnPasswordForm

        request.current_app = self.name
        return _PasswordChange.as_view(
            form_class=OwnPasswordForm,
            success_url=reverse(f"{self.name}:index"),
            template_name="registration/password_change_form.html",
            extra_context={**self.each_context(request), **(extra_context or {})},
        )(request)


class _PasswordChange(PasswordChangeView):
    """The form writes the password and ends the other sessions (staff.accounts)."""

    def form_valid(self, form: Any) -> HttpResponse:
        form.save(keep_session=self.request.session.session_key)
        update_session_auth_hash(self.request, form.user)
        messages.success(
            self.request, _("Your password was changed; other sessions were ended.")
        )
        return HttpResponseRedirect(self.get_success_url())
