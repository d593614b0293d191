"""Answer rules: what they answer, to what, from when to when."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.text import Truncator
from django.utils.translation import gettext_lazy as _

from content.forms import AnswerRuleForm
from content.models import AnswerRule
from core.admin import ScopedAdmin
from core.templatetags.console import moment, status
from wechat import limits

SHOWN_KEYWORDS = 6


class ForceFilter(admin.SimpleListFilter):
    title = _("in force")
    parameter_name = "in_force"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [
            ("now", _("In force")),
            ("later", _("Not valid yet")),
            ("past", _("No longer valid")),
            ("off", _("Switched off")),
        ]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[AnswerRule]
    ) -> QuerySet[AnswerRule]:
        now = timezone.now()
        conditions = {
            "now": Q(is_active=True)
            & (Q(valid_from=None) | Q(valid_from__lte=now))
            & (Q(valid_to=None) | Q(valid_to__gt=now)),
            "later": Q(is_active=True, valid_from__gt=now),
            "past": Q(is_active=True, valid_to__lte=now),
            "off": Q(is_active=False),
        }
        wanted = conditions.get(self.value() or "")
        return queryset if wanted is None else queryset.filter(wanted)


@admin.register(AnswerRule)
class AnswerRuleAdmin(ScopedAdmin):
    list_display = (
        "name",
        "account",
        "occasion",
        "keywords_shown",
        "reply_shown",
        "priority",
        "force_shown",
    )
    list_filter = ("account", "occasion", ForceFilter)
    list_select_related = ("account",)
    list_before_template = "content/rules_head.html"
    search_fields = ("name", "reply_text")
    needed_first = ("account",)
    ordering = ("account", "priority", "id")
    form = AnswerRuleForm
    fieldsets = (
        (None, {"fields": ("account", "name", "occasion")}),
        (_("When the customer writes"), {"fields": ("match", "keywords")}),
        (_("Answer"), {"fields": ("reply_text", "preview")}),
        (
            _("Order and validity"),
            {"fields": ("priority", "valid_from", "valid_to", "is_active")},
        ),
    )
    readonly_fields = ("preview",)

    class Media:
        js = ("content/answer_rule.js",)

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> Any:
        form = super().get_form(request, obj, change=change, **kwargs)
        priority = form.base_fields.get("priority")
        if priority is not None:
            priority.help_text = _("The smallest number answers first.")
        return form

    @admin.display(description=_("keywords"))
    def keywords_shown(self, rule: AnswerRule) -> SafeString | str:
        shown = rule.keywords[:SHOWN_KEYWORDS]
        more = len(rule.keywords) - len(shown)
        chips = format_html_join(
            "", '<span class="pd-chip">{}</span>', ((word,) for word in shown)
        )
        if not shown:
            return "–"
        return format_html("{}{}", chips, f"+{more}" if more else "")

    @admin.display(description=_("answer"))
    def reply_shown(self, rule: AnswerRule) -> str:
        return Truncator(rule.reply_text).chars(40)

    @admin.display(description=_("in force"))
    def force_shown(self, rule: AnswerRule) -> SafeString:
        now = timezone.now()
        if not rule.is_active:
            return status("idle", _("Switched off"))
        if rule.valid_from and rule.valid_from > now:
            return status("part", _("From %(at)s") % {"at": moment(rule.valid_from)})
        if rule.valid_to and rule.valid_to <= now:
            return status("idle", _("No longer valid"))
        if rule.valid_to:
            return status("good", _("Until %(at)s") % {"at": moment(rule.valid_to)})
        return status("good", _("In force"))

    @admin.display(description=_("preview"))
    def preview(self, rule: AnswerRule | None) -> str:
        """The answer as on a phone; the script keeps it up to date while typing."""
        text = rule.reply_text if rule else ""
        context = {
            "text": text,
            "size": len(text.encode()),
            "limit": limits.value("mp.text.bytes"),
        }
        return render_to_string("content/preview.html", context)
