"""How we help: queues, conversations, who has them, what was said."""

from __future__ import annotations

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from content.models import AnswerRule
from crm.models import Member
from staff.models import Staff
from staff.scope import controller_scope
from wechat.models import Account, App, InboundEvent, Media, OutboundMessage

PREVIEW_LENGTH = 60


class QueueQuerySet(models.QuerySet["Queue"]):
    def visible_to(self, staff: Staff) -> QueueQuerySet:
        return self.filter(account__in=Account.objects.visible_to(staff))

    def worked_by(self, staff: Staff) -> QueueQuerySet:
        """Active queues the person takes from: named there, or nobody is named."""
        named = Queue.agents.through.objects.filter(queue=models.OuterRef("pk"))
        return self.visible_to(staff).filter(
            models.Exists(named.filter(staff=staff)) | ~models.Exists(named),
            is_active=True,
        )


class Queue(models.Model):
    """Where people wait for an agent; each account has one default queue."""

    name = models.CharField(_("name"), max_length=60)
    account = models.ForeignKey(
        Account,
        on_delete=models.PROTECT,
        related_name="queues",
        verbose_name=_("account"),
    )
    is_default = models.BooleanField(_("default of the account"), default=True)
    is_after_sales = models.BooleanField(
        _("after-sales"),
        default=False,
        db_default=False,
        help_text=_("Whoever has a conversation here is tagged as in after-sales."),
    )
    asks_rating = models.BooleanField(
        _("asks for a rating"),
        default=False,
        db_default=False,
        help_text=_(
            "Customers who got an answer are asked once how content they were, when "
            "their conversation is closed."
        ),
    )
    is_active = models.BooleanField(_("active"), default=True)
    agents = models.ManyToManyField(
        settings.AUTH_USER_MODEL,
        blank=True,
        related_name="queues",
        verbose_name=_("agents"),
        help_text=_("Nobody chosen: every agent who may see the account."),
    )

    objects = QueueQuerySet.as_manager()

    class Meta:
        verbose_name = _("queue")
        verbose_name_plural = _("queues")
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(
                fields=["account"],
                condition=models.Q(is_default=True),
                name="service_queue_one_default",
                violation_error_message=_("The account already has a default queue."),
            )
        ]

    def __str__(self) -> str:
        return self.name


class AgentStateQuerySet(models.QuerySet["AgentState"]):
    def visible_to(self, staff: Staff) -> AgentStateQuerySet:
        return self.filter(staff__in=Staff.objects.visible_to(staff))


class AgentState(models.Model):
    """How much an agent takes now. The claim refuses `open_count >= capacity`."""

    class Status(models.TextChoices):
        ONLINE = "online", _("Online")
        BUSY = "busy", _("Busy")
        OFFLINE = "offline", _("Offline")

    staff = models.OneToOneField(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        related_name="agent_state",
        verbose_name=_("staff"),
    )
    status = models.CharField(
        _("status"), max_length=8, choices=Status.choices, default=Status.OFFLINE
    )
    capacity = models.PositiveSmallIntegerField(_("capacity"), default=6)
    open_count = models.PositiveSmallIntegerField(_("open"), default=0)
    heartbeat_at = models.DateTimeField(
        pgettext_lazy("an agent", "seen at"), null=True, blank=True
    )

    objects = AgentStateQuerySet.as_manager()

    class Meta:
        verbose_name = _("agent state")
        verbose_name_plural = _("agent states")

    def __str__(self) -> str:
        return f"{self.staff} {self.open_count}/{self.capacity}"


class ConversationQuerySet(models.QuerySet["Conversation"]):
    def visible_to(self, staff: Staff) -> ConversationQuerySet:
        """Conversations with members the person may see, on accounts they may see."""
        scope = controller_scope(
            staff, controller="member__controller", unit="member__org_unit"
        )
        if scope is None:
            return self.none()
        return self.filter(scope, app__account__in=Account.objects.visible_to(staff))

    def readable_by(self, staff: Staff) -> ConversationQuerySet:
        """Those whose messages the person may read.

        Their own, what waits in queues they take from, and what is over; conversations
        colleagues have, with `supervise_conversation` only.
        """
        rows = self.visible_to(staff)
        if staff.has_perm("service.supervise_conversation"):
            return rows
        waiting = models.Q(
            state=Conversation.State.QUEUED, queue__in=Queue.objects.worked_by(staff)
        )
        over = models.Q(state=Conversation.State.CLOSED)
        return rows.filter(models.Q(assignee=staff) | waiting | over)

    def unfinished(self) -> ConversationQuerySet:
        return self.exclude(state=Conversation.State.CLOSED)

    def waiting(self) -> ConversationQuerySet:
        return self.filter(state=Conversation.State.QUEUED)

    def held_by(self, staff: Staff) -> ConversationQuerySet:
        return self.filter(state=Conversation.State.OPEN, assignee=staff)


