"""Rows of forms: what the theme works out with templates, worked out at once."""

from __future__ import annotations

from typing import Any

from django import template
from django.forms import BoundField
from django.forms.utils import flatatt
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from unfold.widgets import CHECKBOX_LABEL_CLASSES, LABEL_CLASSES

register = template.Library()

# Django puts no suffix behind a label that ends so.
ENDS = ":?.!"
REQUIRED = mark_safe('<span class="text-red-600 dark:text-red-500">*</span>')
ROW = "form-row field-row group/row"
LINE = "field-line flex flex-col grow group group/line px-3 py-2.5"
COMPRESSED = (
    " border-b border-base-200 border-dashed min-h-[59px] group-[.last]/row:border-b-0"
    " lg:border-l lg:flex-row lg:items-center dark:border-base-800 lg:first:border-l-0"
)


@register.simple_tag
def row_classes(line: Any, formset: Any = None) -> str:
    """Of a row of fields (`fieldset_row_classes` of the theme)."""
    found = ROW
    opts: Any = getattr(formset, "opts", None)
    hidden = getattr(opts, "hide_ordering_field", False) and opts.ordering_field
    if not line.has_visible_field or (hidden and hidden in line.fields):
        found += " hidden"
    if len(line.fields) > 1:
        found += f" grid lg:grid-cols-{len(line.fields)}"
    return found


@register.simple_tag
def line_classes(field: Any, is_compressed: bool) -> str:
    """Of one field with its label (`fieldset_line_classes` of the theme)."""
    found = LINE
    if not field.is_readonly:
        found += f" field-{field.field.name}"
        if field.field.errors:
            found += " errors"
    return found + COMPRESSED if is_compressed else found


@register.simple_tag
def field_label(field: Any) -> SafeString:
    """The label, with a star where something must be entered."""
    if field.is_readonly:
        return field.label_tag()  # type: ignore[no-any-return]
    bound: BoundField = field.field
    classes = CHECKBOX_LABEL_CLASSES if field.is_checkbox else LABEL_CLASSES
    is_required = bound.field.required
    attrs = {"class": " ".join([*classes, *(["required"] if is_required else [])])}
    if bound.id_for_label:
        attrs["for"] = bound.id_for_label
    label = str(bound.label)
    star = REQUIRED if is_required and label[-1:] not in ENDS else ""
    return format_html("<label{}>{}{}</label>", flatatt(attrs), label, star)
