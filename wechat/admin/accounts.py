"""Accounts: charter, apps with their secrets, going live, connection, what is used."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Max, Prefetch, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core import job_pages, jobs
from core.admin import ScopedAdmin, ScopedStackedInline, ScopedTabularInline
from core.errors import AppError
from core.templatetags.console import moment, status
from staff.requests import staff_of
from wechat import accounts, checking, directory, holding, limit_names
from wechat.admin.forms import AccountForm, AppForm, VerifyFileForm
from wechat.errors import NotReady
from wechat.models import (
    AccessToken,
    Account,
    App,
    OutboundMessage,
    QuotaUse,
    VerifyFile,
)
from wechat.reasons import explain

TONES = {"draft": "idle", "live": "good", "paused": "part", "revoked": "bad"}


class AppInline(ScopedStackedInline):
    model = App
    form = AppForm
    verbose_name = gettext_lazy("app with its credentials")
    verbose_name_plural = gettext_lazy("apps and credentials")
    fields = [
        ("name", "slug"),
        ("app_id", "agent_id"),
        ("mode", "is_active"),
        "new_secret",
        "new_token",
        "new_aes_key",
    ]
    can_delete = False

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        # Who only looks has no form, and a field of the form alone can't be shown.
        if not self.has_change_permission(request, obj):
            return [("name", "slug"), ("app_id", "agent_id"), ("mode", "is_active")]
        return self.fields


class VerifyFileInline(ScopedTabularInline):
    model = VerifyFile
    form = VerifyFileForm
    fields = ["upload", "name", "content"]

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        if not self.has_change_permission(request, obj):
            return ["name", "content"]
        return self.fields


@admin.register(Account)
class AccountAdmin(ScopedAdmin):
    list_display = ["name", "kind", "shown_state", "org_unit", "connection", "heard"]
    list_filter = ["state", "kind"]
    search_fields = ["name", "slug"]
    list_select_related = ["org_unit"]
    form = AccountForm
    fieldsets = [
        (None, {"fields": [("name", "slug"), ("kind", "role"), "org_unit"]}),
        (
            gettext_lazy("Charter"),
            {
                "fields": [
                    "charter_value",
                    "charter_audience",
                    "charter_goal",
                    "charter_owner",
                ],
                "description": gettext_lazy(
                    "What the account is for. All four are needed before it goes live."
                ),
            },
        ),
        (
            gettext_lazy("Platform"),
            {
                "fields": [
                    "original_id",
                    "has_web_authorisation",
                    ("is_sandbox", "api_base_url"),
                ]
            },
        ),
    ]
    autocomplete_fields = ["charter_owner"]
    needed_first = ("org_unit",)
    inlines = [AppInline, VerifyFileInline]
    change_form_outer_before_template = "wechat/account_panel.html"
    actions = None

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # callbacks and messages point here: an account is paused

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        fields = super().get_readonly_fields(request, obj)
        if request.user.is_superuser:
            return fields
        # Calls carry the app's secret to this address: whoever could set it could
        # read the secret, and reach servers only this machine can.
        return [*fields, "is_sandbox", "api_base_url"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Account]:
        rows: QuerySet[Account] = super().get_queryset(request)
        names = ["account_id", "last_check", "held_reason", "held_until", "slug"]
        apps = App.objects.only(*names)
        return rows.annotate(
            last_callback_at=Max("apps__last_callback_at")
        ).prefetch_related(Prefetch("apps", apps, to_attr="listed_apps"))

    @admin.display(description=gettext_lazy("State"), ordering="state")
    def shown_state(self, obj: Account) -> SafeString:
        return status(TONES[obj.state], obj.get_state_display())

    @admin.display(description=gettext_lazy("Connection"))
    def connection(self, obj: Any) -> SafeString | str:
        tones = [
            line["tone"]
            for app in obj.listed_apps
            for line in (app.last_check or {}).get("lines", [])
        ]
        if any(app.held_because() for app in obj.listed_apps):
            return status("bad", _("Sending stands still"))
        if not tones:
            return status("idle", _("Not checked yet"))
        worst = next((tone for tone in ("bad", "part") if tone in tones), checking.GOOD)
        words = {
            "bad": _("Something does not work"),
            "part": _("Works in part"),
            "good": _("Works"),
        }
        return status(worst, words[worst])

    @admin.display(description=gettext_lazy("Last callback"))
    def heard(self, obj: Any) -> str:
        return moment(obj.last_callback_at)

    def save_formset(
        self, request: HttpRequest, form: Any, formset: Any, change: bool
    ) -> None:
        super().save_formset(request, form, formset, change)
        if formset.model is not App:
            return
        for each in formset.forms:
            if each.instance.pk and each.has_changed():
                accounts.change_secrets(
                    each.instance, each.given_secrets(), actor=staff_of(request)
                )

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        extra = dict(extra_context or {})
        if object_id and request.method in ("GET", "HEAD"):
            account = self.get_object_or_404(request, object_id)
            if self.has_view_permission(request, account):
                extra["panel"] = panel(request, account)
        return super().changeform_view(request, object_id, form_url, extra)

    # -- buttons of the panel, all POST

    def get_urls(self) -> list[URLPattern]:
        def button(route: str, view: Callable[..., HttpResponse], name: str) -> Any:
            return path(route, self.admin_site.admin_view(view), name=name)

        base = "<int:object_id>"
        return [
            button(f"{base}/go-live/", self.go_live, "wechat_account_go_live"),
            button(f"{base}/pause/", self.pause, "wechat_account_pause"),
            button(f"{base}/resume/", self.resume, "wechat_account_resume"),
            button(f"{base}/sync/", self.sync, "wechat_account_sync"),
            button(
                f"{base}/check/<int:app_id>/", self.check_connection, "wechat_app_check"
            ),
            button(f"{base}/release/<int:app_id>/", self.release, "wechat_app_release"),
            *super().get_urls(),
        ]

    def _account(self, request: HttpRequest, object_id: int, right: str) -> Account:
        if request.method != "POST" or not request.user.has_perm(f"wechat.{right}"):
            raise PermissionDenied
        found: Account = self.get_object_or_404(request, object_id)
        return found

    def _back(self, request: HttpRequest, account: Account) -> HttpResponse:
        del request
        url = reverse("admin:wechat_account_change", args=[account.pk])
        return HttpResponseRedirect(url)

    def _move(
        self, request: HttpRequest, account: Account, move: Any, done: str
    ) -> HttpResponse:
        try:
            move(account, actor=staff_of(request))
        except NotReady as refusal:
            names = {
                "charter_value": _("charter: value"),
                "charter_audience": _("charter: audience"),
                "charter_goal": _("charter: goal"),
                "charter_owner": _("charter: owner"),
                "apps": _("apps and credentials"),
            }
            messages.error(request, str(refusal.message))
            for field, text in refusal.extra["fields"].items():
                messages.error(request, f"{names.get(field, field)}: {text}")
        except AppError as refusal:
            messages.error(request, str(refusal.message))
        else:
            messages.success(request, done)
        return self._back(request, account)

    def go_live(self, request: HttpRequest, object_id: int) -> HttpResponse:
        account = self._account(request, object_id, "go_live_account")
        return self._move(request, account, accounts.go_live, _("The account is live."))

    def pause(self, request: HttpRequest, object_id: int) -> HttpResponse:
        account = self._account(request, object_id, "go_live_account")
        done = _("The account is paused: callbacks are taken, nothing is sent.")
        return self._move(request, account, accounts.pause, done)

    def resume(self, request: HttpRequest, object_id: int) -> HttpResponse:
        account = self._account(request, object_id, "go_live_account")
        return self._move(request, account, accounts.resume, _("The account is live."))

    def check_connection(
        self, request: HttpRequest, object_id: int, app_id: int
    ) -> HttpResponse:
        account = self._account(request, object_id, "check_connection")
        app = get_object_or_404(account.apps.select_related("account"), pk=app_id)
        lines = checking.check(app, actor=staff_of(request))
        bad = sum(line.tone == checking.BAD for line in lines)
        if bad:
            messages.error(request, _("Something does not work; see what to do below."))
        else:
            messages.success(request, _("The connection works."))
        return self._back(request, account)

    def release(
        self, request: HttpRequest, object_id: int, app_id: int
    ) -> HttpResponse:
        account = self._account(request, object_id, "change_account")
        app = get_object_or_404(account.apps, pk=app_id)
        if holding.release(app, actor=staff_of(request)):
            messages.success(request, _("Sending goes on."))
        return self._back(request, account)

    def sync(self, request: HttpRequest, object_id: int) -> HttpResponse:
        account = self._account(request, object_id, "change_account")
        app = account.apps.filter(is_active=True).order_by("pk").first()
        if app is None or not account.is_wecom:
            messages.error(request, _("There is no active WeCom app to read with."))
            return self._back(request, account)
        job = jobs.start(
            directory.JOB, {"app": app.pk}, actor=staff_of(request), label=account.name
        )
        return HttpResponseRedirect(job_pages.job_url(job))


def panel(request: HttpRequest, account: Account) -> dict[str, Any]:
    """What stands above the form: state, buttons, and each app's connection."""
    can = request.user.has_perm
    return {
        "account": account,
        "tone": TONES[account.state],
        "missing": accounts.missing_for_live(account)
        if account.state == Account.State.DRAFT
        else {},
        "outbound_ip": checking.outbound_ip(),
        "apps": [_app_panel(app) for app in account.apps.order_by("pk")],
        "can_move": can("wechat.go_live_account"),
        "can_check": can("wechat.check_connection"),
        "can_change": can("wechat.change_account"),
    }


def _app_panel(app: App) -> dict[str, Any]:
    why, advice = explain(app.held_reason, is_wecom=app.account.is_wecom)
    today = f"{timezone.localdate():%F}"
    return {
        "app": app,
        "callback_url": f"{settings.PUBLIC_URL.rstrip('/')}{app.callback_path}",
        "is_held": holding.is_held(app),
        "held_why": why or app.held_reason,
        "held_advice": advice,
        "token": AccessToken.objects.filter(app=app).first(),
        "lines": checking.shown_lines(app),
        "checked_at": datetime.fromisoformat(app.last_check["at"])
        if app.last_check
        else None,
        "checked_by": app.last_check.get("by", "") if app.last_check else "",
        "quotas": [
            {"row": row, "name": limit_names.name(row.kind)}
            for row in QuotaUse.objects.filter(app=app, period__startswith=today)[:10]
        ],
        "waiting": OutboundMessage.objects.filter(
            app=app, state=OutboundMessage.State.PLANNED
        ).count(),
    }
