"""Answers of the account itself: greetings, welcomes and keyword rules."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from core import snapshot
from staff.models import Staff
from wechat import limits
from wechat.models import Account

MAX_KEYWORDS = 40
KEYWORD_LENGTH = 60


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

    def standing(self, account: Account, occasion: str) -> list[AnswerRule]:
        """Active rules whatever their validity, the one that fires first first.

        Read once per core.snapshot: not to be changed.
        """

        def read() -> list[AnswerRule]:
            rows = self.filter(account=account, occasion=occasion, is_active=True)
            return list(rows.order_by("priority", "id"))

        return snapshot.of(("content.rules", account.pk, occasion), read)


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
    reply_text = models.TextField(_("answer"), max_length=2000)
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
        errors: dict[str, Any] = {}
        if self.valid_from and self.valid_to and self.valid_from >= self.valid_to:
            errors["valid_to"] = _("The end must be after the start.")
        if self.occasion == self.Occasion.KEYWORD:
            errors |= self._keyword_errors()
        else:
            self.keywords = []
        if hasattr(self, "account"):
            errors |= self._account_errors()
        if errors:
            raise ValidationError(errors)

    def _keyword_errors(self) -> dict[str, Any]:
        words = self.keywords
        if not isinstance(words, list) or not all(isinstance(w, str) for w in words):
            return {"keywords": _("Give one keyword per line.")}
        if not any(word.strip() for word in words):
            return {"keywords": _("Give at least one keyword.")}
        if len(words) > MAX_KEYWORDS:
            return {
                "keywords": _("At most %(count)s keywords.") % {"count": MAX_KEYWORDS}
            }
        if any(len(word) > KEYWORD_LENGTH for word in words):
            return {
                "keywords": _("A keyword has at most %(count)s characters.")
                % {"count": KEYWORD_LENGTH}
            }
        return {}

    def _account_errors(self) -> dict[str, Any]:
        """WeCom only welcomes, official accounts greet and answer; texts must fit."""
        is_welcome = self.occasion == self.Occasion.WELCOME
        if is_welcome != self.account.is_wecom:
            return {
                "occasion": _("A WeCom corp has welcomes only.")
                if self.account.is_wecom
                else _("Welcomes are for WeCom corps; this account greets followers.")
            }
        key = "wecom.welcome.bytes" if is_welcome else "mp.text.bytes"
        size, limit = len(self.reply_text.encode()), limits.value(key)
        if size > limit:
            return {
                "reply_text": _(
                    "The platform takes at most %(limit)s bytes (about %(count)s "
                    "Chinese characters); this is %(size)s."
                )
                % {"limit": limit, "count": limit // 3, "size": size}
            }
        return {}
