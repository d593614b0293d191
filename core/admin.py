"""The one base of every admin page: nobody meets a row outside their scope.

Closes every route of docs/architecture.md "Scope"; tests/core/test_admin_leaks.py walks
them for every registered admin.
"""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.admin import display
from django.contrib.admin.utils import unquote
from django.contrib.admin.widgets import ForeignKeyRawIdWidget
from django.core.exceptions import PermissionDenied
from django.db import models
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.text import capfirst
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from unfold.admin import ModelAdmin, StackedInline, TabularInline
from unfold.mixins import BaseModelAdminMixin

from core import audit
from core.admin_checks import ScopedAdminChecks
from core.admin_deletion import Preview, preview
from core.admin_filters import filter_lookups, scoped_filters
from core.models import AuditEntry
from core.pages import console_page, tell_missing
from core.paginators import OpenPaginator
from core.scoping import visible
from core.theme_lists import row_checkbox

OWN_LOOKUPS = {"_changelist_filters", "_popup", "_to_field"}


def _scope_field(field: forms.Field, user: Any) -> None:
    if not isinstance(field, forms.ModelChoiceField) or field.queryset is None:
        return
    field.queryset = visible(field.queryset.all(), user)
    widget = getattr(field.widget, "widget", field.widget)
    if isinstance(widget, ForeignKeyRawIdWidget):
        widget.__class__ = _scoped_raw_id(type(widget))
        widget.visible_rows = field.queryset  # type: ignore[attr-defined]


def _keep_hidden_value(field: forms.Field, value: Any) -> None:
    """Let a form be saved whose row points, unnamed, at a row the person can't see."""
    is_single = isinstance(field, forms.ModelChoiceField) and not isinstance(
        field, forms.ModelMultipleChoiceField
    )
    if value is None or not is_single or field.queryset.filter(pk=value).exists():  # type: ignore[attr-defined]
        return
    rows = field.queryset  # type: ignore[attr-defined]
    field.queryset = rows.model._default_manager.filter(  # type: ignore[attr-defined]
        models.Q(pk__in=rows.values("pk")) | models.Q(pk=value)
    )

    def label(row: models.Model) -> str:
        return _("(not visible to you)") if row.pk == value else str(row)

    field.label_from_instance = label  # type: ignore[attr-defined]


def _scoped_raw_id(
    widget: type[ForeignKeyRawIdWidget],
) -> type[ForeignKeyRawIdWidget]:
    if issubclass(widget, _ScopedRawIdLabel):
        return widget
    return type(f"Scoped{widget.__name__}", (_ScopedRawIdLabel, widget), {})


class _ScopedRawIdLabel:
    """Names the row behind a raw id only when the person may see it."""

    visible_rows: models.QuerySet[Any]

    def label_and_url_for_value(self, value: Any) -> tuple[str, str]:
        try:
            is_visible = self.visible_rows.filter(pk=value).exists()
        except (ValueError, forms.ValidationError):
            is_visible = False
        if not is_visible:
            return "", ""
        return super().label_and_url_for_value(value)  # type: ignore[misc, no-any-return]


class ScopedRelations(BaseModelAdminMixin):
    """Choices of relations in forms, and rows of inlines, inside the person's scope."""

    def formfield_for_dbfield(
        self, db_field: models.Field[Any, Any], request: HttpRequest, **kwargs: Any
    ) -> forms.Field | None:
        if isinstance(db_field, models.URLField):
            kwargs.setdefault("assume_scheme", "https")  # what Django 6 does by itself
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if field is not None:
            _scope_field(field, request.user)
        return field  # type: ignore[no-any-return]


class _ScopedInline(ScopedRelations):
    """`row_scope = None`: rows of a visible parent are visible with it."""

    row_scope: str | None = "visible_to"
    extra = 0
    show_change_link = False

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        rows = super().get_queryset(request)
        return rows if self.row_scope is None else visible(rows, request.user)


class ScopedTabularInline(_ScopedInline, TabularInline):
    """Use these two for inlines; their model needs `visible_to`, as everywhere."""


class ScopedStackedInline(_ScopedInline, StackedInline):
    pass


