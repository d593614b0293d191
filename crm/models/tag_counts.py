"""How many members carry each tag: what pages show instead of counting millions."""

from __future__ import annotations

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from crm.models.shared import own_or_shared
from crm.models.tags import Tag
from staff.models import OrgUnit, Staff


class TagCountQuerySet(models.QuerySet["TagCount"]):
    def visible_to(self, staff: Staff) -> TagCountQuerySet:
        """Counts of one's own data controller; its members are nobody else's business."""
        scope = own_or_shared(staff)
        return self.none() if scope is None else self.filter(scope)


class TagCount(models.Model):
    """Members of a data controller who carry a tag, and when it was last given."""

    tag = models.ForeignKey(
        Tag, on_delete=models.CASCADE, related_name="counts", verbose_name=_("tag")
    )
    controller = models.ForeignKey(
        OrgUnit,
        on_delete=models.PROTECT,
        related_name="+",
        verbose_name=_("data controller"),
    )
    members = models.PositiveIntegerField(_("members"))
    last_set_at = models.DateTimeField(_("last given"))
    counted_at = models.DateTimeField(_("as of"), default=timezone.now)

    objects = TagCountQuerySet.as_manager()

    class Meta:
        verbose_name = _("count of a tag")
        verbose_name_plural = _("counts of tags")
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(
                fields=["tag", "controller"], name="crm_tagcount_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.tag_id}: {self.members}"
