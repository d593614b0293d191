"""List filters whose choices are only what the person may see."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.admin.options import ModelAdmin
from django.contrib.admin.utils import get_fields_from_path, reverse_field_path
from django.db import models
from django.forms import ModelChoiceField
from django.http import HttpRequest

from core.scoping import visible

# More choices than a person reads: such a filter wants an autocomplete.
MAX_CHOICES = 500
# What Django's and the theme's filters append to their field path in the query string.
SUFFIXES = (
    *("", "__exact", "__in", "__isnull", "__id__exact", "__id__in", "__pk__exact"),
    *("__gt", "__gte", "__lt", "__lte", "__range", "__year", "__month", "__day"),
    *("__icontains", "__isempty"),
    *("_from", "_to", "_from_0", "_from_1", "_to_0", "_to_1"),
)


class _ScopedChoices:
    """Mixed in front of any filter over a relation."""

    def field_choices(
        self, field: Any, request: HttpRequest, model_admin: ModelAdmin[Any]
    ) -> list[tuple[Any, str]]:
        model = field.remote_field.model
        rows = visible(model._default_manager.all(), request.user)
        ordering = self.field_admin_ordering(field, request, model_admin)  # type: ignore[attr-defined]
        if ordering:
            rows = rows.order_by(*ordering)
        key = field.target_field.attname
        return [(getattr(row, key), str(row)) for row in rows[:MAX_CHOICES]]


class _ScopedAutocompleteChoices:
    """Mixed in front of the theme's autocomplete filters: scopes the shown label."""

    def choices(self, changelist: Any) -> Any:
        for choice in super().choices(changelist):  # type: ignore[misc]
            for field in choice["form"].fields.values():
                if isinstance(field, ModelChoiceField):
                    field.queryset = visible(
                        field.queryset.all(),  # type: ignore[union-attr]
                        self.request.user,  # type: ignore[attr-defined]
                    )
            yield choice


class ScopedAllValuesFilter(admin.AllValuesFieldListFilter):
    """Values of a related model's column, taken from visible rows only."""

    def __init__(
        self,
        field: Any,
        request: HttpRequest,
        params: Any,
        model: type[models.Model],
        model_admin: ModelAdmin[Any],
        field_path: str,
    ) -> None:
        super().__init__(field, request, params, model, model_admin, field_path)
        parent, _ = reverse_field_path(model, field_path)
        if parent != model:
            self.lookup_choices = (
                visible(parent._default_manager.all(), request.user)
                .distinct()
                .order_by(field.name)
                .values_list(field.name, flat=True)
            )


def _scoped_class(given: type[admin.FieldListFilter]) -> type[admin.FieldListFilter]:
    bases: tuple[type, ...] = ()
    if hasattr(given, "form_class") and "Autocomplete" in given.__name__:
        bases = (_ScopedAutocompleteChoices,)
    elif issubclass(given, admin.RelatedFieldListFilter):
        bases = (_ScopedChoices,)
    elif given is admin.AllValuesFieldListFilter:
        return ScopedAllValuesFilter
    return type(f"Scoped{given.__name__}", (*bases, given), {}) if bases else given


def _default_class(model: type[models.Model], path: str) -> type[admin.FieldListFilter]:
    field = get_fields_from_path(model, path)[-1]
    for test, candidate in admin.FieldListFilter._field_list_filters:  # type: ignore[attr-defined]
        if test(field):
            return candidate  # type: ignore[no-any-return]
    return admin.AllValuesFieldListFilter


def scoped_filters(model: type[models.Model], list_filter: Any) -> list[Any]:
    """`list_filter` with every filter over rows replaced by its scoped kind."""
    found: list[Any] = []
    for item in list_filter:
        if isinstance(item, str):
            found.append((item, _scoped_class(_default_class(model, item))))
        elif isinstance(item, (list, tuple)):
            found.append((item[0], _scoped_class(item[1])))
        else:
            found.append(item)
    return found


def filter_lookups(list_filter: Any) -> set[str]:
    """Every query string key the filters themselves may put there."""
    names: set[str] = set()
    for item in list_filter:
        path = item[0] if isinstance(item, (list, tuple)) else item
        if not isinstance(path, str):
            path = path.parameter_name
        names.update(f"{path}{suffix}" for suffix in SUFFIXES)
    return names
