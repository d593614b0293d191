"""Forms of the answers: rules as people write them, and questions to the test console."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from django import forms
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminTextareaWidget

from content.models import AnswerRule
from staff.models import Staff
from wechat.models import Account

if TYPE_CHECKING:
    _RuleForm = forms.ModelForm[AnswerRule]
else:
    _RuleForm = forms.ModelForm

_BETWEEN_KEYWORDS = re.compile(r"[\r\n,，、;；]+")


class KeywordsField(forms.CharField):
    """A list of words, one per line; commas separate them too."""

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(value) if isinstance(value, list) else value

    def to_python(self, value: Any) -> Any:
        words = (word.strip() for word in _BETWEEN_KEYWORDS.split(value or ""))
        return list(dict.fromkeys(word for word in words if word))

    def has_changed(self, initial: Any, data: Any) -> bool:
        return bool(self.to_python(data) != (initial or []))

    def validate(self, value: Any) -> None:
        """AnswerRule.clean says what is wrong: it depends on the occasion."""

    def run_validators(self, value: Any) -> None:
        """None: the value is a list."""


class AnswerRuleForm(_RuleForm):
    keywords = KeywordsField(
        label=_("keywords"),
        required=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 5}),
        help_text=_(
            "One per line. Width, case and punctuation around the text do not matter."
        ),
    )

    class Meta:
        model = AnswerRule
        fields = [
            "account",
            "name",
            "occasion",
            "match",
            "keywords",
            "reply_text",
            "priority",
            "valid_from",
            "valid_to",
            "is_active",
        ]


class QuestionForm(forms.Form):
    """What to ask the test console."""

    account = forms.ModelChoiceField(
        Account.objects.none(),
        label=_("account"),
        empty_label=None,
        widget=forms.Select(attrs={"class": "pd-input"}),
    )
    text = forms.CharField(
        label=_("What the customer writes"),
        max_length=2000,
        widget=forms.Textarea(
            attrs={"class": "pd-input", "rows": 3, "autofocus": True}
        ),
    )
    at = forms.DateTimeField(
        label=_("When (empty: now)"),
        required=False,
        input_formats=["%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"],
        widget=forms.DateTimeInput(
            attrs={"class": "pd-input", "type": "datetime-local"},
            format="%Y-%m-%dT%H:%M",
        ),
    )

    def __init__(self, *args: Any, staff: Staff, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        accounts = Account.objects.visible_to(staff)
        # WeCom contacts are answered by colleagues, not by rules.
        chosen = accounts.exclude(kind=Account.Kind.WECOM).order_by("id")
        self.fields["account"].queryset = chosen  # type: ignore[attr-defined]

    def moment(self) -> Any:
        return self.cleaned_data["at"] or timezone.now()
