"""Saved views above a list: chips to open them, and where they are kept and changed.

class OrderAdmin(SavedViews, ScopedAdmin):
    saved_keys = ("q", "state")
"""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseRedirect,
    QueryDict,
)
from django.http.response import HttpResponseBase
from django.urls import URLPattern, path
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from core.errors import AppError
from staff import saved_views
from staff.models import SavedView, Staff


class SavedViews:
    """Mixed in front of a list's admin. `saved_keys`: what of the address a view keeps."""

    saved_keys: tuple[str, ...] = ()
    list_before_template = "staff/saved_views.html"
    # What else a list does with a look, drawn beside the views; "": nothing.
    view_more_template = ""
    opts: Any
    admin_site: Any

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponseBase:
        views = self._views(request)
        now = self.kept_query(request.GET)
        context = {
            "saved_views": views,
            "kept_query": now,
            "view_more_template": self.view_more_template,
            "current_view": next((view for view in views if view.query == now), None),
            **(extra_context or {}),
        }
        return super().changelist_view(request, context)  # type: ignore[misc, no-any-return]

    def kept_query(self, asked: QueryDict) -> str:
        """What a view of this look would keep, always in the same order."""
        kept = QueryDict(mutable=True)
        for key in self.saved_keys:
            values = [value for value in asked.getlist(key) if value.strip()]
            if values:
                kept.setlist(key, values)
        return kept.urlencode()

    def default_query(self, request: HttpRequest) -> str:
        """The query string of the view that opens by itself; "" without one."""
        return next((v.query for v in self._views(request) if v.is_default), "")

    def _views(self, request: HttpRequest) -> list[SavedView]:
        """Read once for a page."""
        found: list[SavedView] | None = getattr(request, "_saved_views", None)
        if found is None:
            found = saved_views.of(self.opts.label_lower, actor=_actor(request))
            request._saved_views = found  # type: ignore[attr-defined]
        return found

    def get_urls(self) -> list[URLPattern]:
        name = f"{self.opts.app_label}_{self.opts.model_name}"
        wrap = self.admin_site.admin_view
        mine = [
            path("views/save/", wrap(self.save_view), name=f"{name}_save_view"),
            path(
                "views/<int:view_id>/",
                wrap(self.change_saved),
                name=f"{name}_saved_view",
            ),
        ]
        return [*mine, *super().get_urls()]  # type: ignore[misc]

    def save_view(self, request: HttpRequest) -> HttpResponse:
        return _save(request, self)

    def change_saved(self, request: HttpRequest, view_id: int) -> HttpResponse:
        return _change(request, self, view_id)


@require_POST
def _save(request: HttpRequest, admin: SavedViews) -> HttpResponse:
    query = admin.kept_query(QueryDict(request.POST.get("query", "")))
    _need_view(request, admin)
    name, page = request.POST.get("name", ""), admin.opts.label_lower
    try:
        saved_views.save(page, name, query, actor=_actor(request))
    except AppError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, _("The view is saved."))
    return HttpResponseRedirect(f"../../?{query}")


@require_POST
def _change(request: HttpRequest, admin: SavedViews, view_id: int) -> HttpResponse:
    """Rename, delete, open by itself or no longer: by the button that was pressed."""
    _need_view(request, admin)
    actor = _actor(request)
    mine = SavedView.objects.visible_to(actor).filter(page=admin.opts.label_lower)
    view = mine.filter(pk=view_id).first()
    if view is None:
        raise Http404
    wish, query = request.POST.get("do", ""), view.query
    try:
        if wish == "delete":
            view.delete()
            messages.success(request, _("The view is deleted."))
        elif wish == "rename":
            saved_views.rename(view, request.POST.get("name", ""), actor=actor)
        elif wish in ("default", "no-default"):
            saved_views.make_default(view, wish == "default", actor=actor)
    except AppError as error:
        messages.error(request, str(error))
    return HttpResponseRedirect(f"../../?{query}")


def _need_view(request: HttpRequest, admin: Any) -> None:
    if not admin.has_view_permission(request):
        raise Http404


def _actor(request: HttpRequest) -> Staff:
    assert isinstance(request.user, Staff)
    return request.user
