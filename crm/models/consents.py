"""What members agreed to, what they want to hear of, and what they complained about.

The ledger (ConsentEntry) is the truth and only grows; Preference and three columns of
Member hold what stands now, so that audiences of a million are judged set-wise.
"""

from __future__ import annotations

from datetime import UTC, datetime

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from crm.models.people import Member
from crm.models.shared import Shared, SharedQuerySet
from staff.models import Staff
from staff.scope import controller_scope
from wechat.models import Account


class Channel(models.TextChoices):
    """Ways to write to somebody that can be refused one by one."""

    MASS = "mass", _("Mass messages of the official account")
    CUSTOM = "custom", _("Chat messages of the official account")
    WECOM = "wecom", _("WeCom messages of a colleague")
    SMS = "sms", _("Text messages to the phone")
    PHONE = "phone", _("Phone calls")


class Purpose(models.TextChoices):
    """What a consent is about."""

    MARKETING = "marketing", _("marketing messages")
    PROFILE = "profile", _("profile data")
    TOPIC = "topic", _("messages on a topic")
    FREQUENCY = "frequency", _("how often")
    QUIET = "quiet_hours", _("hours of rest")
    PERSONALISATION = "personalisation", _("personalised choice")


CHANNELS = dict(Channel.choices)
PURPOSES = dict(Purpose.choices)
SOURCES = {
    "message": _("by message"),
    "platform": _("told by the platform"),
    "staff": _("entered by a colleague"),
    "preferences": _("chosen on the preference page"),
    "import": _("imported"),
}


class ConsentTextQuerySet(SharedQuerySet["ConsentText"]):
    pass


class ConsentText(Shared):
    """The words somebody agrees to, one version; never changed, a trigger sees to it.

    Without a controller it is shared; a data controller's own text comes before it.
    """

    purpose = models.CharField(_("purpose"), max_length=30, choices=Purpose.choices)
    version = models.PositiveIntegerField(_("version"), editable=False)
    body = models.TextField(_("text"), max_length=2000)
    effective_from = models.DateTimeField(_("effective from"), default=timezone.now)
    made_by = models.ForeignKey(
        Staff,
        on_delete=models.PROTECT,
        editable=False,
        related_name="+",
        verbose_name=_("by"),
    )
    made_at = models.DateTimeField(_("made at"), default=timezone.now, editable=False)

    objects = ConsentTextQuerySet.as_manager()

    class Meta:
        verbose_name = _("consent text")
        verbose_name_plural = _("consent texts")
        ordering = ["purpose", "-version"]
        default_permissions = ("view", "add")
        constraints = [
            models.UniqueConstraint(
                fields=["controller", "purpose", "version"],
                name="crm_consenttext_once",
                nulls_distinct=False,
            )
        ]

    def __str__(self) -> str:
        return f"{self.get_purpose_display()} v{self.version}"


class TopicQuerySet(SharedQuerySet["Topic"]):
    def in_use(self) -> TopicQuerySet:
        return self.filter(archived_at__isnull=True)


class Topic(Shared):
    """Something members may want to hear of or not (002.03); touches name one."""

    name = models.CharField(_("name"), max_length=40)
    description = models.CharField(
        _("description"),
        max_length=100,
        blank=True,
        help_text=_("One line for members, on the preference page."),
    )
    place = models.PositiveSmallIntegerField(_("place in the list"), default=100)
    archived_at = models.DateTimeField(_("archived at"), null=True, blank=True)

    objects = TopicQuerySet.as_manager()

    class Meta:
        verbose_name = _("topic")
        verbose_name_plural = _("topics")
        ordering = ["place", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["controller", "name"],
                name="crm_topic_name",
                nulls_distinct=False,
                violation_error_message=_("There is a topic of this name already."),
            )
        ]

    def __str__(self) -> str:
        return self.name


class ConsentEntryQuerySet(models.QuerySet["ConsentEntry"]):
    def visible_to(self, staff: Staff) -> ConsentEntryQuerySet:
        return self.filter(member__in=Member.objects.visible_to(staff))


