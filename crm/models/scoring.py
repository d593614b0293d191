"""What values are made with: weights, cut-offs, who waits, and how many stand where."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from crm.models.orders import Category
from crm.models.people import Member
from crm.models.shared import Shared, SharedQuerySet
from staff.models import OrgUnit, Staff
from staff.scope import controller_scope


class ScoreWeightQuerySet(SharedQuerySet["ScoreWeight"]):
    pass


class ScoreWeight(Shared):
    """A weight or cut-off of the value rules, in force from a day on.

    The row of a data controller beats the shared one, that of a category the one for
    all; crm/data/score_weights.csv says which keys there are and their bounds.
    """

    category = models.ForeignKey(
        Category,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("category"),
        help_text=_("Empty: for all categories."),
    )
    key = models.CharField(_("weight"), max_length=40)
    value = models.DecimalField(_("value"), max_digits=12, decimal_places=3)
    effective_from = models.DateField(_("effective from"))
    note = models.CharField(_("note"), max_length=200, blank=True)

    objects = ScoreWeightQuerySet.as_manager()

    class Meta:
        verbose_name = _("weight of the value rules")
        verbose_name_plural = _("weights of the value rules")
        ordering = ["key", "-effective_from", "-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["controller", "category", "key", "effective_from"],
                name="crm_scoreweight_dated",
                nulls_distinct=False,
                violation_error_message=_("There is a value from this day on already."),
            )
        ]

    def __str__(self) -> str:
        return f"{self.key} = {self.value.normalize():f}"


class ValueCutQuerySet(models.QuerySet["ValueCut"]):
    def visible_to(self, staff: Staff) -> ValueCutQuerySet:
        scope = controller_scope(staff, controller="controller", unit="controller")
        return self.none() if scope is None else self.filter(scope)


class ValueCut(models.Model):
    """The cut-offs of one main category inside one data controller, made every night.

    Arrays run from score 5 down to score 2; null where nobody can have the score.
    Without a category: people whose orders name no products.
    """

    controller = models.ForeignKey(
        OrgUnit,
        on_delete=models.PROTECT,
        related_name="+",
        verbose_name=_("data controller"),
    )
    category = models.ForeignKey(
        Category,
        on_delete=models.PROTECT,
        null=True,
        related_name="+",
        verbose_name=_("category"),
    )
    as_of = models.DateField(_("as of"))
    buyers = models.PositiveIntegerField(_("buyers in 12 months"), default=0)
    cycle_days = models.PositiveIntegerField(_("repurchase cycle"), null=True)
    # Of how many pauses between orders it is the median; 0: it is a number somebody set.
    cycle_pauses = models.PositiveIntegerField(_("repurchases measured"), default=0)
    # R up to which somebody is with us, at risk, dormant; empty without a cycle.
    stage_days = ArrayField(
        models.DecimalField(max_digits=10, decimal_places=2), default=list
    )
    hysteresis_days = models.PositiveIntegerField(_("days of grace"), default=1)
    loyal_from = models.PositiveIntegerField(_("orders of the loyal"), default=2)
    is_scored = models.BooleanField(_("scored"), default=False)
    high_from = models.PositiveSmallIntegerField(_("high from score"), default=4)
    r_days = ArrayField(
        models.DecimalField(max_digits=10, decimal_places=2, null=True), default=list
    )
    f_orders = ArrayField(models.PositiveIntegerField(), default=list)
    m_spend = ArrayField(
        models.DecimalField(max_digits=14, decimal_places=2, null=True), default=list
    )
    computed_at = models.DateTimeField(_("computed at"), default=timezone.now)

    objects = ValueCutQuerySet.as_manager()

    class Meta:
        verbose_name = _("cut-offs of a category")
        verbose_name_plural = _("cut-offs of categories")
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(
                fields=["controller", "category"],
                name="crm_valuecut_once",
                nulls_distinct=False,
            )
        ]

    def __str__(self) -> str:
        return f"{self.category or '–'} {self.as_of}"


class ValueDue(models.Model):
    """A member whose figures changed; crm.value works these off and deletes them."""

    member = models.OneToOneField(
        Member,
        on_delete=models.CASCADE,
        primary_key=True,
        related_name="+",
        db_constraint=False,
    )
    since = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name = _("value to be computed")
        verbose_name_plural = _("values to be computed")
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.member_id}"


class ValueCountQuerySet(models.QuerySet["ValueCount"]):
    def visible_to(self, staff: Staff) -> ValueCountQuerySet:
        scope = controller_scope(staff, controller="controller", unit="org_unit")
        return self.none() if scope is None else self.filter(scope)


class ValueCount(models.Model):
    """How many members of an org unit stand on a rung, counted after each night's run."""

    class Ladder(models.TextChoices):
        STAGE = "stage", _("lifecycle stage")
        RFM = "rfm", _("RFM segment")
        TRUST = "trust", _("trust level")
        LOYALTY = "loyalty", _("loyalty")

    controller = models.ForeignKey(
        OrgUnit,
        on_delete=models.PROTECT,
        related_name="+",
        verbose_name=_("data controller"),
        db_index=False,
    )
    org_unit = models.ForeignKey(
        OrgUnit,
        on_delete=models.PROTECT,
        null=True,
        related_name="+",
        verbose_name=_("store"),
        db_index=False,
    )
    ladder = models.CharField(_("ladder"), max_length=8, choices=Ladder.choices)
    rung = models.CharField(_("rung"), max_length=10, blank=True)
    members = models.PositiveIntegerField(_("members"))
    counted_at = models.DateTimeField(_("counted at"), default=timezone.now)

    objects = ValueCountQuerySet.as_manager()

    class Meta:
        verbose_name = _("members on a rung")
        verbose_name_plural = _("members on rungs")
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(
                fields=["controller", "org_unit", "ladder", "rung"],
                name="crm_valuecount_once",
                nulls_distinct=False,
            )
        ]

    def __str__(self) -> str:
        return f"{self.ladder} {self.rung}: {self.members}"
