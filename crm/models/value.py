"""What a member is worth to us, and we to them: scores, and the stages they went through.

Computed set-wise every night and per member on change (crm.value); rows here are never
edited by hand.
"""

from __future__ import annotations

from decimal import Decimal

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from crm.models.orders import Category
from crm.models.people import Member
from staff.models import Staff


class MemberValueQuerySet(models.QuerySet["MemberValue"]):
    def visible_to(self, staff: Staff) -> MemberValueQuerySet:
        return self.filter(member__in=Member.objects.visible_to(staff))


class MemberValue(models.Model):
    """The figures of one member, beside the wide row, as of `computed_at`.

    Spend in yuan, net of refunds; R, F and M over the last 12 months, same-day orders as
    one; scores 1–5, null while the category has too few buyers.
    """

    class Bond(models.TextChoices):
        WEAK = "weak", _("Weak")
        MEDIUM = "medium", _("Medium")
        STRONG = "strong", _("Strong")

    member = models.OneToOneField(
        Member,
        on_delete=models.PROTECT,
        primary_key=True,
        related_name="value",
        verbose_name=_("member"),
        db_constraint=False,
    )
    category = models.ForeignKey(
        Category,
        on_delete=models.PROTECT,
        null=True,
        related_name="+",
        verbose_name=_("main category"),
        db_index=False,
    )
    orders_total = models.PositiveIntegerField(_("orders"), default=0)
    spend_total = models.DecimalField(
        _("spend"), max_digits=14, decimal_places=2, default=Decimal(0)
    )
    orders_year = models.PositiveIntegerField(_("orders in 12 months"), default=0)
    spend_year = models.DecimalField(
        _("spend in 12 months"), max_digits=14, decimal_places=2, default=Decimal(0)
    )
    first_order_at = models.DateTimeField(_("first order at"), null=True)
    last_order_at = models.DateTimeField(_("last order at"), null=True)
    r_score = models.PositiveSmallIntegerField(_("recency score"), null=True)
    f_score = models.PositiveSmallIntegerField(_("frequency score"), null=True)
    m_score = models.PositiveSmallIntegerField(_("monetary score"), null=True)
    # The same figures as of the first day of the month, which the scores are made of.
    rfm_orders = models.PositiveIntegerField(
        _("orders in 12 months before the month"), default=0
    )
    rfm_spend = models.DecimalField(
        _("spend in 12 months before the month"),
        max_digits=14,
        decimal_places=2,
        default=Decimal(0),
    )
    rfm_last_on = models.DateField(_("last order before the month"), null=True)
    # Between the last two days with orders; null before the second.
    last_gap_days = models.PositiveIntegerField(_("last pause"), null=True)
    # The day of the order that ended a long silence, while it is the last one.
    won_back_on = models.DateField(_("won back on"), null=True)
    # Carries a tag of colleagues, dealers or tests: no figures, no scores.
    is_excluded = models.BooleanField(_("left out of figures"), default=False)
    # C08 of the last 30 days; half-life score of two-way interactions.
    interactions = models.PositiveIntegerField(_("interactions in 30 days"), default=0)
    relationship = models.DecimalField(
        _("relationship strength"), max_digits=10, decimal_places=3, default=Decimal(0)
    )
    bond = models.CharField(
        _("closeness"), max_length=6, choices=Bond.choices, default=Bond.WEAK
    )
    # The rules that hold: {"stage": "repeat", "trust": ["bought"], …}; no dates, so that
    # a night without news writes nothing.
    why = models.JSONField(_("why"), default=dict, blank=True)
    computed_at = models.DateTimeField(_("computed at"), default=timezone.now)

    objects = MemberValueQuerySet.as_manager()

    class Meta:
        verbose_name = _("value of a member")
        verbose_name_plural = _("values of members")
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.member_id}"


class StageChangeQuerySet(models.QuerySet["StageChange"]):
    def visible_to(self, staff: Staff) -> StageChangeQuerySet:
        return self.filter(member__in=Member.objects.visible_to(staff))


class StageChange(models.Model):
    """A member went from one stage (or trust level) to another: when, and why."""

    class Ladder(models.TextChoices):
        STAGE = "stage", _("lifecycle stage")
        TRUST = "trust", _("trust level")

    member = models.ForeignKey(
        Member,
        on_delete=models.PROTECT,
        related_name="stage_changes",
        verbose_name=_("member"),
        db_index=False,
    )
    ladder = models.CharField(
        _("ladder"), max_length=6, choices=Ladder.choices, default=Ladder.STAGE
    )
    before = models.CharField(_("before"), max_length=12)
    after = models.CharField(_("after"), max_length=12)
    # A code with figures, worded when shown: {"rule": "within_cycle", "days": 12, …}.
    reason = models.JSONField(_("reason"), default=dict)
    at = models.DateTimeField(_("at"), default=timezone.now)

    objects = StageChangeQuerySet.as_manager()

    class Meta:
        verbose_name = _("stage change")
        verbose_name_plural = _("stage changes")
        ordering = ["-at", "-id"]
        default_permissions = ("view",)
        indexes = [models.Index(fields=["member", "-at"], name="crm_stagechange_of")]

    def __str__(self) -> str:
        return f"{self.before} → {self.after}"
