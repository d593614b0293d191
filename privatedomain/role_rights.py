"""A role's permissions in the reader's words, by kind of row."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import Group, Permission
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.text import capfirst
from django.utils.translation import gettext, gettext_lazy

VERBS = {
    "view": gettext_lazy("view"),
    "add": gettext_lazy("add"),
    "change": gettext_lazy("change"),
    "delete": gettext_lazy("delete"),
}


def rights_in_words(role: Group) -> SafeString:
    """A list with one line per model the role may do anything with."""
    by_model: dict[str, list[str]] = {}
    rows = role.permissions.select_related("content_type").order_by(
        "content_type__app_label", "content_type__model", "pk"
    )
    for permission in rows:
        model = permission.content_type.model_class()
        if model is not None:
            title = capfirst(str(model._meta.verbose_name))
            by_model.setdefault(title, []).append(_verb(permission, model))
    lines = ((title, " · ".join(verbs)) for title, verbs in by_model.items())
    listed = format_html_join("", "<dt>{}</dt><dd>{}</dd>", lines)
    return format_html('<dl class="pd-facts">{}</dl>', listed)


def _verb(permission: Permission, model: Any) -> str:
    verb, _between, rest = permission.codename.partition("_")
    if rest == model._meta.model_name and verb in VERBS:
        return str(VERBS[verb])
    return gettext(permission.name)
