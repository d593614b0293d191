"""Every condition described for the builder page, and the rule as a JSON schema."""

from __future__ import annotations

from typing import Any

from django.db.models import Q, QuerySet

from crm.models import Category, Product, Segment, Tag
from crm.segments.conditions import CONDITIONS, GROUPS, Condition
from crm.segments.params import (
    MAX_IDS,
    MAX_TEXT,
    MAX_TEXTS,
    MAX_WHERE,
    WHERE_OPERATORS,
    Param,
)
from crm.segments.references import ROWS
from crm.segments.tree import MAX_CONDITIONS, MAX_DEPTH
from staff.models import OrgUnit, Staff
from wechat.models import Account, Colleague

# More than these are looked up by what was typed (`options`).
SHOWN_OPTIONS = 300


def catalogue(controller: OrgUnit, staff: Staff) -> dict[str, Any]:
    """All conditions with their parameters, and what ids of each kind may be chosen.

    {"groups": [{"name", "label", "conditions": [on, …]}],
     "conditions": {on: {"on", "label", "group", "is_personal", "params": [param, …]}},
     "options": {kind: {"rows": [{"id", "name", "group"}], "is_complete": bool}},
     "limits": {…}}

    A param: {"name", "label", "form", "required", and as they apply "of" (kind of the
    options), "choices" [{"value", "label"}], "when" {other: [values]}, "least", "most",
    "unit", "default"}. Forms: choice, choices, id, ids, whole, wholes (a list), number,
    text, texts (a list), flag, date, where (a list of {"key", "is", "value"}).
    """
    return {
        "groups": [
            {
                "name": name,
                "label": str(label),
                "conditions": [
                    on for on, kind in CONDITIONS.items() if kind.group == name
                ],
            }
            for name, label in GROUPS.items()
        ],
        "conditions": {on: _condition(kind) for on, kind in CONDITIONS.items()},
        "options": {of: options(of, controller, staff) for of in ROWS},
        "limits": {
            "depth": MAX_DEPTH,
            "conditions": MAX_CONDITIONS,
            "ids": MAX_IDS,
            "texts": MAX_TEXTS,
            "text_length": MAX_TEXT,
            "where": MAX_WHERE,
            "where_operators": list(WHERE_OPERATORS),
        },
    }


def _condition(kind: type[Condition]) -> dict[str, Any]:
    return {
        "on": kind.on,
        "label": str(kind.label),
        "group": kind.group,
        "is_personal": kind.is_personal,
        "params": [_param(param) for param in kind.params],
    }


def _param(param: Param) -> dict[str, Any]:
    found: dict[str, Any] = {
        "name": param.name,
        "label": str(param.label),
        "form": param.form,
        "required": param.is_required,
    }
    if param.of:
        found["of"] = param.of
    if param.choices is not None:
        found["choices"] = [
            {"value": value, "label": str(label)} for value, label in param.choices()
        ]
    if param.when:
        found["when"] = {name: list(values) for name, values in param.when.items()}
    for name in ("least", "most", "default"):
        value = getattr(param, name)
        if value is not None and value != ():
            found[name] = value
    if param.unit:
        found["unit"] = str(param.unit)
    return found


# -- what ids may be chosen


def options(
    of: str,
    controller: OrgUnit,
    staff: Staff,
    *,
    text: str = "",
    limit: int = SHOWN_OPTIONS,
) -> dict[str, Any]:
    """Rows of a kind the person may choose: {"rows": [{"id", "name", "group"}], …}.

    `text`: only those whose name contains it. Not `is_complete`: there are more.
    """
    rows, name, group = _offered(of, controller, staff)
    if text:
        rows = rows.filter(Q(**{f"{name}__icontains": text}))
    found = list(rows.values_list("pk", name, *([group] if group else []))[: limit + 1])
    return {
        "rows": [
            {"id": row[0], "name": row[1] or str(row[0]), "group": _group(of, row)}
            for row in found[:limit]
        ],
        "is_complete": len(found) <= limit,
    }


def _group(of: str, row: tuple[Any, ...]) -> str:
    if len(row) < 3:
        return ""
    if of == "account":
        return str(Account.Kind(row[2]).label)
    if of == "segment":
        return str(Segment.Kind(row[2]).label)
    if of == "unit":
        return str(OrgUnit.Kind(row[2]).label)
    return str(row[2])


def _offered(
    of: str, controller: OrgUnit, staff: Staff
) -> tuple[QuerySet[Any], str, str]:
    """(rows, field of the name, field of the heading they stand under or "")."""
    rows = ROWS[of](controller.pk)
    visible: dict[str, tuple[QuerySet[Any], str, str]] = {
        "tag": (
            Tag.objects.visible_to(staff)
            .filter(archived_at__isnull=True)
            .order_by("group_id", "pk"),
            "name",
            "group__name",
        ),
        "account": (Account.objects.visible_to(staff).order_by("pk"), "name", "kind"),
        "colleague": (
            Colleague.objects.filter(account__in=Account.objects.visible_to(staff))
            .exclude(name="")
            .order_by("name", "pk"),
            "name",
            "account__name",
        ),
        "unit": (OrgUnit.objects.visible_to(staff).order_by("path"), "name", "kind"),
        "staff": (
            Staff.objects.visible_to(staff).working().order_by("display_name", "pk"),
            "display_name",
            "org_unit__name",
        ),
        "segment": (Segment.objects.visible_to(staff).order_by("name"), "name", "kind"),
        "product": (
            Product.objects.visible_to(staff).order_by("-is_active", "name", "pk"),
            "name",
            "category__name",
        ),
        "category": (_each_category_once(controller, staff), "name", ""),
    }
    seen, name, group = visible[of]
    return seen.filter(pk__in=rows.values("pk")), name, group


def _each_category_once(controller: OrgUnit, staff: Staff) -> QuerySet[Category]:
    """Without shared ones that have one of the controller's own in their place."""
    own = Category.objects.filter(controller=controller).values("code")
    rows = Category.objects.visible_to(staff).exclude(controller=None, code__in=own)
    return rows.order_by("pk")


# -- for machines


def schema() -> dict[str, Any]:
    """The rule as a JSON schema (2020-12), for the documents of the API."""
    node = {"$ref": "#/$defs/node"}
    group = {"type": "array", "items": node, "minItems": 1, "maxItems": MAX_CONDITIONS}
    shapes: list[dict[str, Any]] = [
        _object({"all": group}, ["all"]),
        _object({"any": group}, ["any"]),
        _object({"not": node}, ["not"]),
        *(_schema_of(kind) for kind in CONDITIONS.values()),
    ]
    everybody = [
        {"type": "object", "maxProperties": 0},
        _object({"all": {"type": "array", "maxItems": 0}}, ["all"]),
    ]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "anyOf": [*everybody, node],
        "$defs": {"node": {"oneOf": shapes}},
    }


def _object(properties: dict[str, Any], required: list[str]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


def _schema_of(kind: type[Condition]) -> dict[str, Any]:
    properties: dict[str, Any] = {"on": {"const": kind.on}}
    required = ["on"]
    for param in kind.params:
        properties[param.name] = param.schema()
        if param.is_required and not param.when:
            required.append(param.name)
    return {"title": str(kind.label), **_object(properties, required)}