class ReadOnly:
    """Mixed in front of an admin or inline whose rows people only look at."""

    def has_add_permission(self, request: HttpRequest, *args: Any) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class ScopedAdmin(ScopedRelations, ModelAdmin):
    """Base of every registered admin.

    `row_scope = None` opts out of row scope (rows without an owner); each opt-out is
    listed in tests/core/test_admin_leaks.py. `command_search = True` lets the command
    palette look into `search_fields`.
    """

    checks_class = ScopedAdminChecks
    row_scope: str | None = "visible_to"
    command_search = False
    # Fields of the form whose choices must exist before the first row can be made.
    needed_first: tuple[str, ...] = ()
    paginator = OpenPaginator
    show_full_result_count = False
    list_max_show_all = 0
    list_per_page = 50
    list_disable_select_all = True
    empty_value_display = "–"
    view_on_site = False
    # Facet counts would count the whole table once per choice.
    show_facets = ModelAdmin.show_facets.NEVER

    # rows

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        rows = super().get_queryset(request)
        return rows if self.row_scope is None else visible(rows, request.user)

    def get_object_or_404(self, request: HttpRequest, object_id: Any) -> Any:
        """The row an action is about; Http404 outside the person's scope."""
        found = self.get_object(request, str(object_id))
        if found is None:
            raise Http404
        return found

    def _get_obj_does_not_exist_redirect(
        self, request: HttpRequest, opts: Any, object_id: str
    ) -> HttpResponse:
        raise Http404

    def heading(self, obj: models.Model) -> str:
        """How the row is called in the crumbs and the title of its page."""
        return str(obj)

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponseBase:
        # The rows are the title, not "Select … to change".
        title = getattr(self, "nav_title", self.opts.verbose_name_plural)
        extra = {"title": capfirst(str(title)), **(extra_context or {})}
        return super().changelist_view(request, extra)  # type: ignore[no-any-return]

    @display(description=ModelAdmin.action_checkbox.short_description)
    def action_checkbox(self, obj: models.Model) -> str:
        return row_checkbox(obj.pk, get_language() or "")

    # forms

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> Any:
        form = super().get_form(request, obj, change=change, **kwargs)
        if obj is not None:
            for name, field in form.base_fields.items():
                _keep_hidden_value(field, getattr(obj, f"{name}_id", None))
        return form

    def render_change_form(
        self, request: HttpRequest, context: Any, add: bool = False, **kwargs: Any
    ) -> Any:
        obj = kwargs.get("obj") or context.get("original")
        if obj is not None:
            # "Order 7 | Orders" instead of "7 | View order".
            context |= {
                "title": capfirst(
                    str(getattr(self, "nav_title", self.opts.verbose_name))
                ),
                "subtitle": self.heading(obj),
            }
        if add:
            for name in self.needed_first:
                tell_missing(request, context["adminform"].form.fields.get(name))
        return super().render_change_form(request, context, add=add, **kwargs)

    # query string

    def get_list_filter(self, request: HttpRequest) -> list[Any]:
        return scoped_filters(self.model, super().get_list_filter(request))

    def lookup_allowed(
        self, lookup: str, value: Any, request: HttpRequest | None = None
    ) -> bool:
        """Only what the filters of the page themselves send (no `name__startswith`)."""
        # The list filters are the same for everybody: those of the class will do.
        allowed = filter_lookups(
            self.list_filter if request is None else self.get_list_filter(request)
        )
        if self.date_hierarchy:
            allowed |= filter_lookups([self.date_hierarchy])
        return lookup in allowed | OWN_LOOKUPS

    def to_field_allowed(self, request: HttpRequest, to_field: str) -> bool:
        return to_field in {self.opts.pk.name, self.opts.pk.attname, "pk"}

    # deletion

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Preview:
        return preview(objs, request, self.admin_site)

    # trail: one, ours (core.audit), instead of Django's own log

    def audit_label(self, obj: models.Model) -> str:
        """How people know the row in the trail; never a personal value in clear."""
        return ""

    def trail_of(self, request: HttpRequest, obj: models.Model) -> Any:
        """Entries about the row; whoever sees the row sees all of them."""
        return AuditEntry.objects.filter(
            target_type=self.opts.label_lower, target_id=str(obj.pk)
        ).select_related("actor")

    def _record(
        self, request: HttpRequest, obj: models.Model, verb: str, message: Any = None
    ) -> None:
        fields = sorted(
            {
                field
                for change in (message if isinstance(message, list) else [])
                for part in change.values()
                for field in part.get("fields", [])
            }
        )
        opts = obj._meta
        audit.record(
            f"{opts.app_label}.{opts.model_name}.{verb}",
            obj,
            actor=request.user,  # type: ignore[arg-type]
            after={"fields": fields} if fields else {},
            label=self.audit_label(obj),
        )

    def log_addition(
        self, request: HttpRequest, obj: models.Model, message: Any
    ) -> None:
        self._record(request, obj, "added")

    def log_change(self, request: HttpRequest, obj: models.Model, message: Any) -> None:
        self._record(request, obj, "changed", message)

    def log_deletions(self, request: HttpRequest, queryset: Any) -> None:
        for obj in queryset:
            self._record(request, obj, "deleted")

    def history_view(
        self,
        request: HttpRequest,
        object_id: str,
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        obj = self.get_object_or_404(request, unquote(object_id))
        if not self.has_view_or_change_permission(request, obj):
            raise PermissionDenied
        paginator = OpenPaginator(self.trail_of(request, obj), 50)
        page = paginator.get_page(request.GET.get("p"))
        return console_page(
            request,
            "console/history.html",
            title=_("History: %s") % self.heading(obj),
            context={
                "opts": self.opts,
                "object": obj,
                "page": page,
                **(extra_context or {}),
            },
        )


from core import trail_admin  # noqa: E402,F401  autodiscovery imports only this module
