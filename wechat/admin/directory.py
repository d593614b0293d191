"""What was read from WeCom: customer-service accounts, colleagues, passes."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext

from core.admin import ReadOnly, ScopedAdmin
from core.templatetags.console import moment, status
from wechat.models import Colleague, KfAccount, SyncRun


@admin.register(KfAccount)
class KfAccountAdmin(ReadOnly, ScopedAdmin):
    """Made by the platform and read from it."""

    list_display = ["__str__", "app", "pulled", "health"]
    list_select_related = ["app"]
    search_fields = ["name", "=open_kfid"]
    fields = ["app", "kf_id", "name", "pulled", "last_error"]
    readonly_fields = ["kf_id", "pulled"]
    actions = None

    @admin.display(description=gettext_lazy("Customer-service id (open_kfid)"))
    def kf_id(self, obj: KfAccount) -> str:
        return obj.open_kfid

    @admin.display(description=gettext_lazy("Last read"), ordering="last_pulled_at")
    def pulled(self, obj: KfAccount) -> str:
        return moment(obj.last_pulled_at)

    @admin.display(description=gettext_lazy("State"))
    def health(self, obj: KfAccount) -> SafeString:
        if obj.last_error:
            return status("bad", obj.last_error)
        if obj.last_pulled_at is None:
            return status("idle", _("Not read yet"))
        return status("good", _("Read"))


@admin.register(Colleague)
class ColleagueAdmin(ScopedAdmin):
    """Only who of ours the colleague is can be said here; the rest is WeCom's."""

    list_display = ["__str__", "userid", "account", "staff", "serves", "seen"]
    list_filter = ["is_following", "account"]
    list_select_related = ["account", "staff"]
    search_fields = ["name", "userid"]
    fields = ["account", "userid", "name", "is_following", "seen", "staff"]
    readonly_fields = ["account", "userid", "name", "is_following", "seen"]
    autocomplete_fields = ["staff"]
    actions = None

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @admin.display(description=gettext_lazy("Serves customers"))
    def serves(self, obj: Colleague) -> SafeString:
        if obj.is_following:
            return status("good", _("Serves customers"))
        return status("idle", pgettext("serves customers", "No longer"))

    @admin.display(description=gettext_lazy("Last read"), ordering="seen_at")
    def seen(self, obj: Colleague) -> str:
        return moment(obj.seen_at)


@admin.register(SyncRun)
class SyncRunAdmin(ReadOnly, ScopedAdmin):
    list_display = ["began", "app", "shown_state", "seen", "missing", "error"]
    list_filter = ["state"]
    list_select_related = ["app"]
    fields = [
        *("app", "scope", "shown_state", "seen", "missing", "began", "ended", "error"),
    ]
    readonly_fields = ["shown_state", "began", "ended"]
    actions = None

    @admin.display(description=gettext_lazy("Began"), ordering="id")
    def began(self, obj: SyncRun) -> str:
        return moment(obj.started_at)

    @admin.display(description=gettext_lazy("Ended"))
    def ended(self, obj: SyncRun) -> str:
        return moment(obj.finished_at)

    @admin.display(description=gettext_lazy("State"), ordering="state")
    def shown_state(self, obj: SyncRun) -> SafeString:
        tones = {"running": "part", "done": "good", "failed": "bad"}
        return status(tones[obj.state], obj.get_state_display())
