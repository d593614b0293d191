"""People: opened, changed and closed by pages that ask first."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.models import Group
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.contrib.filters.admin import RelatedDropdownFilter
from unfold.decorators import action
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from core.admin import ScopedAdmin
from core.errors import AppError
from core.pages import console_page
from core.templatetags.console import moment, status
from staff import accounts, roles, tokens
from staff.models import OrgUnit, Staff


class RoleField(forms.ModelMultipleChoiceField):  # type: ignore[type-arg]
    def label_from_instance(self, obj: Model) -> str:
        assert isinstance(obj, Group)
        return roles.role_label(obj.name)


class StaffForm(forms.ModelForm):  # type: ignore[type-arg]
    roles = RoleField(
        queryset=Group.objects.filter(name__in=roles.BY_NAME).order_by("pk"),
        label=gettext_lazy("Roles"),
        required=False,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text=gettext_lazy("What each role may do stands on the page Roles."),
    )

    class Meta:
        model = Staff
        fields = ["username", "display_name", "org_unit", "language"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk and "roles" in self.fields:
            self.fields["roles"].initial = self.instance.groups.all()

    def clean_org_unit(self) -> OrgUnit | None:
        """Jobs, drafts and the trail go with the account, into sight of new colleagues."""
        chosen: OrgUnit | None = self.cleaned_data["org_unit"]
        before = self.instance.org_unit if self.instance.pk else None
        if before and chosen and before.controller_id != chosen.controller_id:
            raise forms.ValidationError(
                _(
                    "It belongs to another data controller, who must not see what this "
                    "account did so far. Close it and open a new one there."
                )
            )
        return chosen


@admin.register(Staff)
class StaffAdmin(ScopedAdmin):
    form = StaffForm
    list_display = ["name", "username", "role_names", "org_unit", "state", "last_seen"]
    list_filter = [("org_unit", RelatedDropdownFilter), "is_active"]
    search_fields = ["display_name", "username"]
    search_help_text = gettext_lazy("Name or user name")
    command_search = True
    list_select_related = ["org_unit"]
    fields = ["username", "display_name", "org_unit", "language", "roles"]
    actions = None
    actions_detail = ["reset_password", "issue_token", "deactivate", "reactivate"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Staff]:
        # Automatic writers are no people: they neither log in nor get assigned.
        return (super().get_queryset(request).filter(is_system=False)).prefetch_related(
            "groups"
        )

    def get_readonly_fields(
        self, request: HttpRequest, obj: Staff | None = None
    ) -> list[str]:
        return ["username"] if obj else []

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        # The trail points at people: they are deactivated, never deleted.
        return False

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        found = super().get_actions_detail(request, object_id)
        person = self.get_object_or_404(request, object_id)
        unfit = {"reactivate"} if person.is_active else {"deactivate", "issue_token"}
        return [
            each
            for each in found
            if not any(each.action_name.endswith(f"_{name}") for name in unfit)
        ]

    # columns

    @admin.display(description=gettext_lazy("Person"), ordering="display_name")
    def name(self, obj: Staff) -> str:
        return str(obj)

    @admin.display(description=gettext_lazy("Roles"))
    def role_names(self, obj: Staff) -> str:
        return ", ".join(roles.role_label(group.name) for group in obj.groups.all())

    @admin.display(description=gettext_lazy("State"), ordering="is_active")
    def state(self, obj: Staff) -> SafeString:
        if not obj.is_active:
            return status("idle", _("Deactivated"))
        if obj.must_change_password:
            return status("part", _("Temporary password"))
        return status("good", _("Active"))

    @admin.display(description=gettext_lazy("Last log-in"), ordering="last_login")
    def last_seen(self, obj: Staff) -> str:
        return moment(obj.last_login)

    # writing

    def save_model(
        self, request: HttpRequest, obj: Staff, form: forms.Form, change: bool
    ) -> None:
        assert isinstance(request.user, Staff)
        if change:
            obj.save(update_fields=["display_name", "org_unit", "language"])
            names = [group.name for group in form.cleaned_data["roles"]]
            self._check_rank(request, obj, names)
            roles.assign_roles(obj, names, actor=request.user)
            if "org_unit" in form.changed_data:
                accounts.end_sessions(obj)
            return
        names = [group.name for group in form.cleaned_data["roles"]]
        self._check_rank(request, None, names)
        person, password = accounts.create_staff(
            username=obj.username,
            display_name=obj.display_name,
            org_unit=obj.org_unit,
            language=obj.language,
            roles=names,
            actor=request.user,
        )
        obj.pk = person.pk
        obj.password_once = password

    def save_related(self, *args: Any) -> None:
        """Roles are written with the person, in staff.roles."""

    def log_addition(self, request: HttpRequest, obj: Model, message: Any) -> None:
        """staff.accounts wrote the entry."""

    def response_add(
        self, request: HttpRequest, obj: Staff, post_url_continue: str | None = None
    ) -> HttpResponse:
        return self._show_once(request, obj, obj.password_once)

    def _check_rank(
        self, request: HttpRequest, person: Staff | None, names: list[str]
    ) -> None:
        """Only an administrator makes, changes or unmakes one."""
        touches = roles.ADMINISTRATOR in names or (person and person.is_superuser)
        if touches and not request.user.is_superuser:
            raise PermissionDenied

    def _show_once(
        self, request: HttpRequest, person: Staff, password: str
    ) -> HttpResponse:
        return console_page(
            request,
            "staff/secret_once.html",
            title=_("Temporary password"),
            above=[person],
            lead=_("Shown this once. It opens only the page where it is replaced."),
            context={"person": person, "secret": password, "is_password": True},
        )

    # what one does with a person: a page that asks, then does it

    def _ask(self, request: HttpRequest, person: Staff, **context: Any) -> HttpResponse:
        return console_page(
            request,
            "staff/confirm.html",
            title=context.pop("title"),
            context={
                "person": person,
                "opts": self.opts,
                "original": person,
                **context,
            },
        )

    def _person(self, request: HttpRequest, object_id: str) -> Staff:
        person: Staff = self.get_object_or_404(request, object_id)
        self._check_rank(request, person, [])
        return person

    @action(
        description=gettext_lazy("Reset password"),
        permissions=["staff.reset_password_staff"],
        url_path="reset-password",
        icon="lock_reset",
    )
    def reset_password(self, request: HttpRequest, object_id: str) -> HttpResponse:
        person = self._person(request, object_id)
        assert isinstance(request.user, Staff)
        if request.method == "POST":
            password = accounts.reset_password(person, actor=request.user)
            return self._show_once(request, person, password)
        return self._ask(
            request,
            person,
            title=_("Reset password"),
            text=_("A temporary password is made and every session ends at once."),
            verb=_("Reset password"),
        )

    @action(
        description=gettext_lazy("Issue API token"),
        permissions=["staff.add_apitoken"],
        url_path="issue-token",
        icon="vpn_key",
    )
    def issue_token(self, request: HttpRequest, object_id: str) -> HttpResponse:
        person = self._person(request, object_id)
        assert isinstance(request.user, Staff)
        name = request.POST.get("name", "").strip()[:60]
        if request.method == "POST" and name:
            token = tokens.issue(person, name=name, actor=request.user)
            return console_page(
                request,
                "staff/secret_once.html",
                title=_("API token"),
                above=[person],
                lead=_("Shown this once; afterwards it can only be revoked."),
                context={"person": person, "secret": token},
            )
        return self._ask(
            request,
            person,
            title=_("Issue API token"),
            text=_("Whoever holds the token may do what this person may do."),
            verb=_("Issue API token"),
            field=_("What it is for"),
            error=_("Say what it is for.") if request.method == "POST" else "",
        )

    @action(
        description=gettext_lazy("Deactivate"),
        permissions=["staff.deactivate_staff"],
        url_path="deactivate",
        icon="person_off",
    )
    def deactivate(self, request: HttpRequest, object_id: str) -> HttpResponse:
        person = self._person(request, object_id)
        assert isinstance(request.user, Staff)
        error = ""
        if request.method == "POST":
            try:
                if person == request.user:
                    raise AppError(_("You can't deactivate your own account."))
                accounts.deactivate(
                    person, actor=request.user, reason=request.POST.get("name", "")
                )
            except AppError as refusal:
                error = str(refusal.message)
            else:
                messages.success(request, _("The account is closed."))
                return _back_to(person)
        return self._ask(
            request,
            person,
            title=_("Deactivate"),
            text=_(
                "Sessions, API tokens and open pages end at once; conversations go back "
                "to their queue. The account can be opened again later."
            ),
            verb=_("Deactivate"),
            field=_("Reason"),
            is_optional=True,
            is_dangerous=True,
            error=error,
        )

    @action(
        description=gettext_lazy("Open the account again"),
        permissions=["staff.deactivate_staff"],
        url_path="reactivate",
        icon="person_check",
    )
    def reactivate(self, request: HttpRequest, object_id: str) -> HttpResponse:
        person = self._person(request, object_id)
        assert isinstance(request.user, Staff)
        if request.method == "POST":
            password = accounts.reactivate(person, actor=request.user)
            return self._show_once(request, person, password)
        return self._ask(
            request,
            person,
            title=_("Open the account again"),
            text=_(
                "The person gets a new temporary password; roles stay as they were."
            ),
            verb=_("Open the account again"),
        )


def _back_to(person: Staff) -> HttpResponse:
    return HttpResponseRedirect(reverse("admin:staff_staff_change", args=[person.pk]))
