"""What every admin must keep, checked from code alone.

The theme's own check asks the database whether a permission exists, so that the
migration that brings the permission could never run.
"""

from __future__ import annotations

from typing import Any

from django.apps import apps
from django.contrib.admin.checks import ModelAdminChecks
from django.core.checks import Error

from core.scoping import is_scoped


def known_permissions() -> set[str]:
    """Every "app.codename" the models of the installed apps declare."""
    return {
        f"{model._meta.app_label}.{codename}"
        for model in apps.get_models()
        for codename in (
            *(f"{verb}_{model._meta.model_name}" for verb in _verbs(model)),
            *(codename for codename, _name in model._meta.permissions),
        )
    }


def _verbs(model: Any) -> tuple[str, ...]:
    return tuple(model._meta.default_permissions)


class ScopedAdminChecks(ModelAdminChecks):
    def check(self, admin_obj: Any, **kwargs: Any) -> list[Any]:
        return [
            *super().check(admin_obj, **kwargs),
            *_check_scope(admin_obj),
            *_check_inlines(admin_obj),
            *_check_actions(admin_obj),
        ]


def _check_scope(admin_obj: Any) -> list[Error]:
    if admin_obj.row_scope is None or is_scoped(admin_obj.model):
        return []
    return [
        Error(
            f"{admin_obj.model._meta.label} does not say which rows a person may see.",
            hint="Give its QuerySet `visible_to(staff)`, or set row_scope = None.",
            obj=type(admin_obj),
            id="core.E010",
        )
    ]


def _check_inlines(admin_obj: Any) -> list[Error]:
    return [
        Error(
            f"The inline {inline.__name__} is not scoped.",
            hint="Derive it from core.admin.ScopedTabularInline or ScopedStackedInline.",
            obj=type(admin_obj),
            id="core.E011",
        )
        for inline in admin_obj.inlines
        if not hasattr(inline, "row_scope")
    ]


def _check_actions(admin_obj: Any) -> list[Error]:
    known = known_permissions()
    found = []
    for action in (
        *admin_obj._get_base_actions_list(),
        *admin_obj._get_base_actions_detail(),
        *admin_obj._get_base_actions_row(),
        *admin_obj._get_base_actions_submit_line(),
    ):
        allowed = getattr(action.method, "allowed_permissions", None)
        if not allowed:
            # Without them every staff member could call its address.
            found.append(_action_error(admin_obj, action, "names no permission"))
        for permission in allowed or ():
            if "." in permission:
                is_known = permission in known
            else:
                is_known = hasattr(admin_obj, f"has_{permission}_permission")
            if not is_known:
                problem = f"names the unknown permission {permission}"
                found.append(_action_error(admin_obj, action, problem))
    return found


def _action_error(admin_obj: Any, action: Any, problem: str) -> Error:
    return Error(
        f"The action {action.action_name} {problem}.",
        obj=type(admin_obj),
        id="core.E012",
    )