class ConsentEntry(models.Model):
    """The ledger of yes and no; the newest entry of a purpose, channel and topic holds.

    A trigger lets it grow only: a merge moves `member`, a purge empties `evidence`.
    """

    class Action(models.TextChoices):
        GRANTED = "granted", _("Granted")
        WITHDRAWN = "withdrawn", _("Withdrawn")
        LIMITED = "limited", _("Limited")

    member = models.ForeignKey(
        Member,
        on_delete=models.PROTECT,
        related_name="consent_entries",
        verbose_name=_("member"),
    )
    purpose = models.CharField(
        _("purpose"), max_length=30, choices=Purpose.choices, default=Purpose.MARKETING
    )
    # "": every channel. What a member says of one channel changes the others in nothing.
    channel = models.CharField(
        _("channel"),
        max_length=8,
        choices=Channel.choices,
        blank=True,
        default="",
        db_default="",
    )
    topic = models.ForeignKey(
        Topic,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("topic"),
        db_index=False,
    )
    # With Action.LIMITED of the purpose "frequency".
    max_per_week = models.PositiveSmallIntegerField(
        _("messages a week, at most"), null=True, blank=True
    )
    # With Action.LIMITED of the purpose "quiet_hours".
    quiet_from = models.TimeField(_("do not disturb from"), null=True, blank=True)
    quiet_until = models.TimeField(_("do not disturb until"), null=True, blank=True)
    account = models.ForeignKey(
        Account,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("account"),
    )
    action = models.CharField(_("action"), max_length=10, choices=Action.choices)
    # What they had before their eyes.
    text = models.ForeignKey(
        ConsentText,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="entries",
        verbose_name=_("text"),
        db_index=False,
    )
    source = models.CharField(_("source"), max_length=40)
    evidence = models.CharField(_("evidence"), max_length=200, blank=True)
    key = models.CharField(max_length=200, unique=True)
    at = models.DateTimeField(_("at"))

    objects = ConsentEntryQuerySet.as_manager()

    class Meta:
        verbose_name = _("consent entry")
        verbose_name_plural = _("consent entries")
        ordering = ["-at", "-id"]
        indexes = [
            models.Index(
                fields=["text", "-id"],
                condition=models.Q(text__isnull=False),
                name="crm_consententry_text",
            ),
            # What the list of the ledger is narrowed by.
            models.Index(
                fields=["-id"],
                condition=~models.Q(action="granted"),
                name="crm_consententry_no",
            ),
            models.Index(
                fields=["-id"],
                condition=~models.Q(purpose="marketing"),
                name="crm_consententry_other",
            ),
            models.Index(
                fields=["channel", "-id"],
                condition=~models.Q(channel=""),
                name="crm_consententry_channel",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.purpose}"

    @property
    def purpose_words(self) -> str:
        return str(PURPOSES.get(self.purpose, self.purpose))

    @property
    def source_words(self) -> str:
        return str(SOURCES.get(self.source, self.source))

    @property
    def what_words(self) -> str:
        """Purpose with the channel, topic or number it is about."""
        more: list[object] = []
        if self.channel:
            more.append(self.get_channel_display())
        if self.topic is not None:
            more.append(self.topic)
        if self.max_per_week is not None:
            words = _("at most %(count)d a week")
            more.append(words % {"count": self.max_per_week})
        if self.quiet_from is not None and self.quiet_until is not None:
            more.append(f"{self.quiet_from:%H:%M}–{self.quiet_until:%H:%M}")
        return " · ".join([self.purpose_words, *map(str, more)])


class PreferenceQuerySet(models.QuerySet["Preference"]):
    def visible_to(self, staff: Staff) -> PreferenceQuerySet:
        return self.filter(member__in=Member.objects.visible_to(staff))


class Preference(models.Model):
    """What a member chose, as it stands: derived from the ledger (crm.consent.refresh).

    Only members who ever chose something have a row. `link_serial` makes the links to
    the preference page void that were given out before it grew (crm.preference_links).
    """

    member = models.OneToOneField(
        Member,
        on_delete=models.PROTECT,
        primary_key=True,
        related_name="preference",
        verbose_name=_("member"),
    )
    channels_off = ArrayField(
        models.CharField(max_length=8, choices=Channel.choices),
        default=list,
        blank=True,
        verbose_name=_("channels refused"),
    )
    topics_off = ArrayField(
        models.BigIntegerField(),
        default=list,
        blank=True,
        verbose_name=_("topics refused"),
    )
    max_per_week = models.PositiveSmallIntegerField(
        _("messages a week, at most"), null=True, blank=True
    )
    # Both or none; over midnight where the end is the smaller one (crm.quiet_hours).
    quiet_from = models.TimeField(_("do not disturb from"), null=True, blank=True)
    quiet_until = models.TimeField(_("do not disturb until"), null=True, blank=True)
    changed_at = models.DateTimeField(_("changed at"), default=timezone.now)
    link_serial = models.PositiveIntegerField(default=0, editable=False)

    objects = PreferenceQuerySet.as_manager()

    class Meta:
        verbose_name = _("preference")
        verbose_name_plural = _("preferences")
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.member_id}"


# Member.frozen_until while a complaint is open: an end nobody lives to see.
NO_END = datetime(9000, 1, 1, tzinfo=UTC)


class ComplaintQuerySet(models.QuerySet["Complaint"]):
    def visible_to(self, staff: Staff) -> ComplaintQuerySet:
        scope = controller_scope(
            staff, controller="member__controller", unit="member__org_unit"
        )
        return self.none() if scope is None else self.filter(scope)

    def open(self) -> ComplaintQuerySet:
        return self.filter(closed_at__isnull=True)


class Complaint(models.Model):
    """A member is angry with us: no marketing until it is closed, and some time after.

    `reference` names where it came from ("conversation:12"); one is open per reference.
    """

    member = models.ForeignKey(
        Member,
        on_delete=models.PROTECT,
        related_name="complaints",
        verbose_name=_("member"),
    )
    reason = models.CharField(_("reason"), max_length=300)
    reference = models.CharField(max_length=60, blank=True)
    opened_at = models.DateTimeField(
        pgettext_lazy("a complaint", "opened at"), default=timezone.now
    )
    opened_by = models.ForeignKey(
        Staff, on_delete=models.PROTECT, related_name="+", verbose_name=_("opened by")
    )
    closed_at = models.DateTimeField(_("closed at"), null=True, blank=True)
    closed_by = models.ForeignKey(
        Staff,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("closed by"),
    )
    outcome = models.CharField(_("outcome"), max_length=300, blank=True)

    objects = ComplaintQuerySet.as_manager()

    class Meta:
        verbose_name = _("complaint")
        verbose_name_plural = _("complaints")
        ordering = ["-opened_at", "-id"]
        default_permissions = ("view", "change")
        constraints = [
            models.UniqueConstraint(
                fields=["member", "reference"],
                condition=models.Q(closed_at__isnull=True) & ~models.Q(reference=""),
                name="crm_complaint_once",
            )
        ]
        indexes = [
            models.Index(
                fields=["-opened_at"],
                condition=models.Q(closed_at__isnull=True),
                name="crm_complaint_open",
            )
        ]

    def __str__(self) -> str:
        return f"#{self.pk}"
