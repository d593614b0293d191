"""Admin pages of other people's apps: only what helps, only for administrators."""

from __future__ import annotations

from typing import Any

from axes.models import AccessAttempt, AccessFailureLog, AccessLog
from django.contrib import admin, messages
from django.contrib.auth.models import Group
from django.db.models import Count, Model, Q, QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy
from django_celery_beat.models import (
    ClockedSchedule,
    CrontabSchedule,
    IntervalSchedule,
    PeriodicTask,
    SolarSchedule,
)

from core import audit
from core.admin import ReadOnly, ScopedAdmin
from core.templatetags.console import moment
from privatedomain import task_labels
from privatedomain.role_rights import rights_in_words
from staff import roles

for model in (
    *(AccessAttempt, AccessFailureLog, AccessLog, Group, PeriodicTask),
    *(IntervalSchedule, ClockedSchedule, CrontabSchedule, SolarSchedule),
):
    admin.site.unregister(model)


class AdministratorsOnly:
    """Rows without an owner: shown to those who see everything anyway."""

    row_scope: str | None = None

    def has_module_permission(self, request: HttpRequest) -> bool:
        return _is_administrator(request)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return _is_administrator(request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return _is_administrator(request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


def _is_administrator(request: HttpRequest) -> bool:
    return request.user.is_active and bool(getattr(request.user, "is_superuser", False))


def _attempt(obj: Any) -> str:
    return f"{obj.username} · {moment(obj.attempt_time)}"


@admin.register(Group)
class RoleAdmin(ReadOnly, AdministratorsOnly, ScopedAdmin):
    """The roles, as staff/roles.py writes them."""

    nav_title = gettext_lazy("Roles")
    list_display = ["role", "people", "permission_count"]
    fields = ["role", "rights"]
    readonly_fields = ["role", "rights"]
    actions = None

    def heading(self, obj: Model) -> str:
        assert isinstance(obj, Group)
        return roles.role_label(obj.name)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Group]:
        rows = super().get_queryset(request)
        return rows.annotate(  # type: ignore[no-any-return]
            person_count=Count("user", filter=Q(user__is_active=True), distinct=True),
            right_count=Count("permissions", distinct=True),
        )

    @admin.display(description=gettext_lazy("Role"), ordering="name")
    def role(self, obj: Group) -> str:
        return roles.role_label(obj.name)

    @admin.display(description=gettext_lazy("People"))
    def people(self, obj: Any) -> int:
        return int(obj.person_count)

    @admin.display(description=gettext_lazy("Permissions"))
    def rights(self, obj: Group) -> SafeString:
        """One line per kind of row: what may be done with it."""
        return rights_in_words(obj)

    @admin.display(description=gettext_lazy("Permissions"))
    def permission_count(self, obj: Any) -> int:
        return int(obj.right_count)


@admin.register(PeriodicTask)
class PeriodicTaskAdmin(AdministratorsOnly, ScopedAdmin):
    """What beat rings and how often; the tasks themselves are code."""

    list_display = ["named", "interval", "enabled", "last_ring", "total_run_count"]
    list_filter = ["enabled"]
    search_fields = ["name"]
    list_select_related = ["interval"]
    fields = ["named", "code", "interval", "enabled", "queue", "last_run_at"]
    readonly_fields = ["named", "code", "queue", "last_run_at"]
    actions = None

    def heading(self, obj: Model) -> str:
        assert isinstance(obj, PeriodicTask)
        return self.named(obj)

    @admin.display(description=gettext_lazy("Task"), ordering="name")
    def named(self, obj: PeriodicTask) -> str:
        return str(task_labels.LABELS.get(obj.name, obj.name))

    @admin.display(description=pgettext_lazy("a program", "Code"))
    def code(self, obj: PeriodicTask) -> str:
        return str(obj.task)

    @admin.display(description=gettext_lazy("Last ring"), ordering="last_run_at")
    def last_ring(self, obj: PeriodicTask) -> str:
        return moment(obj.last_run_at)


@admin.register(IntervalSchedule)
class IntervalAdmin(AdministratorsOnly, ScopedAdmin):
    """Needed only to offer another interval on the page above."""

    in_navigation = False
    list_display = ["__str__"]
    fields = ["every", "period"]
    actions = None

    def has_add_permission(self, request: HttpRequest) -> bool:
        return _is_administrator(request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        # Tasks share intervals: another one is added, none is changed under others.
        return False


@admin.register(AccessAttempt)
class LockoutAdmin(ReadOnly, AdministratorsOnly, ScopedAdmin):
    """Failed log-ins that count towards a lock-out."""

    nav_title = gettext_lazy("Failed log-ins")
    list_display = ["when", "username", "ip_address", "failures_since_start"]
    list_filter = ["failures_since_start"]
    search_fields = ["username", "=ip_address"]
    fields = ["attempt_time", "username", "ip_address", "failures_since_start"]
    actions = ["unlock"]

    def heading(self, obj: Model) -> str:
        return _attempt(obj)

    @admin.display(description=gettext_lazy("When"), ordering="attempt_time")
    def when(self, obj: AccessAttempt) -> str:
        return moment(obj.attempt_time)

    @admin.action(description=gettext_lazy("Unlock"), permissions=["view"])
    def unlock(self, request: HttpRequest, queryset: QuerySet[Model]) -> None:
        for attempt in queryset:
            audit.record(
                "staff.lockout.ended",
                attempt,
                actor=request.user,  # type: ignore[arg-type]
            )
        count, _by_model = queryset.delete()
        messages.success(request, _("%(count)d unlocked.") % {"count": count})


@admin.register(AccessLog)
class SignInAdmin(ReadOnly, AdministratorsOnly, ScopedAdmin):
    nav_title = gettext_lazy("Log-ins")
    list_display = ["when", "username", "ip_address", "ended"]
    search_fields = ["username", "=ip_address"]
    fields = ["attempt_time", "logout_time", "username", "ip_address", "user_agent"]
    actions = None

    def heading(self, obj: Model) -> str:
        return _attempt(obj)

    @admin.display(description=gettext_lazy("When"), ordering="attempt_time")
    def when(self, obj: AccessLog) -> str:
        return moment(obj.attempt_time)

    @admin.display(
        description=pgettext_lazy("when", "Logged out"), ordering="logout_time"
    )
    def ended(self, obj: AccessLog) -> str:
        return moment(obj.logout_time)
