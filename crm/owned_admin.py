"""Admin of rows that belong to one data controller, or, without one, to everybody."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from core.admin import ScopedAdmin
from staff.models import Staff
from staff.requests import staff_of


class OwnedForm(forms.ModelForm):  # type: ignore[type-arg]
    """A new row belongs to the data controller of who makes it."""

    # Set by OwnedAdmin.get_form on the class of the request.
    maker: Staff

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk is None:
            home = self.maker.org_unit
            self.instance.controller_id = None if home is None else home.controller_id

    def _get_validation_exclusions(self) -> set[str]:
        # Not in the form, but part of what must be unique.
        return super()._get_validation_exclusions() - {"controller", "group", "code"}  # type: ignore[misc, no-any-return]


class OwnedAdmin(ScopedAdmin):
    """Rows of one's own controller and shared ones, which only administrators change.

    The model has `controller` (null: shared). `set_once`: fields that stay as they were
    made, because rows elsewhere count on them.
    """

    form = OwnedForm
    set_once: tuple[str, ...] = ()

    def get_form(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        form = super().get_form(request, *args, **kwargs)
        form.maker = request.user
        return form

    def get_readonly_fields(
        self, request: HttpRequest, obj: Any = None
    ) -> tuple[str, ...]:
        fixed = super().get_readonly_fields(request, obj)
        return (*fixed, *(self.set_once if obj is not None else ()))

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_change_permission(request, obj) and _may_write(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_delete_permission(request, obj) and _may_write(request, obj)

    def trail_of(self, request: HttpRequest, obj: Any) -> Any:
        """Of a shared row what colleagues did: it also tells how many members of other
        data controllers carry a tag, and who gave it."""
        rows = super().trail_of(request, obj)
        return rows if obj.controller_id else rows.visible_to(staff_of(request))

    def audit_label(self, obj: Any) -> str:
        return str(obj.name)

    @admin.display(description=_("belongs to"))
    def owner(self, obj: Any) -> Any:
        return obj.controller or _("Everybody")


def _may_write(request: HttpRequest, obj: Any) -> bool:
    is_shared = obj is not None and obj.controller_id is None
    return not is_shared or staff_of(request).is_superuser
