"""Touches: one message to one audience, and one row per person it is meant for."""

from __future__ import annotations

from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from campaigns.models.plan import Campaign, Phase
from content.models import Version
from crm.models import Member, Topic
from staff.models import Approval, Staff
from staff.scope import controller_scope
from wechat.models import Account, OutboundBatch, OutboundMessage


class TouchQuerySet(models.QuerySet["Touch"]):
    def visible_to(self, staff: Staff) -> TouchQuerySet:
        scope = controller_scope(
            staff,
            controller="campaign__org_unit__controller",
            unit="campaign__org_unit",
        )
        return self.none() if scope is None else self.filter(scope)

    def sendable(self) -> TouchQuerySet:
        """Touches the sender works on now."""
        return self.filter(state=Touch.State.SENDING)


class Touch(models.Model):
    """One message of a campaign: what (version), to whom (audience), how and when.

    draft → in_review → approved → sending → done, with paused (by a person or the
    breaker), held (overdue, quiet hours; waits for a person or the window), stopped and
    cancelled. A trigger allows no other edge. Any change of what was approved takes it
    back to draft.

    `audience` is the rule of campaigns.audience: {"account": …} comes from `account`;
    {"tags_any": [ids], "tags_all": [ids], "tags_none": [ids], "stages": ["new", …],
    "seen_within_days": int | null, "not_seen_within_days": int | null}.
    """

    class Channel(models.TextChoices):
        MASS = "mass", _("Mass message (Service Account)")
        CUSTOM = "custom", _("Customer-service message")

    class State(models.TextChoices):
        DRAFT = "draft", _("Draft")
        IN_REVIEW = "in_review", _("In review")
        APPROVED = "approved", pgettext_lazy("a touch", "Approved")
        SENDING = "sending", _("Sending")
        PAUSED = "paused", _("Paused")
        HELD = "held", _("Held")
        DONE = "done", _("Done")
        STOPPED = "stopped", _("Stopped")
        CANCELLED = "cancelled", _("Cancelled")

    campaign = models.ForeignKey(
        Campaign,
        on_delete=models.PROTECT,
        related_name="touches",
        verbose_name=_("campaign"),
    )
    phase = models.ForeignKey(
        Phase,
        on_delete=models.PROTECT,
        related_name="touches",
        verbose_name=_("phase"),
    )
    name = models.CharField(_("name"), max_length=80)
    channel = models.CharField(_("channel"), max_length=8, choices=Channel.choices)
    account = models.ForeignKey(
        Account,
        on_delete=models.PROTECT,
        related_name="+",
        verbose_name=_("account"),
    )
    version = models.ForeignKey(
        Version,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="touches",
        verbose_name=_("content"),
    )
    # What it is about: members who want nothing of the topic are left out.
    topic = models.ForeignKey(
        Topic,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="touches",
        verbose_name=_("topic"),
    )
    audience = models.JSONField(_("audience"), default=dict, blank=True)
    scheduled_at = models.DateTimeField(_("scheduled at"), null=True, blank=True)
    # After it nothing more is begun; empty: 24 h after `scheduled_at`.
    valid_until = models.DateTimeField(_("valid until"), null=True, blank=True)
    # People a mass call; empty: the setting "mass_batch_size".
    batch_size = models.PositiveIntegerField(_("batch size"), null=True, blank=True)
    state = models.CharField(
        _("state"), max_length=9, choices=State.choices, default=State.DRAFT
    )
    # Why it is paused, held or stopped: a code of campaigns.reasons, and words.
    reason_code = models.CharField(_("reason code"), max_length=40, blank=True)
    reason = models.CharField(_("reason"), max_length=300, blank=True)
    # Grows with every change; a page writes only over the revision it has read.
    revision = models.PositiveIntegerField(default=1, editable=False)
    snapshot_at = models.DateTimeField(_("audience as of"), null=True, blank=True)
    # Recipients of the snapshot, excluded ones included; never changes afterwards.
    planned_count = models.PositiveIntegerField(_("planned"), default=0)
    # SHA-256 of who is in the snapshot and why not, as it was taken. Merges, purges and
    # the last check before sending change rows later, never add any.
    snapshot_digest = models.CharField(max_length=64, blank=True, editable=False)
    # Since then the rows of a void snapshot are being deleted: they count nowhere.
    clearing_since = models.DateTimeField(null=True, blank=True, editable=False)
    # What was approved: campaigns.approving.digest_of at the time of asking.
    digest = models.CharField(max_length=64, blank=True, editable=False)
    approval = models.ForeignKey(
        Approval,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("approval"),
    )
    started_at = models.DateTimeField(_("started at"), null=True, blank=True)
    finished_at = models.DateTimeField(_("finished at"), null=True, blank=True)
    started_by = models.ForeignKey(
        Staff,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("started by"),
    )
    # A held touch goes on by itself then; empty: a person decides.
    resumes_at = models.DateTimeField(_("goes on at"), null=True, blank=True)
    # Last time a worker looked after it while it was being sent.
    fed_at = models.DateTimeField(null=True, blank=True, editable=False)
    # The breaker looks at what happened since then.
    watched_from = models.DateTimeField(null=True, blank=True, editable=False)
    created_by = models.ForeignKey(
        Staff, on_delete=models.PROTECT, related_name="+", verbose_name=_("created by")
    )
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)

    objects = TouchQuerySet.as_manager()

    class Meta:
        verbose_name = _("touch")
        verbose_name_plural = _("touches")
        ordering = ["campaign", "scheduled_at", "id"]
        permissions = [
            ("approve_touch", _("Can approve a touch")),
            ("send_touch", _("Can start, pause, resume and stop a touch")),
        ]
        indexes = [
            models.Index(
                fields=["scheduled_at"],
                condition=models.Q(state="approved"),
                name="campaigns_touch_due",
            ),
            models.Index(
                fields=["state"],
                condition=models.Q(state__in=["sending", "paused", "held"]),
                name="campaigns_touch_running",
            ),
            models.Index(
                fields=["clearing_since"],
                condition=models.Q(clearing_since__isnull=False),
                name="campaigns_touch_clearing",
            ),
        ]
        constraints = [
            # Rows that are void stand beside no snapshot and no sending.
            models.CheckConstraint(
                condition=models.Q(clearing_since=None)
                | models.Q(state__in=["draft", "cancelled"], snapshot_at=None),
                name="campaigns_touch_void_rows_unsent",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def has_not_begun(self) -> bool:
        """Nobody was written to yet, and somebody still may be."""
        begins = (self.State.DRAFT, self.State.IN_REVIEW, self.State.APPROVED)
        is_held = self.state == self.State.HELD and self.started_at is None
        return self.state in begins or is_held

    @property
    def is_under_way(self) -> bool:
        """Begun and not at its end."""
        going = (self.State.SENDING, self.State.PAUSED, self.State.HELD)
        return self.state in going and not self.has_not_begun


class RecipientQuerySet(models.QuerySet["Recipient"]):
    def standing(self) -> RecipientQuerySet:
        """Without the rows of void snapshots, which are being deleted."""
        return self.filter(touch__clearing_since=None)

    def visible_to(self, staff: Staff) -> RecipientQuerySet:
        """Recipients of visible touches who are visible members themselves."""
        return self.standing().filter(
            touch__in=Touch.objects.visible_to(staff),
            member__in=Member.objects.visible_to(staff),
        )


class Recipient(models.Model):
    """The contact ledger: UNIQUE(touch, member) is the one right to send.

    waiting → sent | accepted | failed | unknown | excluded; unknown → sent | accepted |
    failed | waiting (a person's decision to send again). `reason` says why it was not
    sent (campaigns.reasons). Mass recipients end as `accepted`: the platform tells only
    counts, which stand on the batch.
    """

    class State(models.TextChoices):
        WAITING = "waiting", _("Waiting")
        SENT = "sent", _("Sent")
        ACCEPTED = "accepted", _("Accepted by the platform")
        FAILED = "failed", _("Failed")
        UNKNOWN = "unknown", _("Unknown")
        EXCLUDED = "excluded", _("Excluded")

    id = models.BigAutoField(primary_key=True)
    touch = models.ForeignKey(
        Touch,
        on_delete=models.PROTECT,
        related_name="recipients",
        verbose_name=_("touch"),
        db_index=False,
    )
    member = models.ForeignKey(
        Member,
        on_delete=models.PROTECT,
        related_name="touches",
        verbose_name=_("member"),
        db_index=False,
    )
    # The openid in the account of the touch; "" for excluded people without one.
    address = models.CharField(_("address"), max_length=64, blank=True)
    state = models.CharField(
        _("state"), max_length=8, choices=State.choices, default=State.WAITING
    )
    reason = models.CharField(_("reason"), max_length=24, blank=True)
    # When the platform took it (or may have): the frequency caps count from here.
    contacted_at = models.DateTimeField(_("contacted at"), null=True, blank=True)
    batch = models.ForeignKey(
        OutboundBatch,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("batch"),
        db_index=False,
    )
    message = models.ForeignKey(
        OutboundMessage,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("message"),
        db_index=False,
    )

    objects = RecipientQuerySet.as_manager()

    class Meta:
        verbose_name = _("recipient")
        verbose_name_plural = _("recipients")
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(
                fields=["touch", "member"], name="campaigns_recipient_once"
            ),
            models.UniqueConstraint(
                fields=["touch", "address"],
                condition=~models.Q(state="excluded") & ~models.Q(address=""),
                name="campaigns_recipient_address_once",
            ),
        ]
        indexes = [
            models.Index(
                fields=["touch", "state", "id"], name="campaigns_recipient_state"
            ),
            # Also of those who got nothing: a member's timeline says why.
            models.Index(
                fields=["member", "-contacted_at"], name="campaigns_recipient_member"
            ),
            # The caps of a whole audience read the last weeks of the ledger.
            BrinIndex(
                fields=["contacted_at"],
                autosummarize=True,
                name="campaigns_recipient_recent",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.touch_id}–{self.member_id}"


class OfTouchQuerySet(models.QuerySet["TouchTally"]):
    def standing(self) -> OfTouchQuerySet:
        """Without the tallies of void snapshots, whose rows are being deleted."""
        return self.filter(touch__clearing_since=None)

    def visible_to(self, staff: Staff) -> OfTouchQuerySet:
        return self.filter(touch__in=Touch.objects.visible_to(staff))


class TouchTally(models.Model):
    """How the counts of a touch changed: the sum of `delta` is the count, at any moment.

    Written by a statement trigger on Recipient, in the transaction of the change, and
    folded together from time to time; so no page counts recipients.
    """

    id = models.BigAutoField(primary_key=True)
    touch = models.ForeignKey(
        Touch, on_delete=models.CASCADE, related_name="tallies", verbose_name=_("touch")
    )
    state = models.CharField(_("state"), max_length=8, choices=Recipient.State.choices)
    reason = models.CharField(_("reason"), max_length=24, blank=True)
    delta = models.IntegerField(pgettext_lazy("of a count", "change"))

    objects = OfTouchQuerySet.as_manager()

    class Meta:
        verbose_name = _("tally of a touch")
        verbose_name_plural = _("tallies of touches")

    def __str__(self) -> str:
        return f"{self.touch_id} {self.state} {self.delta:+}"


class TesterQuerySet(models.QuerySet["Tester"]):
    def visible_to(self, staff: Staff) -> TesterQuerySet:
        """One's own: nobody sends tests to somebody else."""
        return self.filter(staff=staff)


class Tester(models.Model):
    """A colleague's own openid in an account, for test sends to oneself.

    Bound by writing `code` to the account before `code_until`; only its digest is kept.
    """

    staff = models.ForeignKey(
        Staff,
        on_delete=models.PROTECT,
        related_name="tester_bindings",
        verbose_name=pgettext_lazy("a tester", "colleague"),
    )
    account = models.ForeignKey(
        Account,
        on_delete=models.PROTECT,
        related_name="+",
        verbose_name=_("account"),
    )
    openid = models.CharField(_("address"), max_length=64, blank=True)
    code_digest = models.CharField(max_length=64, blank=True, editable=False)
    code_until = models.DateTimeField(null=True, blank=True, editable=False)
    bound_at = models.DateTimeField(_("bound at"), null=True, blank=True)

    objects = TesterQuerySet.as_manager()

    class Meta:
        verbose_name = _("tester")
        verbose_name_plural = _("testers")
        constraints = [
            models.UniqueConstraint(
                fields=["staff", "account"], name="campaigns_tester_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.staff} · {self.account}"

    @property
    def is_bound(self) -> bool:
        return bool(self.openid)
