"""How content customers were with a conversation, and what they praised."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from service.models.conversations import Conversation
from staff.models import Staff


class RatingQuerySet(models.QuerySet["Rating"]):
    def visible_to(self, staff: Staff) -> RatingQuerySet:
        return self.filter(conversation__in=Conversation.objects.visible_to(staff))


class Rating(models.Model):
    """How content a customer was with one conversation, in their own words.

    The row is the right to rate: a conversation has one. `agent`: whom it is about, who
    had the conversation last. `revision` grows with each change (service.ratings).
    """

    WORST, BEST = 1, 5
    WORDS_LENGTH = 500

    conversation = models.OneToOneField(
        Conversation,
        on_delete=models.PROTECT,
        related_name="rating",
        verbose_name=_("conversation"),
    )
    agent = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        related_name="+",
        verbose_name=_("agent"),
    )
    score = models.PositiveSmallIntegerField(
        _("rating"),
        choices=[
            (5, _("5 – very content")),
            (4, _("4 – content")),
            (3, _("3 – middling")),
            (2, _("2 – not content")),
            (1, _("1 – not content at all")),
        ],
    )
    words = models.CharField(_("words"), max_length=WORDS_LENGTH, blank=True)
    at = models.DateTimeField(_("rated at"), default=timezone.now)
    changed_at = models.DateTimeField(_("changed at"), null=True, blank=True)
    revision = models.PositiveSmallIntegerField(default=1)

    objects = RatingQuerySet.as_manager()

    class Meta:
        verbose_name = _("service rating")
        verbose_name_plural = _("service ratings")
        ordering = ["-id"]
        default_permissions = ("view",)
        constraints = [
            models.CheckConstraint(
                condition=models.Q(score__gte=1, score__lte=5),
                name="service_rating_one_to_five",
            )
        ]
        indexes = [models.Index(fields=["-at"], name="service_rating_recent")]

    def __str__(self) -> str:
        return f"#{self.conversation_id} {self.score}/{self.BEST}"


class PraiseQuerySet(models.QuerySet["Praise"]):
    def visible_to(self, staff: Staff) -> PraiseQuerySet:
        return self.filter(conversation__in=Conversation.objects.visible_to(staff))


class Praise(models.Model):
    """Kind words of a customer in a conversation, noted by who served them; one each."""

    conversation = models.OneToOneField(
        Conversation,
        on_delete=models.PROTECT,
        related_name="praise",
        verbose_name=_("conversation"),
    )
    words = models.CharField(_("words"), max_length=300, blank=True)
    at = models.DateTimeField(_("at"), default=timezone.now)
    noted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        related_name="+",
        verbose_name=_("noted by"),
    )

    objects = PraiseQuerySet.as_manager()

    class Meta:
        verbose_name = _("praise")
        verbose_name_plural = _("praise")
        default_permissions = ()
        indexes = [models.Index(fields=["-at"], name="service_praise_recent")]

    def __str__(self) -> str:
        return f"#{self.conversation_id}"
