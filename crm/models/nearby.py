"""Which store somebody was near to when they last shared where they are."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from crm.models.people import Member
from staff.models import OrgUnit, Staff


class NearbyQuerySet(models.QuerySet["Nearby"]):
    def visible_to(self, staff: Staff) -> NearbyQuerySet:
        return self.filter(member__in=Member.objects.visible_to(staff))


class Nearby(models.Model):
    """The nearest store within walking distance, and when; never the place itself.

    Without a row: far from every store, or nothing was shared (crm.nearby).
    """

    member = models.OneToOneField(
        Member,
        on_delete=models.PROTECT,
        primary_key=True,
        related_name="nearby",
        verbose_name=_("member"),
    )
    store = models.ForeignKey(
        OrgUnit,
        on_delete=models.PROTECT,
        related_name="+",
        verbose_name=_("store"),
    )
    at = models.DateTimeField(_("at"))

    objects = NearbyQuerySet.as_manager()

    class Meta:
        verbose_name = _("nearby store")
        verbose_name_plural = _("nearby stores")
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.member_id}–{self.store_id}"
