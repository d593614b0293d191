"""What a deletion takes along, told only as far as the person may see it."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from django.contrib.admin.sites import AdminSite
from django.contrib.admin.utils import NestedObjects, quote
from django.db import models, router
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.html import format_html
from django.utils.text import capfirst
from django.utils.translation import gettext as _

from core.scoping import visible

Preview = tuple[list[Any], dict[str, int], set[str], list[str]]


def _hidden(rows: set[models.Model], user: Any) -> set[models.Model]:
    by_model: dict[type[models.Model], list[models.Model]] = defaultdict(list)
    for row in rows:
        by_model[type(row)].append(row)
    hidden: set[models.Model] = set()
    for model, members in by_model.items():
        if model._meta.auto_created:  # the through rows of an M2M name nobody
            continue
        keys = [row.pk for row in members]
        seen = set(
            visible(model._base_manager.filter(pk__in=keys), user).values_list(
                "pk", flat=True
            )
        )
        hidden.update(row for row in members if row.pk not in seen)
    return hidden


def _line(row: models.Model, site: AdminSite) -> str:
    label = capfirst(row._meta.verbose_name)
    opts = row._meta
    try:
        url = reverse(
            f"{site.name}:{opts.app_label}_{opts.model_name}_change",
            args=(quote(row.pk),),
        )
    except NoReverseMatch:
        return format_html("{}: {}", label, row)
    return format_html('{}: <a href="{}">{}</a>', label, url, row)


def preview(objs: Any, request: HttpRequest, site: AdminSite) -> Preview:
    """The shape of Django's get_deleted_objects.

    Rows the person may not see are never named, and stop the deletion.
    """
    objs = list(objs)
    if not objs:
        return [], {}, set(), []
    collector = NestedObjects(
        using=router.db_for_write(type(objs[0])),
        origin=objs,
    )
    collector.collect(objs)
    taken: set[models.Model] = {
        row for rows in collector.model_objs.values() for row in rows
    }
    hidden = _hidden(taken | collector.protected, request.user)
    perms_needed: set[str] = set()

    def describe(row: models.Model) -> str:
        if row in hidden:
            return capfirst(_("a row you may not see"))
        if site.is_registered(type(row)) and not site.get_model_admin(
            type(row)
        ).has_delete_permission(request, row):
            perms_needed.add(str(row._meta.verbose_name))
        return _line(row, site)

    to_delete = collector.nested(describe)
    protected = [describe(row) for row in collector.protected]
    in_the_way = len(hidden & taken)
    if in_the_way:
        protected.append(_("%(count)d rows you may not see") % {"count": in_the_way})
    counts = {
        str(model._meta.verbose_name_plural): len(rows)  # type: ignore[attr-defined]
        for model, rows in collector.model_objs.items()
    }
    return to_delete, counts, perms_needed, protected
