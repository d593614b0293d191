"""Many sends of one decision, the mass calls among them, and what came of those."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from staff.models import Staff
from wechat.models.accounts import App
from wechat.models.scoping import OfAppQuerySet
from wechat.reasons import explain


class OutboundRun(models.Model):
    """Many sends of one decision: paused and stopped together.

    `purpose` + `reference` say whose it is ("campaigns.touch" + Touch id). The state is
    read in the transaction of every intent to send, so a sender makes one call more at
    most after it changed.
    """

    class State(models.TextChoices):
        RUNNING = "running", _("Running")
        PAUSED = "paused", _("Paused")
        STOPPED = "stopped", _("Stopped")

    app = models.ForeignKey(
        App, on_delete=models.PROTECT, related_name="runs", verbose_name=_("app")
    )
    purpose = models.CharField(_("purpose"), max_length=40)
    reference = models.CharField(_("reference"), max_length=40)
    state = models.CharField(
        _("state"), max_length=8, choices=State.choices, default=State.RUNNING
    )
    # The platform's draft of the articles that all mass calls of the run send.
    draft_id = models.CharField(max_length=128, blank=True)
    draft_digest = models.CharField(max_length=64, blank=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        related_name="+",
        verbose_name=_("created by"),
    )
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)

    objects = OfAppQuerySet.as_manager()

    class Meta:
        verbose_name = _("run of sends")
        verbose_name_plural = _("runs of sends")
        constraints = [
            models.UniqueConstraint(
                fields=["purpose", "reference"], name="wechat_run_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.purpose} #{self.reference}"


class OutboundBatchQuerySet(models.QuerySet["OutboundBatch"]):
    def visible_to(self, staff: Staff) -> OutboundBatchQuerySet:
        return self.filter(app__in=App.objects.visible_to(staff))

    def unfinished(self) -> OutboundBatchQuerySet:
        """Batches somebody still has to do something for."""
        states = OutboundBatch.State
        return self.filter(state__in=[states.PLANNED, states.CLAIMED, states.SENDING])


class OutboundBatch(models.Model):
    """One mass call: counts stand here and are never spread over people.

    planned → claimed → sending → sent (the platform accepted it) | failed | planned
    (certainly not sent) | unknown; sent → failed (the platform dropped it afterwards);
    unknown → sent | failed. A trigger allows no other edge, and no change of what is
    being sent once a call was made. "sending" lasts until the answer is certain: the
    identical request, with its `clientmsgid`, is made again until then.

    `payload` by `kind`: text `{"text": …}`, image `{"media": <wechat.Media id>}`, mpnews
    `{"article": {"title", "author", "digest", "content_html", "content_source_url",
    "cover_media": <wechat.Media id>}}`. `request` is the body of the first call without the people.
    """

    class State(models.TextChoices):
        PLANNED = "planned", _("Waiting")
        CLAIMED = "claimed", _("Claimed")
        SENDING = "sending", _("Sending")
        SENT = "sent", _("Accepted by the platform")
        FAILED = "failed", _("Failed")
        UNKNOWN = "unknown", _("Unknown")

    class Kind(models.TextChoices):
        TEXT = "text", _("Text")
        IMAGE = "image", _("Picture")
        MPNEWS = "mpnews", _("Articles")

    app = models.ForeignKey(
        App, on_delete=models.PROTECT, related_name="batches", verbose_name=_("app")
    )
    run = models.ForeignKey(
        OutboundRun,
        on_delete=models.PROTECT,
        related_name="batches",
        verbose_name=_("run"),
    )
    number = models.PositiveIntegerField(pgettext_lazy("in a row", "number"))
    # What the writer finds its own rows by.
    reference = models.CharField(_("reference"), max_length=60, blank=True)
    kind = models.CharField(
        _("kind"), max_length=8, choices=Kind.choices, default=Kind.TEXT
    )
    payload = models.JSONField(_("payload"), default=dict)
    request = models.JSONField(default=dict, blank=True)
    openids = ArrayField(models.CharField(max_length=64), default=list)
    openids_sha256 = models.CharField(_("digest of the people"), max_length=64)
    size = models.PositiveIntegerField(_("people"))
    clientmsgid = models.CharField(_("key of the call"), max_length=64, unique=True)
    state = models.CharField(
        _("state"), max_length=8, choices=State.choices, default=State.PLANNED
    )
    owner = models.CharField(max_length=64, blank=True)
    generation = models.PositiveIntegerField(default=0)
    lease_until = models.DateTimeField(null=True, blank=True)
    attempt = models.UUIDField(null=True, blank=True)
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    next_at = models.DateTimeField(_("next try at"), default=timezone.now)
    # After it nothing is begun; a call that was made is still brought to its end.
    expires_at = models.DateTimeField(_("expires at"), null=True, blank=True)
    # On the platform's clock: its memory of `clientmsgid` lasts 24 h from here.
    first_called_at = models.DateTimeField(_("first called at"), null=True, blank=True)
    remote_id = models.CharField(_("platform id"), max_length=64, blank=True)
    # When the message id became known, and how often the platform was asked about it.
    accepted_at = models.DateTimeField(_("accepted at"), null=True, blank=True)
    polls = models.PositiveSmallIntegerField(default=0)
    platform_status = models.CharField(
        _("platform's status"), max_length=40, blank=True
    )
    total_count = models.PositiveIntegerField(_("total"), null=True, blank=True)
    filter_count = models.PositiveIntegerField(
        _("after the platform's filters"), null=True, blank=True
    )
    sent_count = models.PositiveIntegerField(_("delivered"), null=True, blank=True)
    error_count = models.PositiveIntegerField(_("not delivered"), null=True, blank=True)
    reason_code = models.CharField(_("reason code"), max_length=40, blank=True)
    reason = models.CharField(_("reason"), max_length=300, blank=True)
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)
    # When the platform told the end of it, or nothing more is expected.
    finished_at = models.DateTimeField(_("finished at"), null=True, blank=True)

    objects = OutboundBatchQuerySet.as_manager()

    class Meta:
        verbose_name = _("mass-send batch")
        verbose_name_plural = _("mass-send batches")
        ordering = ["-id"]
        permissions = [
            ("resolve_outboundbatch", _("Can resolve an unknown mass-send batch")),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["run", "number"], name="wechat_batch_number"
            ),
        ]
        indexes = [
            models.Index(
                fields=["next_at", "id"],
                condition=models.Q(state__in=["planned", "claimed", "sending"]),
                name="wechat_batch_due",
            ),
            models.Index(
                fields=["next_at"],
                condition=models.Q(state="sent", finished_at__isnull=True),
                name="wechat_batch_unfinished",
            ),
            models.Index(fields=["app", "remote_id"], name="wechat_batch_remote"),
            models.Index(fields=["state", "-id"], name="wechat_batch_state"),
        ]

    def __str__(self) -> str:
        return f"{self.run} / {self.number}"

    @property
    def reason_text(self) -> str:
        """Why it stands where it stands, in the reader's language."""
        known, _advice = explain(self.reason_code, is_wecom=False)
        return str(known) or self.reason

    @property
    def advice_text(self) -> str:
        _known, advice = explain(self.reason_code, is_wecom=False)
        return str(advice)