class Conversation(models.Model):
    """One matter of one member on one app, from asking to closing.

    One unfinished per member and app (partial unique index). `window_closes_at` and
    `messages_left` mirror wechat.ReplyWindow for lists; the window row decides.
    """

    class State(models.TextChoices):
        QUEUED = "queued", _("Waiting to be accepted")
        OPEN = "open", _("In service")
        CLOSED = "closed", pgettext_lazy("a conversation", "Closed")

    class CloseReason(models.TextChoices):
        RESOLVED = "resolved", _("Resolved")
        UNFOLLOWED = "unfollowed", _("The customer unfollowed")
        NO_ANSWER = "no_answer", _("The customer no longer answers")
        MERGED = "merged", _("Joined with another conversation")
        OTHER = "other", _("Other")

    app = models.ForeignKey(
        App,
        on_delete=models.PROTECT,
        related_name="conversations",
        verbose_name=_("app"),
    )
    member = models.ForeignKey(
        Member,
        on_delete=models.PROTECT,
        related_name="conversations",
        verbose_name=_("member"),
    )
    recipient = models.CharField(_("recipient"), max_length=64)
    queue = models.ForeignKey(
        Queue,
        on_delete=models.PROTECT,
        related_name="conversations",
        verbose_name=_("queue"),
    )
    state = models.CharField(
        _("state"), max_length=8, choices=State.choices, default=State.QUEUED
    )
    assignee = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="conversations",
        verbose_name=pgettext_lazy("a conversation", "assignee"),
    )
    priority = models.SmallIntegerField(_("priority"), default=0)
    opened_at = models.DateTimeField(
        pgettext_lazy("a conversation", "opened at"), default=timezone.now
    )
    # Since when the customer waits for us; null while it is the customer's turn.
    waiting_since = models.DateTimeField(_("waiting since"), null=True, blank=True)
    first_response_at = models.DateTimeField(
        _("first response at"), null=True, blank=True
    )
    due_at = models.DateTimeField(_("due at"), null=True, blank=True)
    last_message_at = models.DateTimeField(_("last message at"), default=timezone.now)
    preview = models.CharField(_("preview"), max_length=120, blank=True)
    window_closes_at = models.DateTimeField(
        _("window closes at"), null=True, blank=True
    )
    messages_left = models.PositiveSmallIntegerField(_("messages left"), default=0)
    unread_count = models.PositiveSmallIntegerField(_("unread"), default=0)
    closed_at = models.DateTimeField(
        pgettext_lazy("a conversation", "closed at"), null=True, blank=True
    )
    close_reason = models.CharField(
        _("close reason"), max_length=12, choices=CloseReason.choices, blank=True
    )
    # When the customer got the question how content they were.
    rating_asked_at = models.DateTimeField(
        _("asked for a rating at"), null=True, blank=True
    )

    objects = ConversationQuerySet.as_manager()

    class Meta:
        verbose_name = _("conversation")
        verbose_name_plural = _("conversations")
        ordering = ["-id"]
        permissions = [
            ("answer_conversation", _("Can answer customers")),
            ("supervise_conversation", _("Can see the conversations of others")),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["member", "app"],
                condition=~models.Q(state="closed"),
                name="service_conversation_one_open",
            ),
            models.CheckConstraint(
                condition=models.Q(state="open", assignee__isnull=False)
                | ~models.Q(state="open"),
                name="service_conversation_open_has_owner",
            ),
        ]
        indexes = [
            models.Index(
                fields=["rating_asked_at"],
                condition=models.Q(rating_asked_at__isnull=False),
                name="service_conversation_asked",
            ),
            models.Index(
                fields=["queue", "-priority", "waiting_since", "id"],
                condition=models.Q(state="queued"),
                name="service_conversation_waiting",
            ),
            models.Index(
                fields=["assignee", "-last_message_at"],
                condition=models.Q(state="open"),
                name="service_conversation_mine",
            ),
            models.Index(fields=["member", "-id"], name="service_conversation_member"),
            models.Index(fields=["state", "-id"], name="service_conversation_state"),
        ]

    def __str__(self) -> str:
        return f"#{self.pk}"


