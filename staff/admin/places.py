"""The tree of org units."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import Model
from django.http import HttpRequest, HttpResponseRedirect
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core.admin import ScopedAdmin
from core.errors import AppError
from core.templatetags.console import status
from staff import orgunits
from staff.models import OrgUnit, Staff

FIELDS = [
    *("name", "kind", "parent", "is_separate_controller"),
    *("latitude", "longitude", "is_active"),
]


class OrgUnitForm(forms.ModelForm):  # type: ignore[type-arg]
    """Tries the change where the form can still say what is wrong with it."""

    actor: Staff

    class Meta:
        model = OrgUnit
        fields = FIELDS

    def clean(self) -> dict[str, Any]:
        found: dict[str, Any] = super().clean() or self.cleaned_data
        parent = found.get("parent")
        if parent is None and not self.actor.is_superuser:
            raise ValidationError({"parent": _("Say which unit it belongs to.")})
        return found


@admin.register(OrgUnit)
class OrgUnitAdmin(ScopedAdmin):
    form = OrgUnitForm
    list_display = ["tree", "kind", "controller_name", "state"]
    list_filter = ["kind", "is_active"]
    search_fields = ["name"]
    list_select_related = ["controller"]
    ordering = ["path"]
    fields = FIELDS
    autocomplete_fields = ["parent"]
    actions = None

    def get_form(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        form = super().get_form(request, *args, **kwargs)
        form.actor = request.user
        return form

    @admin.display(description=gettext_lazy("Unit"), ordering="path")
    def tree(self, obj: OrgUnit) -> SafeString:
        depth = max(obj.path.count("/") - 2, 0)
        branch = format_html('<span class="pd-branch">{}</span>', "└ " if depth else "")
        return format_html(
            '<span style="padding-left: {}em">{}{}</span>',
            depth * 1.4,
            branch,
            obj.name,
        )

    @admin.display(description=gettext_lazy("Data controller"))
    def controller_name(self, obj: OrgUnit) -> str:
        return obj.controller.name if obj.controller else "–"

    @admin.display(description=gettext_lazy("State"), ordering="is_active")
    def state(self, obj: OrgUnit) -> SafeString:
        if obj.is_active:
            return status("good", _("Active"))
        return status("idle", _("Closed"))

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().changeform_view(request, *args, **kwargs)
        except AppError as refusal:
            # Raised inside the save, whose transaction is gone: back to the form.
            messages.error(request, str(refusal.message))
            return HttpResponseRedirect(request.get_full_path())

    def save_model(
        self, request: HttpRequest, obj: OrgUnit, form: forms.Form, change: bool
    ) -> None:
        assert isinstance(request.user, Staff)
        orgunits.save_unit(obj, actor=request.user)

    def log_addition(self, request: HttpRequest, obj: Model, message: Any) -> None:
        """staff.orgunits wrote the entry."""

    def log_change(self, request: HttpRequest, obj: Model, message: Any) -> None:
        """staff.orgunits wrote the entry."""
