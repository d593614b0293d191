"""Rows that belong to one data controller, or, without one, to everybody."""

from __future__ import annotations

from typing import Self, TypeVar

from django.db import models
from django.utils.translation import gettext_lazy as _

from staff.models import OrgUnit, Staff

Row = TypeVar("Row", bound=models.Model)


def own_or_shared(staff: Staff) -> models.Q | None:
    """Rows of the person's data controller and those everybody shares; None: nothing."""
    if not staff.is_active:
        return None
    if staff.is_superuser:
        return models.Q()
    home = staff.org_unit
    if home is None:
        return None
    return models.Q(controller_id=home.controller_id) | models.Q(controller=None)


class SharedQuerySet(models.QuerySet[Row]):
    """Rows of models with a `controller` that may be empty."""

    def visible_to(self, staff: Staff) -> Self:
        scope = own_or_shared(staff)
        return self.none() if scope is None else self.filter(scope)

    def of_controller(self, controller_id: int | None) -> Self:
        """Those that count for members of the controller: its own and the shared ones."""
        return self.filter(
            models.Q(controller_id=controller_id) | models.Q(controller=None)
        )


class Shared(models.Model):
    """`controller`: whose row it is; None: everybody's."""

    controller = models.ForeignKey(
        OrgUnit,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        editable=False,
        related_name="+",
        verbose_name=_("data controller"),
    )

    class Meta:
        abstract = True
