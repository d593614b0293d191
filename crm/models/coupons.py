"""Coupons people hold, as their shops tell."""

from __future__ import annotations

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from crm.models.people import Member
from staff.models import OrgUnit, Staff
from staff.scope import controller_scope


class CouponQuerySet(models.QuerySet["Coupon"]):
    def visible_to(self, staff: Staff) -> CouponQuerySet:
        """Those of members the person may see; of nobody known, for the controller."""
        scope = controller_scope(
            staff, controller="controller", unit="member__org_unit"
        )
        return self.none() if scope is None else self.filter(scope)


class Coupon(models.Model):
    """One coupon of a shop; without a member until its buyer is known."""

    class State(models.TextChoices):
        HELD = "held", _("Not used yet")
        USED = "used", _("Used")
        VOID = "void", pgettext_lazy("a coupon", "Void")

    controller = models.ForeignKey(
        OrgUnit,
        on_delete=models.PROTECT,
        related_name="+",
        verbose_name=_("data controller"),
        db_index=False,
    )
    member = models.ForeignKey(
        Member,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="coupons",
        verbose_name=_("member"),
        db_index=False,
    )
    shop = models.CharField(_("shop"), max_length=40)
    code = models.CharField(_("coupon number"), max_length=64)
    # As the shop calls the buyer: a coupon waits under it like an order.
    buyer = models.CharField(_("buyer"), max_length=64, blank=True)
    state = models.CharField(
        _("state"), max_length=4, choices=State.choices, default=State.HELD
    )
    expires_at = models.DateTimeField(_("expires at"))
    recorded_at = models.DateTimeField(_("recorded at"), default=timezone.now)

    objects = CouponQuerySet.as_manager()

    class Meta:
        verbose_name = _("coupon")
        verbose_name_plural = _("coupons")
        ordering = ["-id"]
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(
                fields=["controller", "shop", "code"], name="crm_coupon_once"
            )
        ]
        indexes = [
            models.Index(fields=["member", "expires_at"], name="crm_coupon_member"),
            models.Index(
                fields=["controller", "buyer"],
                condition=models.Q(member__isnull=True) & ~models.Q(buyer=""),
                name="crm_coupon_unbound",
            ),
            models.Index(fields=["code"], name="crm_coupon_code"),
            models.Index(fields=["controller", "-id"], name="crm_coupon_recent"),
        ]

    def __str__(self) -> str:
        return self.code

    @property
    def is_run_out(self) -> bool:
        """Never used, and no longer to be."""
        return self.state == self.State.HELD and self.expires_at <= timezone.now()
