"""What we say. Answers of the account itself stand here; items and slots follow."""

from __future__ import annotations

from datetime import datetime

from django.core.exceptions import ValidationError
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from staff.models import Staff
from wechat.models import Account


class AnswerRuleQuerySet(models.QuerySet["AnswerRule"]):
    def visible_to(self, staff: Staff) -> AnswerRuleQuerySet:
        return self.filter(account__in=Account.objects.visible_to(staff))

    def in_force(self, now: datetime | None = None) -> AnswerRuleQuerySet:
        """Active and inside their validity, the one that fires first first."""
        now = now or timezone.now()
        return self.filter(
            models.Q(valid_from__isnull=True) | models.Q(valid_from__lte=now),
            models.Q(valid_to__isnull=True) | models.Q(valid_to__gt=now),
            is_active=True,
        ).order_by("priority", "id")


class AnswerRule(models.Model):
    """What the account answers by itself: a greeting, or to a keyword.

    The smallest `priority` wins; at equal priority the older rule.
    """

    class Occasion(models.TextChoices):
        FOLLOW = "follow", _("Follow (greeting)")
        KEYWORD = "keyword", _("Keyword")
        WELCOME = "welcome", _("WeCom friend added (welcome)")

    class Match(models.TextChoices):
        EXACT = "exact", _("Exact")
        CONTAINS = "contains", _("Contains")

    account = models.ForeignKey(
        Account,
        on_delete=models.CASCADE,
        related_name="answer_rules",
        verbose_name=_("account"),
    )
    name = models.CharField(_("name"), max_length=60)
    occasion = models.CharField(
        _("occasion"),
        max_length=8,
        choices=Occasion.choices,
        default=Occasion.KEYWORD,
    )
    match = models.CharField(
        _("match"), max_length=8, choices=Match.choices, default=Match.CONTAINS
    )
    keywords = models.JSONField(_("keywords"), default=list, blank=True)
    reply_text = models.TextField(_("answer"), max_length=600)
    priority = models.PositiveSmallIntegerField(_("priority"), default=100)
    valid_from = models.DateTimeField(_("valid from"), null=True, blank=True)
    valid_to = models.DateTimeField(_("valid to"), null=True, blank=True)
    is_active = models.BooleanField(_("active"), default=True)
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)

    objects = AnswerRuleQuerySet.as_manager()

    class Meta:
        verbose_name = _("answer rule")
        verbose_name_plural = _("answer rules")
        ordering = ["account", "priority", "id"]
        permissions = [("test_answerrule", _("Can use the answer test console"))]

    def __str__(self) -> str:
        return self.name

    def is_in_force(self, now: datetime) -> bool:
        """The same as `in_force` says, for a row at hand."""
        return (
            self.is_active
            and (self.valid_from is None or self.valid_from <= now)
            and (self.valid_to is None or self.valid_to > now)
        )

    def clean(self) -> None:
        if self.occasion == self.Occasion.KEYWORD and not self.keywords:
            raise ValidationError({"keywords": _("Give at least one keyword.")})
        if self.valid_from and self.valid_to and self.valid_from >= self.valid_to:
            raise ValidationError({"valid_to": _("The end must be after the start.")})
