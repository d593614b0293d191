"""Everything the database holds about members, to compare before and after a merge."""

from __future__ import annotations

from typing import Any

from django.apps import apps
from django.db import models
from django.db.models import Q

from crm import journal, registry
from crm.models import Event, MatchReview, Member, Merge, TagSet
from service.models import Assignment, Message

# Told of merges themselves; that both took place stays in the history.
HISTORY = {"merged", "unmerged"}


def dump(*members: Member) -> dict[str, list[dict[str, Any]]]:
    """Every row of every table with a foreign key to Member, ids included."""
    found = {}
    for model in apps.get_models():
        if model in (Merge, MatchReview):
            continue
        if model._meta.label_lower in registry.derived_tables:
            continue
        fields = journal.member_fields(model)
        if not fields and model is not Member:
            continue
        wanted = (
            Q(pk__in=[each.pk for each in members]) if model is Member else Q(pk__in=[])
        )
        for field in fields:
            wanted |= Q(**{f"{field}__in": members})
        found[model._meta.label] = _rows(model, model._base_manager.filter(wanted))
    found["service.Message"] = _rows(Message, Message.objects.all())
    found["service.Assignment"] = _rows(Assignment, Assignment.objects.all())
    return found


def differences(before: Any, after: Any) -> list[str]:
    """Readable lines: which row of which table is not what it was."""
    found = []
    for label, rows in before.items():
        old = _cells(label, rows)
        new = _cells(label, after[label])
        found += [f"was {cell}" for cell in sorted(old - new)]
        found += [f"is {cell}" for cell in sorted(new - old)]
    return found


def _cells(label: str, rows: Any) -> set[str]:
    key = _key(apps.get_model(label))
    return {
        f"{label} {[row[part] for part in key]} {name} = {value!r}"
        for row in rows
        for name, value in row.items()
    }


def _rows(model: type[models.Model], rows: Any) -> list[dict[str, Any]]:
    if model is Event:
        joined = Q(kind="conversation.closed", data__reason="merged")
        rows = rows.exclude(kind__in=HISTORY).exclude(joined)
    if model is TagSet:
        rows = rows.exclude(tag_ids=[])  # who carries no tag may have no row
    names = [field.attname for field in model._meta.concrete_fields]
    found = [dict(row) for row in rows.values(*names)]
    return sorted(found, key=lambda row: [str(row[name]) for name in _key(model)])


def _key(model: type[models.Model]) -> list[str]:
    return [field.attname for field in model._meta.pk_fields]
