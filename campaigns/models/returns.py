"""What came back: clicks, answers, and the recap."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from campaigns.models.plan import Campaign, OfCampaignQuerySet
from campaigns.models.touches import Recipient, Touch
from crm.models import Member
from staff.models import Staff


class OfTouchRowsQuerySet(models.QuerySet[Any]):
    """Rows with a key `touch`."""

    def visible_to(self, staff: Staff) -> OfTouchRowsQuerySet:
        return self.filter(touch__in=Touch.objects.visible_to(staff))


class TrackedLink(models.Model):
    """One address in the content of a touch, reached through our own domain.

    The public address carries this row's id (and the recipient's where the grain is the
    person) and a signature; the target is only ever read from here.
    """

    touch = models.ForeignKey(
        Touch, on_delete=models.PROTECT, related_name="links", verbose_name=_("touch")
    )
    number = models.PositiveSmallIntegerField(_("number"))
    url = models.URLField(pgettext_lazy("a link", "target"), max_length=1000)
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)

    objects = OfTouchRowsQuerySet.as_manager()

    class Meta:
        verbose_name = _("tracked link")
        verbose_name_plural = _("tracked links")
        ordering = ["touch", "number"]
        constraints = [
            models.UniqueConstraint(
                fields=["touch", "number"], name="campaigns_link_number"
            )
        ]

    def __str__(self) -> str:
        return self.url


class LinkClickQuerySet(models.QuerySet["LinkClick"]):
    def visible_to(self, staff: Staff) -> LinkClickQuerySet:
        return self.filter(link__touch__in=Touch.objects.visible_to(staff))


class LinkClick(models.Model):
    """One opening of a tracked link; `recipient` only where we know who it was."""

    id = models.BigAutoField(primary_key=True)
    link = models.ForeignKey(
        TrackedLink,
        on_delete=models.PROTECT,
        related_name="clicks",
        verbose_name=_("link"),
    )
    recipient = models.ForeignKey(
        Recipient,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="clicks",
        verbose_name=_("recipient"),
    )
    at = models.DateTimeField(_("at"))

    objects = LinkClickQuerySet.as_manager()

    class Meta:
        verbose_name = _("link click")
        verbose_name_plural = _("link clicks")
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.link_id} {self.at:%F %T}"


class Response(models.Model):
    """Something a member did within 48 h of a touch, credited to the last one."""

    class Kind(models.TextChoices):
        REPLY = "reply", _("Reply")
        CONVERSATION = "conversation", _("Conversation")
        OPT_OUT = "opt_out", _("Opt-out")
        UNFOLLOW = "unfollow", _("Unfollow")

    id = models.BigAutoField(primary_key=True)
    touch = models.ForeignKey(
        Touch,
        on_delete=models.PROTECT,
        related_name="responses",
        verbose_name=_("touch"),
    )
    recipient = models.ForeignKey(
        Recipient,
        on_delete=models.PROTECT,
        related_name="responses",
        verbose_name=_("recipient"),
    )
    member = models.ForeignKey(
        Member,
        on_delete=models.PROTECT,
        related_name="+",
        verbose_name=_("member"),
    )
    kind = models.CharField(_("kind"), max_length=12, choices=Kind.choices)
    # The key of the timeline line it comes from: counted once.
    source = models.CharField(max_length=220, unique=True)
    at = models.DateTimeField(_("at"))

    objects = OfTouchRowsQuerySet.as_manager()

    class Meta:
        verbose_name = _("response")
        verbose_name_plural = _("responses")
        ordering = ["-at", "-id"]
        indexes = [
            models.Index(
                fields=["touch", "kind", "-at"], name="campaigns_response_kind"
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.at:%F %T}"


class Recap(models.Model):
    """A version of what came of a campaign: figures as of a time, words by people.

    `figures` is written by reports (its shape is documented there). Once `locked_at` is
    set the figures never change; learnings stay editable.
    """

    campaign = models.ForeignKey(
        Campaign,
        on_delete=models.PROTECT,
        related_name="recaps",
        verbose_name=_("campaign"),
    )
    number = models.PositiveSmallIntegerField(_("version"))
    figures = models.JSONField(_("figures"), default=dict)
    as_of = models.DateTimeField(_("as of"))
    learnings = models.TextField(_("learnings"), blank=True)
    locked_at = models.DateTimeField(_("locked at"), null=True, blank=True)
    locked_by = models.ForeignKey(
        Staff,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("locked by"),
    )

    objects = OfCampaignQuerySet.as_manager()

    class Meta:
        verbose_name = _("recap")
        verbose_name_plural = _("recaps")
        ordering = ["campaign", "-number"]
        constraints = [
            models.UniqueConstraint(
                fields=["campaign", "number"], name="campaigns_recap_number"
            )
        ]

    def __str__(self) -> str:
        return f"{self.campaign} v{self.number}"


class TimelineReader(models.Model):
    """How far somebody who reads the whole timeline came (campaigns.reading)."""

    name = models.CharField(max_length=60, unique=True)
    # Every line up to this id is read, and no other of them can appear any more.
    position = models.BigIntegerField(default=0)
    # Lines recorded before this were read, at least once.
    read_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = _("reader of the timeline")
        verbose_name_plural = _("readers of the timeline")
        default_permissions = ()

    def __str__(self) -> str:
        return self.name
