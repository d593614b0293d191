"""Slots: which version goes out on which account, and when."""

from __future__ import annotations

from datetime import datetime

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from content.models.items import Item, Version
from staff.models import Staff
from wechat.models import Account


class SlotQuerySet(models.QuerySet["Slot"]):
    def visible_to(self, staff: Staff) -> SlotQuerySet:
        return self.filter(
            version__item__in=Item.objects.visible_to(staff),
            account__in=Account.objects.visible_to(staff),
        )

    def planned(self) -> SlotQuerySet:
        return self.filter(state=Slot.State.PLANNED)

    def published(self) -> SlotQuerySet:
        return self.filter(state=Slot.State.PUBLISHED)

    def between(self, start: datetime, end: datetime) -> SlotQuerySet:
        """From `start` on, before `end`."""
        return self.filter(publish_at__gte=start, publish_at__lt=end)


class Slot(models.Model):
    """A place in the calendar. planned → published | cancelled, and never back.

    A slot may be planned for a version nobody approved yet; it can't go out before.
    """

    class State(models.TextChoices):
        PLANNED = "planned", pgettext_lazy("content", "Planned")
        PUBLISHED = "published", _("Published")
        CANCELLED = "cancelled", _("Cancelled")

    version = models.ForeignKey(
        Version,
        on_delete=models.PROTECT,
        related_name="slots",
        verbose_name=_("content version"),
    )
    account = models.ForeignKey(
        Account,
        on_delete=models.PROTECT,
        related_name="content_slots",
        verbose_name=_("account"),
    )
    publish_at = models.DateTimeField(_("publish at"))
    state = models.CharField(
        _("state"), max_length=9, choices=State.choices, default=State.PLANNED
    )
    note = models.CharField(_("note"), max_length=200, blank=True)
    created_by = models.ForeignKey(
        Staff,
        on_delete=models.PROTECT,
        related_name="+",
        verbose_name=_("created by"),
    )
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)
    changed_at = models.DateTimeField(_("changed at"), default=timezone.now)
    ended_at = models.DateTimeField(_("published or cancelled at"), null=True)

    objects = SlotQuerySet.as_manager()

    class Meta:
        verbose_name = pgettext_lazy("content", "slot")
        verbose_name_plural = pgettext_lazy("content", "slots")
        ordering = ["publish_at", "id"]
        default_permissions = ()
        indexes = [
            models.Index(fields=["publish_at"], name="content_slot_publish_at"),
            models.Index(fields=["account", "publish_at"], name="content_slot_lane"),
        ]

    def __str__(self) -> str:
        return f"{self.version} → {self.account}"

    @property
    def is_planned(self) -> bool:
        return self.state == self.State.PLANNED

    def is_overdue(self, now: datetime) -> bool:
        """Its time has come and it neither went out nor was cancelled."""
        return self.is_planned and self.publish_at < now