class Message(models.Model):
    """One line of a conversation, in either direction, or a note among ourselves."""

    class Direction(models.TextChoices):
        IN = "in", _("Customer")
        OUT = "out", _("Us")
        NOTE = "note", _("Internal note")
        SYSTEM = "system", pgettext_lazy("a message", "System")

    class Kind(models.TextChoices):
        TEXT = "text", _("Text")
        IMAGE = "image", _("Picture")
        OTHER = "other", _("Other")

    conversation = models.ForeignKey(
        Conversation,
        on_delete=models.PROTECT,
        related_name="messages",
        verbose_name=_("conversation"),
    )
    direction = models.CharField(
        _("direction"), max_length=6, choices=Direction.choices
    )
    kind = models.CharField(
        _("kind"), max_length=6, choices=Kind.choices, default=Kind.TEXT
    )
    text = models.TextField(_("text"), blank=True)
    media = models.ForeignKey(
        Media,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="messages",
        verbose_name=_("picture"),
    )
    sender = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("sender"),
    )
    rule = models.ForeignKey(
        AnswerRule,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("rule"),
    )
    inbound = models.OneToOneField(
        InboundEvent,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="message",
        verbose_name=_("inbound event"),
    )
    outbound = models.OneToOneField(
        OutboundMessage,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="message",
        verbose_name=_("outbound message"),
    )
    # The sender's own key of a reply: the same click twice is one message.
    client_key = models.CharField(max_length=80, blank=True)
    at = models.DateTimeField(_("at"), default=timezone.now)

    class Meta:
        verbose_name = _("message")
        verbose_name_plural = _("messages")
        ordering = ["at", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["conversation", "client_key"],
                condition=~models.Q(client_key=""),
                name="service_message_client_key",
            )
        ]
        indexes = [
            models.Index(fields=["conversation", "at", "id"], name="service_message_in")
        ]

    def __str__(self) -> str:
        return f"{self.direction} #{self.pk}"

    @property
    def preview(self) -> str:
        """Its first words, for lists."""
        if self.kind == self.Kind.IMAGE:
            return "[image]"
        return " ".join(self.text.split())[:PREVIEW_LENGTH]


class Assignment(models.Model):
    """Who had a conversation from when to when; only `ended_at` is set, once."""

    conversation = models.ForeignKey(
        Conversation,
        on_delete=models.PROTECT,
        related_name="assignments",
        verbose_name=_("conversation"),
    )
    staff = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        related_name="assignments",
        verbose_name=_("staff"),
    )
    started_at = models.DateTimeField(_("started at"), default=timezone.now)
    ended_at = models.DateTimeField(_("ended at"), null=True, blank=True)
    ended_because = models.CharField(_("ended because"), max_length=20, blank=True)

    class Meta:
        verbose_name = _("assignment")
        verbose_name_plural = _("assignments")
        constraints = [
            models.UniqueConstraint(
                fields=["conversation"],
                condition=models.Q(ended_at__isnull=True),
                name="service_assignment_one_open",
            )
        ]

    def __str__(self) -> str:
        return f"{self.conversation_id} → {self.staff_id}"


class MissCount(models.Model):
    """How many messages in a row no rule answered, per member and app."""

    app = models.ForeignKey(App, on_delete=models.CASCADE, related_name="+")
    member = models.ForeignKey(Member, on_delete=models.CASCADE, related_name="+")
    count = models.PositiveSmallIntegerField(default=0)
    # The last events counted: a replay counts none twice.
    event_ids = ArrayField(models.BigIntegerField(), default=list, blank=True)

    class Meta:
        verbose_name = _("miss count")
        verbose_name_plural = _("miss counts")
        constraints = [
            models.UniqueConstraint(fields=["app", "member"], name="service_miss_once")
        ]

    def __str__(self) -> str:
        return str(self.count)
