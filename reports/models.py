"""What came of it, added up by day, and the weights the formulas use."""

from __future__ import annotations

from django.core.validators import MinValueValidator
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from crm.models import Member
from staff.models import OrgUnit, Staff
from staff.scope import controller_scope
from wechat.models import Account


class MetricWeight(models.Model):
    """A number in the formula of a metric, in force from a day on.

    `reports.weights` reads the one in force; metrics.csv says which names there are.
    """

    metric = models.CharField(_("metric"), max_length=8)
    name = models.CharField(_("weight"), max_length=40)
    value = models.DecimalField(
        _("value"), max_digits=10, decimal_places=3, validators=[MinValueValidator(0)]
    )
    effective_from = models.DateField(_("effective from"))
    note = models.CharField(_("note"), max_length=200, blank=True)

    class Meta:
        verbose_name = _("weight of a metric")
        verbose_name_plural = _("weights of metrics")
        ordering = ["metric", "name", "-effective_from"]
        constraints = [
            models.UniqueConstraint(
                fields=["metric", "name", "effective_from"],
                name="reports_weight_dated",
                violation_error_message=_("There is a value from this day on already."),
            )
        ]

    def __str__(self) -> str:
        return f"{self.metric} {self.name} = {self.value}"


class MemberDayQuerySet(models.QuerySet["MemberDay"]):
    def visible_to(self, staff: Staff) -> MemberDayQuerySet:
        return self.filter(member__in=Member.objects.visible_to(staff))


class MemberDay(models.Model):
    """What one member did, and was done for, on one account on one day (Asia/Shanghai).

    Counted from the timeline by reports.rollups, again and again with the same result.
    """

    id = models.BigAutoField(primary_key=True)
    member = models.ForeignKey(
        Member,
        on_delete=models.PROTECT,
        related_name="+",
        verbose_name=_("member"),
        db_index=False,
    )
    account = models.ForeignKey(
        Account,
        on_delete=models.PROTECT,
        null=True,
        related_name="+",
        verbose_name=_("account"),
        db_index=False,
    )
    day = models.DateField(_("day"))
    # Things the customer did: C08 before its cap.
    interactions = models.PositiveIntegerField(_("interactions"), default=0)
    # Conversations closed as resolved that day.
    resolved = models.PositiveIntegerField(_("resolved conversations"), default=0)
    # How many of these were rated, and the sum of their ratings (1–5 each).
    rated = models.PositiveIntegerField(
        _("rated conversations"), default=0, db_default=0
    )
    stars = models.PositiveIntegerField(_("sum of ratings"), default=0, db_default=0)
    # 1 when rules answered and nobody had to be asked afterwards that day.
    self_served = models.PositiveSmallIntegerField(_("self-service"), default=0)

    objects = MemberDayQuerySet.as_manager()

    class Meta:
        verbose_name = _("day of a member")
        verbose_name_plural = _("days of members")
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(
                fields=["member", "day", "account"],
                name="reports_memberday_once",
                nulls_distinct=False,
            )
        ]
        indexes = [models.Index(fields=["day", "-id"], name="reports_memberday_day")]

    def __str__(self) -> str:
        return f"{self.member_id} {self.day}"


class DayFigureQuerySet(models.QuerySet["DayFigure"]):
    def visible_to(self, staff: Staff) -> DayFigureQuerySet:
        scope = controller_scope(staff, controller="controller", unit="org_unit")
        return self.none() if scope is None else self.filter(scope)


class DayFigure(models.Model):
    """One figure of one day, org unit and (where it has one) account."""

    class Code(models.TextChoices):
        INTERACTIONS = "interactions", _("interactions")
        RESOLVED = "resolved", _("resolved conversations")
        RATED = "rated", _("rated conversations")
        STARS = "stars", _("sum of ratings")
        SELF_SERVED = "self_served", _("self-service")
        FOLLOWERS = "followers", _("followers")

    id = models.BigAutoField(primary_key=True)
    day = models.DateField(_("day"))
    code = models.CharField(_("figure"), max_length=12, choices=Code.choices)
    controller = models.ForeignKey(
        OrgUnit, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    org_unit = models.ForeignKey(
        OrgUnit, on_delete=models.PROTECT, null=True, related_name="+", db_index=False
    )
    account = models.ForeignKey(
        Account, on_delete=models.PROTECT, null=True, related_name="+", db_index=False
    )
    value = models.BigIntegerField(_("value"))
    counted_at = models.DateTimeField(_("counted at"), default=timezone.now)

    objects = DayFigureQuerySet.as_manager()

    class Meta:
        verbose_name = _("figure of a day")
        verbose_name_plural = _("figures of days")
        default_permissions = ()
        permissions = [("view_figures", _("Can see the key figures"))]
        constraints = [
            models.UniqueConstraint(
                fields=["code", "day", "controller", "org_unit", "account"],
                name="reports_dayfigure_once",
                nulls_distinct=False,
            )
        ]

    def __str__(self) -> str:
        return f"{self.day} {self.code} {self.value}"


class Recount(models.Model):
    """A day to be added up again: of one member, or (without one) only its sums."""

    id = models.BigAutoField(primary_key=True)
    member = models.ForeignKey(
        Member, on_delete=models.CASCADE, null=True, related_name="+", db_index=False
    )
    day = models.DateField()

    class Meta:
        verbose_name = _("day to be counted again")
        verbose_name_plural = _("days to be counted again")
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.day} {self.member_id or ''}"
