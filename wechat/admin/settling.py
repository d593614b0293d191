"""The pages on which two people settle what nobody knows the end of."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _

from core.errors import AppError
from staff.models import Staff
from wechat.admin.panels import PanelAdmin
from wechat.resolving import CHOICES


class SettlingAdmin(PanelAdmin):
    """`resolver`: the module with open_request, choice_of, why_not_again, ask, decide."""

    resolver: ModuleType
    resolve_permission: str

    def get_urls(self) -> list[URLPattern]:
        view, name = self.admin_site.admin_view, self._url_name()
        return [
            path("<int:object_id>/ask/", view(self.ask), name=f"{name}_ask"),
            path("<int:object_id>/decide/", view(self.decide), name=f"{name}_decide"),
            *super().get_urls(),
        ]

    def _url_name(self) -> str:
        return f"{self.opts.app_label}_{self.opts.model_name}"

    def _row(self, request: HttpRequest, object_id: int) -> Any:
        may = request.user.has_perm(self.resolve_permission)
        if request.method != "POST" or not may:
            raise PermissionDenied
        return self.get_object_or_404(request, object_id)

    def ask(self, request: HttpRequest, object_id: int) -> HttpResponse:
        row = self._row(request, object_id)
        choice = request.POST.get("choice", "")
        reason = request.POST.get("reason", "").strip()
        assert isinstance(request.user, Staff)
        if choice not in CHOICES:
            messages.error(request, _("Choose what should happen."))
        elif not reason:
            messages.error(request, _("Say why, so that the second person can decide."))
        else:
            try:
                self.resolver.ask(row, choice, actor=request.user, reason=reason)
            except AppError as refusal:
                messages.error(request, str(refusal.message))
            else:
                messages.success(request, _("A second person must confirm it now."))
        return self._back(row)

    def decide(self, request: HttpRequest, object_id: int) -> HttpResponse:
        row = self._row(request, object_id)
        approval = self.resolver.open_request(row)
        is_yes = request.POST.get("decision") == "yes"
        assert isinstance(request.user, Staff)
        if approval is None:
            messages.error(request, _("Nobody asks for a decision on this message."))
            return self._back(row)
        try:
            self.resolver.decide(approval, actor=request.user, is_yes=is_yes)
        except AppError as refusal:
            messages.error(request, str(refusal.message))
        else:
            done = (
                _("Confirmed and done.") if is_yes else _("Refused; nothing changed.")
            )
            messages.success(request, done)
        return self._back(row)

    def _back(self, row: Any) -> HttpResponse:
        url = reverse(f"admin:{self._url_name()}_change", args=[row.pk])
        return HttpResponseRedirect(url)

    def settling(
        self, request: HttpRequest, row: Any, *, is_unknown: bool
    ) -> dict[str, Any]:
        """What the template wechat/settling.html shows."""
        asked = self.resolver.open_request(row)
        name = self._url_name()
        return {
            "asked": asked,
            "asked_choice": self.resolver.choice_of(asked) if asked else "",
            "is_mine": asked is not None and asked.requested_by_id == request.user.pk,
            "may_resolve": is_unknown
            and request.user.has_perm(self.resolve_permission),
            "why_not_again": self.resolver.why_not_again(row) if is_unknown else "",
            "ask_url": reverse(f"admin:{name}_ask", args=[row.pk]),
            "decide_url": reverse(f"admin:{name}_decide", args=[row.pk]),
        }
