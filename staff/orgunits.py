"""Changing the tree of org units: everything below moves along, in one transaction."""

from __future__ import annotations

from django.db import models, transaction
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from core import audit
from core.errors import AppError
from staff.models import OrgUnit, Staff


class NotBelowItself(AppError):
    code = "not_below_itself"
    message = _("A unit can't be moved below itself.")


class ControllerHoldsData(AppError):
    """The move would hand people's data to another data controller."""

    code = "controller_holds_data"


@transaction.atomic
def save_unit(unit: OrgUnit, *, actor: Staff) -> OrgUnit:
    """Create or change a unit; its subtree's paths and controllers follow.

    Raises NotBelowItself, ControllerHoldsData.
    """
    # One change of the tree at a time: two moves could make a circle.
    list(OrgUnit.objects.select_for_update().order_by("pk").values_list("pk"))
    before = OrgUnit.objects.filter(pk=unit.pk).first()
    below = _below(before) if before else []
    if before and unit.parent_id in {before.pk, *(each.pk for each in below)}:
        raise NotBelowItself
    controllers = {each.pk: each.controller_id for each in below}
    if before:
        controllers[before.pk] = before.controller_id
    unit.full_clean()
    unit.save()
    _rewrite(unit, below)
    moved = _changed_controllers(unit, controllers)
    if moved:
        _refuse_while_used(moved)
    audit.record(
        "staff.orgunit.changed" if before else "staff.orgunit.created",
        unit,
        actor=actor,
        before=_facts(before) if before else {},
        after=_facts(unit),
        label=unit.name,
    )
    return unit


def _below(unit: OrgUnit) -> list[OrgUnit]:
    """Everything under the unit, parents before children."""
    found = OrgUnit.objects.filter(path__startswith=unit.path).exclude(pk=unit.pk)
    return sorted(found, key=lambda each: each.path.count("/"))


def _rewrite(unit: OrgUnit, below: list[OrgUnit]) -> None:
    fresh = {unit.pk: unit}
    for each in below:
        assert each.parent_id is not None
        each.parent = fresh[each.parent_id]
        each.save(update_fields=["path", "controller"])
        fresh[each.pk] = each


def _changed_controllers(unit: OrgUnit, before: dict[int, int | None]) -> list[int]:
    now = dict(OrgUnit.objects.filter(pk__in=before).values_list("pk", "controller_id"))
    return [pk for pk, controller in before.items() if now[pk] != controller]


def _refuse_while_used(units: list[int]) -> None:
    """People's data may not change its controller by a drag in a tree (PIPL art. 23)."""
    count = 0
    for relation in OrgUnit._meta.get_fields(include_hidden=True):
        if not isinstance(relation, (models.ManyToOneRel, models.OneToOneRel)):
            continue
        model = relation.related_model
        if model in (OrgUnit, Staff) or isinstance(model, str):
            continue
        rows = model._base_manager.filter(**{f"{relation.field.name}__in": units})
        count += rows[:1].count()
    if count:
        raise ControllerHoldsData(
            ngettext(
                "%(count)d unit would get another data controller, but accounts or "
                "members belong to it. Hand them over first.",
                "%(count)d units would get another data controller, but accounts or "
                "members belong to them. Hand them over first.",
                len(units),
            )
            % {"count": len(units)}
        )


def _facts(unit: OrgUnit) -> dict[str, object]:
    return {
        "name": unit.name,
        "kind": unit.kind,
        "parent": unit.parent_id,
        "controller": unit.controller_id,
        "is_active": unit.is_active,
        "latitude": None if unit.latitude is None else str(unit.latitude),
        "longitude": None if unit.longitude is None else str(unit.longitude),
    }
