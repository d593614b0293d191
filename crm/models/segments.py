"""Segments: groups of members named by a rule, or fixed as a list."""

from __future__ import annotations

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from crm.models.people import Member
from staff.models import OrgUnit, Staff
from staff.scope import controller_scope


class SegmentQuerySet(models.QuerySet["Segment"]):
    def visible_to(self, staff: Staff) -> SegmentQuerySet:
        scope = controller_scope(staff, controller="controller", unit="org_unit")
        return self.none() if scope is None else self.filter(scope)

    def in_use(self) -> SegmentQuerySet:
        return self.filter(archived_at__isnull=True)


class Segment(models.Model):
    """A named group of members of one data controller (人群).

    Dynamic: `rule` (crm.segments) is computed again and again into SegmentMember. Frozen:
    who was in when it was fixed. List: put together by hand. Members below `org_unit`
    only, when given. `version` counts the changes of the rule; SegmentVersion keeps each.
    """

    class Kind(models.TextChoices):
        DYNAMIC = "dynamic", _("Dynamic")
        FROZEN = "frozen", _("Frozen")
        LIST = "list", pgettext_lazy("kind of segment", "List")

    controller = models.ForeignKey(
        OrgUnit,
        on_delete=models.PROTECT,
        related_name="+",
        verbose_name=_("data controller"),
    )
    org_unit = models.ForeignKey(
        OrgUnit,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("unit"),
    )
    name = models.CharField(_("name"), max_length=60)
    description = models.CharField(_("description"), max_length=200, blank=True)
    kind = models.CharField(
        _("kind"), max_length=7, choices=Kind.choices, default=Kind.DYNAMIC
    )
    rule = models.JSONField(_("rule"), default=dict, blank=True)
    version = models.PositiveIntegerField(_("version"), default=1)
    owner = models.ForeignKey(
        Staff, on_delete=models.PROTECT, related_name="+", verbose_name=_("owner")
    )
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)
    changed_at = models.DateTimeField(_("changed at"), auto_now=True)
    archived_at = models.DateTimeField(_("archived at"), null=True, blank=True)
    # What the newest finished computation found; `computed_version` is its rule's.
    member_count = models.PositiveIntegerField(_("members"), null=True)
    computed_at = models.DateTimeField(_("as of"), null=True)
    computed_version = models.PositiveIntegerField(null=True)
    error = models.CharField(_("error"), max_length=300, blank=True)
    # From when on a worker computes it (anew); crm.segments.computing.
    due_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = SegmentQuerySet.as_manager()

    class Meta:
        verbose_name = _("segment")
        verbose_name_plural = _("segments")
        ordering = ["-changed_at", "-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["controller", "name"],
                condition=models.Q(archived_at__isnull=True),
                name="crm_segment_name",
                violation_error_message=_("There is a segment of this name already."),
            )
        ]

    def __str__(self) -> str:
        return self.name


class SegmentVersionQuerySet(models.QuerySet["SegmentVersion"]):
    def visible_to(self, staff: Staff) -> SegmentVersionQuerySet:
        return self.filter(segment__in=Segment.objects.visible_to(staff))


class SegmentVersion(models.Model):
    """A rule as it once stood; never changed."""

    segment = models.ForeignKey(
        Segment,
        on_delete=models.CASCADE,
        related_name="versions",
        verbose_name=_("segment"),
        db_index=False,
    )
    number = models.PositiveIntegerField(_("version"))
    rule = models.JSONField(_("rule"))
    made_by = models.ForeignKey(
        Staff, on_delete=models.PROTECT, related_name="+", verbose_name=_("by")
    )
    made_at = models.DateTimeField(_("at"), default=timezone.now)

    objects = SegmentVersionQuerySet.as_manager()

    class Meta:
        verbose_name = _("version of a segment")
        verbose_name_plural = _("versions of segments")
        ordering = ["-number"]
        default_permissions = ("view",)
        constraints = [
            models.UniqueConstraint(
                fields=["segment", "number"], name="crm_segmentversion_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.segment_id} v{self.number}"


class SegmentMemberQuerySet(models.QuerySet["SegmentMember"]):
    def visible_to(self, staff: Staff) -> SegmentMemberQuerySet:
        return self.filter(member__in=Member.objects.visible_to(staff))


class SegmentMember(models.Model):
    """Who is in a segment, as of its `computed_at`: two numbers a row, many millions."""

    pk = models.CompositePrimaryKey("segment", "member")
    segment = models.ForeignKey(
        Segment,
        on_delete=models.CASCADE,
        related_name="segment_members",
        verbose_name=_("segment"),
        db_index=False,
        # Looked up once a row otherwise; segments are archived, never deleted.
        db_constraint=False,
    )
    member = models.ForeignKey(
        Member,
        on_delete=models.PROTECT,
        related_name="+",
        verbose_name=_("member"),
        db_constraint=False,
    )

    objects = SegmentMemberQuerySet.as_manager()

    class Meta:
        verbose_name = _("member of a segment")
        verbose_name_plural = _("members of segments")
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.segment_id}–{self.member_id}"
