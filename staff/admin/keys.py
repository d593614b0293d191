"""API tokens and approvals: looked at here, made elsewhere."""

from __future__ import annotations

from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.decorators import action

from core.admin import ReadOnly, ScopedAdmin
from core.pages import console_page
from core.templatetags.console import status
from staff import tokens
from staff.models import ApiToken, Approval, Staff


@admin.register(ApiToken)
class ApiTokenAdmin(ReadOnly, ScopedAdmin):
    list_display = ["name", "staff", "prefix", "created_at", "last_used_at", "state"]
    list_select_related = ["staff"]
    search_fields = ["name", "staff__display_name"]
    fields = [
        *("name", "staff", "prefix", "created_at", "created_by"),
        *("last_used_at", "revoked_at"),
    ]
    actions = None
    actions_detail = ["revoke"]

    @admin.display(description=gettext_lazy("State"))
    def state(self, obj: ApiToken) -> SafeString:
        if obj.revoked_at:
            return status("idle", _("Revoked"))
        return status("good", _("Usable"))

    @action(
        description=gettext_lazy("Revoke"),
        permissions=["staff.change_apitoken"],
        url_path="revoke",
        icon="key_off",
    )
    def revoke(self, request: HttpRequest, object_id: str) -> HttpResponse:
        token: ApiToken = self.get_object_or_404(request, object_id)
        assert isinstance(request.user, Staff)
        if request.method != "POST":
            return console_page(
                request,
                "staff/confirm.html",
                title=_("Revoke"),
                context={
                    "person": token.staff,
                    "text": _("Programs that use the token stop working at once."),
                    "verb": _("Revoke"),
                    "is_dangerous": True,
                    "opts": self.opts,
                    "original": token,
                },
            )
        if tokens.revoke(token, actor=request.user):
            messages.success(request, _("The token was revoked."))
        return HttpResponseRedirect(reverse("admin:staff_apitoken_changelist"))


@admin.register(Approval)
class ApprovalAdmin(ReadOnly, ScopedAdmin):
    list_display = [
        "summary",
        "requested_by",
        "state_shape",
        "approver",
        "requested_at",
    ]
    list_filter = ["state"]
    list_select_related = ["requested_by", "approver"]
    fields = [
        *("summary", "action", "state", "requested_by", "approver", "reason"),
        *("requested_at", "decided_at", "expires_at"),
    ]
    actions = None

    @admin.display(description=gettext_lazy("State"))
    def state_shape(self, obj: Approval) -> SafeString:
        tones = {"requested": "part", "approved": "good", "refused": "bad"}
        return status(tones.get(obj.state, "idle"), obj.get_state_display())