class OfBatchQuerySet(models.QuerySet["BatchAttempt"]):
    def visible_to(self, staff: Staff) -> OfBatchQuerySet:
        return self.filter(batch__in=OutboundBatch.objects.visible_to(staff))


class BatchAttempt(models.Model):
    """Evidence of one mass call, written before it and again after it; append-only."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    batch = models.ForeignKey(
        OutboundBatch,
        on_delete=models.PROTECT,
        related_name="evidence",
        verbose_name=_("batch"),
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

    objects = OfBatchQuerySet.as_manager()

    class Meta:
        verbose_name = _("attempt of a batch")
        verbose_name_plural = _("attempts of batches")
        ordering = ["at"]

    def __str__(self) -> str:
        return f"{self.phase} {self.at:%F %T}"


class MassOutcome(models.Model):
    """What MASSSENDJOBFINISH told; it may come before the answer of the call."""

    app = models.ForeignKey(
        App, on_delete=models.PROTECT, related_name="+", verbose_name=_("app")
    )
    msg_id = models.CharField(_("platform id"), max_length=64)
    status = models.CharField(_("platform's status"), max_length=40)
    total_count = models.PositiveIntegerField(_("total"), default=0)
    filter_count = models.PositiveIntegerField(
        _("after the platform's filters"), default=0
    )
    sent_count = models.PositiveIntegerField(_("delivered"), default=0)
    error_count = models.PositiveIntegerField(_("not delivered"), default=0)
    at = models.DateTimeField(_("at"))

    objects = OfAppQuerySet.as_manager()

    class Meta:
        verbose_name = _("result of a mass send")
        verbose_name_plural = _("results of mass sends")
        constraints = [
            models.UniqueConstraint(
                fields=["app", "msg_id"], name="wechat_mass_outcome_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.msg_id} {self.status}"
