"""What we mean to say, and the evidence of saying it."""

from __future__ import annotations

import uuid
from datetime import datetime

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from staff.models import Staff
from wechat.models.accounts import Account, App
from wechat.models.mass import OutboundRun
from wechat.models.scoping import OfMessageQuerySet
from wechat.reasons import Text, explain


class OutboundMessageQuerySet(models.QuerySet["OutboundMessage"]):
    def visible_to(self, staff: Staff) -> OutboundMessageQuerySet:
        apps = App.objects.filter(account__in=Account.objects.visible_to(staff))
        return self.filter(app__in=apps)

    def due(self, now: datetime | None = None) -> OutboundMessageQuerySet:
        return self.filter(
            state=OutboundMessage.State.PLANNED, next_at__lte=now or timezone.now()
        )


class OutboundMessage(models.Model):
    """One thing to say to one person: the unique `dedupe_key` is the right to send it.

    planned → claimed → sending → sent | failed | planned (certainly not sent) | unknown;
    unknown → sent | failed | planned (an operator's decision). A trigger allows no other
    edge. `purpose` + `reference` tell the writer whose outcome handler to call
    ("service.reply" + Message id). `payload` by `kind`: text `{"text": …}`, image
    `{"media": <wechat.Media id>}`, welcome `{"welcome_code": …, "text": …}`.
    """

    class State(models.TextChoices):
        PLANNED = "planned", _("Waiting")
        CLAIMED = "claimed", _("Claimed")
        SENDING = "sending", _("Sending")
        SENT = "sent", _("Sent")
        FAILED = "failed", _("Failed")
        UNKNOWN = "unknown", _("Unknown")

    class Channel(models.TextChoices):
        MP_CUSTOM = "mp_custom", _("Customer-service message")
        WECOM_WELCOME = "wecom_welcome", _("WeCom welcome message")

    class Kind(models.TextChoices):
        TEXT = "text", _("Text")
        IMAGE = "image", _("Picture")

    class Lane(models.TextChoices):
        REALTIME = "realtime", _("At once")
        BULK = "bulk", _("Bulk")

    app = models.ForeignKey(
        App,
        on_delete=models.PROTECT,
        related_name="outbound_messages",
        verbose_name=_("app"),
    )
    channel = models.CharField(
        pgettext_lazy("of sending", "channel"), max_length=16, choices=Channel.choices
    )
    kind = models.CharField(
        _("kind"), max_length=8, choices=Kind.choices, default=Kind.TEXT
    )
    recipient = models.CharField(_("recipient"), max_length=64)
    payload = models.JSONField(_("payload"), default=dict)
    dedupe_key = models.CharField(_("dedupe key"), max_length=120, unique=True)
    purpose = models.CharField(_("purpose"), max_length=40)
    reference = models.CharField(_("reference"), max_length=40, blank=True)
    lane = models.CharField(
        max_length=8,
        choices=Lane.choices,
        default=Lane.REALTIME,
        verbose_name=_("lane"),
    )
    # One of many sends of one decision; it goes only while the run is running.
    run = models.ForeignKey(
        OutboundRun,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="messages",
        verbose_name=_("run"),
        db_index=False,
    )
    state = models.CharField(
        _("state"), max_length=8, choices=State.choices, default=State.PLANNED
    )
    owner = models.CharField(max_length=64, blank=True)
    generation = models.PositiveIntegerField(default=0)
    lease_until = models.DateTimeField(null=True, blank=True)
    attempt = models.UUIDField(null=True, blank=True)
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    next_at = models.DateTimeField(_("next try at"), default=timezone.now)
    # After this moment sending makes no sense (a welcome lives 20 s).
    expires_at = models.DateTimeField(_("expires at"), null=True, blank=True)
    # The reply window the message took its place in, and which opening of it.
    window = models.CharField(max_length=8, blank=True)
    window_opened_at = models.DateTimeField(null=True, blank=True)
    quota_period = models.CharField(max_length=20, blank=True)
    remote_id = models.CharField(_("platform id"), max_length=64, blank=True)
    reason_code = models.CharField(_("reason code"), max_length=40, blank=True)
    reason = models.CharField(_("reason"), max_length=300, blank=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        related_name="+",
        verbose_name=_("created by"),
    )
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)
    finished_at = models.DateTimeField(_("finished at"), null=True, blank=True)

    objects = OutboundMessageQuerySet.as_manager()

    class Meta:
        verbose_name = _("outbound message")
        verbose_name_plural = _("outbox")
        ordering = ["-id"]
        permissions = [
            ("resolve_outboundmessage", _("Can resolve an unknown outbound message")),
        ]
        indexes = [
            models.Index(
                fields=["lane", "next_at", "id"],
                condition=models.Q(state="planned"),
                name="wechat_outbound_due",
            ),
            models.Index(
                fields=["lease_until"],
                condition=models.Q(state__in=["claimed", "sending"]),
                name="wechat_outbound_leased",
            ),
            models.Index(
                fields=["run", "id"],
                condition=models.Q(state__in=["planned", "claimed", "sending"]),
                name="wechat_outbound_run",
            ),
            models.Index(fields=["state", "-id"], name="wechat_outbound_state"),
            models.Index(
                fields=["app", "recipient", "-id"], name="wechat_outbound_recipient"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} · {self.get_channel_display()} #{self.pk}"

    @property
    def standing_code(self) -> str:
        """`reason_code`, or of one that waits what holds its app; needs `app.account`."""
        if self.state != self.State.PLANNED:
            return self.reason_code
        return self.app.stands_because() or self.reason_code

    @property
    def reason_text(self) -> str:
        """Why it stands where it stands, in the reader's language; "" without a reason.

        A veto's own words are stored as they were said.
        """
        return str(self._explained[0]) or self.reason

    @property
    def advice_text(self) -> str:
        """What can be done about it, "" when nothing."""
        return str(self._explained[1])

    @property
    def _explained(self) -> tuple[Text, Text]:
        is_wecom = self.channel == self.Channel.WECOM_WELCOME
        return explain(self.standing_code, is_wecom=is_wecom)


class Attempt(models.Model):
    """Evidence of one call, written before it and again after it; append-only."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    message = models.ForeignKey(
        OutboundMessage,
        on_delete=models.PROTECT,
        related_name="evidence",
        verbose_name=_("message"),
    )
    attempt = models.UUIDField(_("attempt"))
    phase = models.CharField(_("phase"), max_length=16)
    at = models.DateTimeField(_("at"), default=timezone.now)
    owner = models.CharField(
        pgettext_lazy("a process", "owner"), max_length=64, blank=True
    )
    http_status = models.PositiveSmallIntegerField(null=True, blank=True)
    errcode = models.IntegerField(_("error code"), null=True, blank=True)
    evidence = models.JSONField(_("evidence"), default=dict, blank=True)

    objects = OfMessageQuerySet.as_manager()

    class Meta:
        verbose_name = _("attempt")
        verbose_name_plural = _("attempts")
        ordering = ["at"]
        constraints = [
            models.UniqueConstraint(
                fields=["attempt", "phase"], name="wechat_attempt_phase"
            )
        ]

    def __str__(self) -> str:
        return f"{self.phase} {self.at:%F %T}"
