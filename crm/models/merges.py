"""Two records, one person: what was put together (and can be taken apart), and doubts."""

from __future__ import annotations

import json
from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from core.encryption import EncryptedTextField
from crm.models.people import Member
from staff.models import OrgUnit, Staff
from staff.scope import controller_scope


class MergeQuerySet(models.QuerySet["Merge"]):
    def visible_to(self, staff: Staff) -> MergeQuerySet:
        scope = controller_scope(staff, controller="controller", unit="kept__org_unit")
        return self.none() if scope is None else self.filter(scope)

    def standing(self) -> MergeQuerySet:
        return self.filter(undone_at__isnull=True)


class Merge(models.Model):
    """`gone` was merged into `kept`; its steps are what taking them apart needs.

    A purge of either deletes the steps, which hold what was known of the person.
    """

    controller = models.ForeignKey(
        OrgUnit,
        on_delete=models.PROTECT,
        related_name="+",
        verbose_name=_("data controller"),
    )
    kept = models.ForeignKey(
        Member,
        on_delete=models.PROTECT,
        related_name="merges",
        verbose_name=_("kept record"),
    )
    gone = models.ForeignKey(
        Member,
        on_delete=models.PROTECT,
        related_name="merged_by",
        verbose_name=_("merged record"),
    )
    why = models.CharField(_("why"), max_length=200)
    actor = models.ForeignKey(
        Staff, on_delete=models.PROTECT, related_name="+", verbose_name=_("by")
    )
    at = models.DateTimeField(_("at"), default=timezone.now)
    undone_at = models.DateTimeField(_("undone at"), null=True, blank=True)
    undone_by = models.ForeignKey(
        Staff,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("undone by"),
    )

    objects = MergeQuerySet.as_manager()

    class Meta:
        verbose_name = _("merge")
        verbose_name_plural = _("merges")
        ordering = ["-at", "-id"]
        default_permissions = ("view",)
        permissions = [
            ("merge_member", _("Can merge two records of a person and undo it"))
        ]
        indexes = [
            models.Index(fields=["controller", "-at", "-id"], name="crm_merge_recent")
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["gone"],
                condition=models.Q(undone_at__isnull=True),
                name="crm_merge_once",
            )
        ]

    def __str__(self) -> str:
        return f"#{self.gone_id} → #{self.kept_id}"


# One row as JSON: {column: value}.
Image = dict[str, Any]


class MergeStepQuerySet(models.QuerySet["MergeStep"]):
    def visible_to(self, staff: Staff) -> MergeStepQuerySet:
        return self.filter(merge__in=Merge.objects.visible_to(staff))


class MergeStep(models.Model):
    """What a merge did to rows of one table; crm.journal writes and undoes them.

    moved: `field` of the rows `ids` pointed at `origin` and points at `target` since.
    changed: {"key", "before", "after"} of each row; deleted: whole rows; made: keys.
    `rows` is JSON, encrypted, because it holds names and phones.
    """

    class Kind(models.TextChoices):
        MOVED = "moved", _("Went over")
        CHANGED = "changed", _("Put together")
        DELETED = "deleted", _("Known twice")
        MADE = "made", _("Made")

    id = models.BigAutoField(primary_key=True)
    merge = models.ForeignKey(
        Merge, on_delete=models.CASCADE, related_name="steps", verbose_name=_("merge")
    )
    number = models.PositiveIntegerField()
    table = models.CharField(_("table"), max_length=60)
    kind = models.CharField(_("kind"), max_length=8, choices=Kind.choices)
    row_count = models.PositiveIntegerField(_("rows"))
    field = models.CharField(max_length=40, blank=True)
    ids = ArrayField(models.BigIntegerField(), default=list)
    origin = models.BigIntegerField(null=True)
    target = models.BigIntegerField(null=True)
    rows = EncryptedTextField(blank=True)

    objects = MergeStepQuerySet.as_manager()

    class Meta:
        verbose_name = _("step of a merge")
        verbose_name_plural = _("steps of merges")
        ordering = ["number"]
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.merge_id}.{self.number} {self.kind} {self.table}"

    def images(self) -> list[Image]:
        return list(json.loads(self.rows or "[]"))


class MatchReviewQuerySet(models.QuerySet["MatchReview"]):
    def visible_to(self, staff: Staff) -> MatchReviewQuerySet:
        """A pair shows both sides, so only who may see both may see it."""
        scope = controller_scope(staff, controller="controller", unit="first__org_unit")
        other = controller_scope(
            staff, controller="controller", unit="second__org_unit"
        )
        if scope is None or other is None:
            return self.none()
        return self.filter(scope).filter(other)

    def open(self) -> MatchReviewQuerySet:
        return self.filter(state=MatchReview.State.OPEN)


class MatchReview(models.Model):
    """Two members who may be one person, with what speaks for and against it."""

    class State(models.TextChoices):
        OPEN = "open", _("To decide")
        MERGED = "merged", _("One person")
        APART = "apart", _("Two people")

    controller = models.ForeignKey(
        OrgUnit,
        on_delete=models.PROTECT,
        related_name="+",
        verbose_name=_("data controller"),
    )
    # The smaller id first, so that a pair stands once.
    first = models.ForeignKey(
        Member, on_delete=models.PROTECT, related_name="+", verbose_name=_("one side")
    )
    second = models.ForeignKey(
        Member, on_delete=models.PROTECT, related_name="+", verbose_name=_("other side")
    )
    # Codes, worded when shown: {"for": ["phone"], "against": ["unionid"]}.
    evidence = models.JSONField(_("evidence"), default=dict)
    state = models.CharField(
        _("state"), max_length=6, choices=State.choices, default=State.OPEN
    )
    raised_at = models.DateTimeField(_("raised at"), default=timezone.now)
    decided_at = models.DateTimeField(
        pgettext_lazy("a suggestion", "decided at"), null=True, blank=True
    )
    decided_by = models.ForeignKey(
        Staff,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("decided by"),
    )

    objects = MatchReviewQuerySet.as_manager()

    class Meta:
        verbose_name = _("possible duplicate")
        verbose_name_plural = _("possible duplicates")
        ordering = ["-raised_at", "-id"]
        default_permissions = ("view", "change")
        constraints = [
            models.UniqueConstraint(
                fields=["first", "second"], name="crm_matchreview_once"
            ),
            models.CheckConstraint(
                condition=models.Q(first__lt=models.F("second")),
                name="crm_matchreview_order",
            ),
        ]
        indexes = [
            models.Index(
                fields=["controller", "-raised_at"],
                condition=models.Q(state="open"),
                name="crm_matchreview_open",
            )
        ]

    def __str__(self) -> str:
        return f"{self.first_id}–{self.second_id}"
