"""Pages of one callback or message: a panel in words above the bare fields."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy

from core.admin import ReadOnly, ScopedAdmin
from staff.models import Staff
from wechat.models import App


def may_read_text(staff: Staff, app: App) -> bool:
    """A store sees that its brand's account sent something, not what to whom."""
    if staff.is_superuser:
        return True
    home = staff.org_unit
    return home is not None and app.account.org_unit.path.startswith(home.path)


class PanelAdmin(ReadOnly, ScopedAdmin):
    """Rows of an app; what is personal in them is shown to its account's own unit."""

    def panel(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        """State, reason, advice, and what the reader may do."""
        raise NotImplementedError

    @admin.display(description=gettext_lazy("dedupe key"))
    def key(self, obj: Any) -> str:
        # It holds whom the row is about.
        return str(obj.dedupe_key) if getattr(obj, "is_readable", False) else "–"

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> Any:
        found = super().get_object(request, object_id, from_field)
        if found is not None:
            assert isinstance(request.user, Staff)
            found.is_readable = may_read_text(request.user, found.app)
        return found

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        extra = dict(extra_context or {})
        if object_id:
            row = self.get_object_or_404(request, object_id)
            if self.has_view_permission(request, row):
                extra["panel"] = self.panel(request, row)
        return super().changeform_view(request, object_id, form_url, extra)
