"""What the platforms pushed to us."""

from __future__ import annotations

from datetime import datetime

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from core.encryption import EncryptedBytesField
from staff.models import Staff
from wechat.models.accounts import Account, App


class InboundEventQuerySet(models.QuerySet["InboundEvent"]):
    def visible_to(self, staff: Staff) -> InboundEventQuerySet:
        apps = App.objects.filter(account__in=Account.objects.visible_to(staff))
        return self.filter(app__in=apps)

    def due(self, now: datetime | None = None) -> InboundEventQuerySet:
        return self.filter(
            state=InboundEvent.State.NEW, next_at__lte=now or timezone.now()
        )


class InboundEvent(models.Model):
    """One callback, stored before anything else happens to it.

    `kind`: "mp.message.text", "mp.event.subscribe",
    "wecom.event.change_external_contact.add_external_contact", "kf.message.text",
    "kf.event.enter_session", "json", …: lower case, platform first. `subject` is the
    openid or external_userid it is about: events of one subject run one after another.
    """

    class State(models.TextChoices):
        NEW = "new", _("New")
        PROCESSING = "processing", _("Processing")
        DONE = "done", _("Done")
        IGNORED = "ignored", _("Ignored")
        DEAD = "dead", _("Dead")

    app = models.ForeignKey(
        App,
        on_delete=models.PROTECT,
        related_name="inbound_events",
        verbose_name=_("app"),
    )
    dedupe_key = models.CharField(_("dedupe key"), max_length=400)
    kind = models.CharField(_("kind"), max_length=120)
    subject = models.CharField(_("subject"), max_length=64, blank=True)
    body = EncryptedBytesField(_("body"))
    received_at = models.DateTimeField(_("received at"), default=timezone.now)
    state = models.CharField(
        _("state"), max_length=10, choices=State.choices, default=State.NEW
    )
    tries = models.PositiveSmallIntegerField(_("tries"), default=0)
    next_at = models.DateTimeField(_("next try at"), default=timezone.now)
    owner = models.CharField(max_length=64, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    handled_at = models.DateTimeField(_("handled at"), null=True, blank=True)
    error = models.TextField(_("error"), blank=True)
    hint = models.CharField(_("hint"), max_length=60, blank=True)

    objects = InboundEventQuerySet.as_manager()

    class Meta:
        verbose_name = _("inbound event")
        verbose_name_plural = _("inbox")
        ordering = ["-id"]
        permissions = [("replay_inboundevent", _("Can replay an inbound event"))]
        constraints = [
            models.UniqueConstraint(
                fields=["app", "dedupe_key"], name="wechat_inbound_once"
            )
        ]
        indexes = [
            models.Index(
                fields=["next_at", "id"],
                condition=models.Q(state__in=["new", "processing"]),
                name="wechat_inbound_due",
            ),
            models.Index(fields=["state", "-id"], name="wechat_inbound_state"),
            models.Index(
                fields=["app", "subject", "id"], name="wechat_inbound_subject"
            ),
            models.Index(fields=["received_at"], name="wechat_inbound_received"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} #{self.pk}"
