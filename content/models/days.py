"""Marketing days: holidays, solar terms, shopping festivals and days of silence."""

from __future__ import annotations

from datetime import date

from django.db import models
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _


class MarketingDayQuerySet(models.QuerySet["MarketingDay"]):
    def between(self, first: date, last: date) -> MarketingDayQuerySet:
        """Days that touch `first` to `last`, both included."""
        return self.filter(is_shown=True, date__lte=last, end_date__gte=first)


class MarketingDay(models.Model):
    """A day or span a plan should know of.

    `builtin_key` names the row of content/data/marketing_calendar.csv it came from; a row
    people changed keeps their change when the built-in data is synced again.
    """

    class Kind(models.TextChoices):
        STATUTORY = "statutory_holiday", _("Public holiday")
        MAKEUP = "makeup_workday", _("Make-up workday")
        SHOPPING = "shopping_festival", _("Shopping festival")
        SOLAR_TERM = "solar_term", _("Solar term")
        TRADITIONAL = "traditional_festival", _("Traditional festival")
        NATIONAL = "national_observance", _("National observance")
        INTERNATIONAL = "international_day", _("International day")
        INDUSTRY = "industry", _("Season of the trade")
        QUIET = "quiet_day", _("Day of silence")

    name_zh = models.CharField(_("Chinese name"), max_length=60)
    name_en = models.CharField(_("English name"), max_length=80, blank=True)
    kind = models.CharField(_("kind"), max_length=20, choices=Kind.choices)
    date = models.DateField(_("first day"))
    end_date = models.DateField(_("last day"))
    lead_days = models.PositiveSmallIntegerField(_("days of preparation"), default=0)
    suggestion = models.CharField(_("suggestion"), max_length=200, blank=True)
    note = models.CharField(_("note"), max_length=200, blank=True)
    basis = models.CharField(_("basis"), max_length=24, blank=True, editable=False)
    is_shown = models.BooleanField(_("shown in the calendar"), default=True)
    builtin_key = models.CharField(max_length=80, blank=True, editable=False)

    objects = MarketingDayQuerySet.as_manager()

    class Meta:
        verbose_name = _("marketing day")
        verbose_name_plural = _("marketing days")
        ordering = ["date", "id"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(end_date__gte=models.F("date")),
                name="content_marketingday_ends_after_start",
                violation_error_message=_("The last day is before the first."),
            ),
            models.UniqueConstraint(
                fields=["builtin_key"],
                condition=~models.Q(builtin_key=""),
                name="content_marketingday_builtin",
            ),
        ]
        indexes = [models.Index(fields=["date"], name="content_marketingday_date")]

    def __str__(self) -> str:
        return self.name

    @property
    def name(self) -> str:
        """In the reader's language where it is known."""
        is_chinese = (get_language() or "zh").startswith("zh")
        return self.name_zh if is_chinese or not self.name_en else self.name_en

    @property
    def is_quiet(self) -> bool:
        """Nothing that sells goes out on such a day."""
        return self.kind == self.Kind.QUIET
