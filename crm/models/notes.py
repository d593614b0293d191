"""What colleagues write down about a member, for each other."""

from __future__ import annotations

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from crm.models.people import Member
from staff.models import Staff


class NoteQuerySet(models.QuerySet["Note"]):
    def visible_to(self, staff: Staff) -> NoteQuerySet:
        return self.filter(member__in=Member.objects.visible_to(staff))


class Note(models.Model):
    """A remark with a date; its writer may change it or take it away (crm.notes)."""

    member = models.ForeignKey(
        Member,
        on_delete=models.PROTECT,
        related_name="notes",
        verbose_name=_("member"),
        db_index=False,
    )
    staff = models.ForeignKey(
        Staff, on_delete=models.PROTECT, related_name="+", verbose_name=_("by")
    )
    text = models.CharField(pgettext_lazy("about a member", "note"), max_length=500)
    at = models.DateTimeField(_("at"), default=timezone.now)
    changed_at = models.DateTimeField(_("changed at"), null=True, blank=True)
    # Grows with every change; a page writes only over what it has read.
    revision = models.PositiveIntegerField(default=1, editable=False)

    objects = NoteQuerySet.as_manager()

    class Meta:
        verbose_name = pgettext_lazy("about a member", "note")
        verbose_name_plural = pgettext_lazy("about a member", "notes")
        ordering = ["-at", "-id"]
        default_permissions = ("view", "add")
        indexes = [models.Index(fields=["member", "-at"], name="crm_note_of")]

    def __str__(self) -> str:
        return self.text[:40]
