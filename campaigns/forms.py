"""Forms of planning: what a campaign, a new date and a task of it need."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from types import MappingProxyType
from typing import Any

from django import forms
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from campaigns import chores
from campaigns.models import Campaign, Task
from campaigns.plans import FURTHEST_DAYS
from core.errors import AppError
from staff.models import OrgUnit, Staff


def text_input(**attrs: Any) -> forms.TextInput:
    return forms.TextInput(attrs={"class": "pd-input", "autocomplete": "off", **attrs})


def select() -> forms.Select:
    return forms.Select(attrs={"class": "pd-input"})


def date_input() -> forms.DateInput:
    return forms.DateInput(
        format="%Y-%m-%d", attrs={"class": "pd-input", "type": "date"}
    )


def add_refusal(
    form: forms.Form, error: AppError, beside: Mapping[str, str] = MappingProxyType({})
) -> None:
    """Put a refusal beside the fields it names, else above the form.

    `beside`: {name in the refusal: field of the form} where they differ.
    """
    fields = error.extra.get("fields", {})
    for name, words in fields.items():
        name = beside.get(name, name)
        form.add_error(name if name in form.fields else None, words)
    if not fields:
        form.add_error(None, str(error.message))


class CampaignForm(forms.Form):
    """Name, who leads it and what for; `org_unit` and `live_date` only when new."""

    name = forms.CharField(
        label=_("Name"), max_length=80, widget=text_input(maxlength=80)
    )
    org_unit = forms.ModelChoiceField(
        OrgUnit.objects.none(), label=_("Org unit"), widget=select()
    )
    live_date = forms.DateField(
        label=_("Live date (T0)"),
        widget=date_input(),
        help_text=_("Phases, gates and tasks are counted from this day."),
    )
    owner = forms.ModelChoiceField(
        Staff.objects.none(), label=_("Owner"), widget=select()
    )
    product_tie = forms.CharField(
        label=_("Product tie"),
        max_length=200,
        required=False,
        widget=text_input(maxlength=200),
        help_text=_("Which products it is about, and why they."),
    )
    goal = forms.CharField(
        label=_("Goal"),
        max_length=2000,
        required=False,
        widget=forms.Textarea(attrs={"class": "pd-input", "rows": 3}),
        help_text=_("Numbers you will be measured by at the recap."),
    )

    def __init__(
        self, *args: Any, staff: Staff, campaign: Campaign | None = None, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        leaders: Any = self.fields["owner"]
        people = {person.pk for person in chores.assignable(staff)}
        if campaign is not None:
            people.add(campaign.owner_id)
        leaders.queryset = Staff.objects.filter(pk__in=people).order_by(
            "display_name", "id"
        )
        units: Any = self.fields["org_unit"]
        units.queryset = OrgUnit.objects.visible_to(staff).filter(is_active=True)
        if campaign is not None:
            del self.fields["org_unit"], self.fields["live_date"]


def refuse_far_away(value: date | datetime) -> None:
    """A slip of the keyboard, and dates beyond which nothing can be counted."""
    day = timezone.localtime(value).date() if isinstance(value, datetime) else value
    if abs((day - timezone.localdate()).days) > FURTHEST_DAYS:
        raise forms.ValidationError(_("Choose a date within two years from today."))


class MoveForm(forms.Form):
    live_date = forms.DateField(
        label=_("New live date (T0)"),
        widget=date_input(),
        validators=[refuse_far_away],
    )


class TaskForm(forms.Form):
    """A task the template did not foresee."""

    title = forms.CharField(
        label=_("What is to be done"), max_length=300, widget=text_input(maxlength=300)
    )
    start_day = forms.IntegerField(
        label=_("From day (T±)"),
        min_value=-365,
        max_value=365,
        widget=forms.NumberInput(attrs={"class": "pd-input pd-input-short"}),
    )
    end_day = forms.IntegerField(
        label=_("To day (T±)"),
        min_value=-365,
        max_value=365,
        widget=forms.NumberInput(attrs={"class": "pd-input pd-input-short"}),
    )
    owner_role = forms.CharField(
        label=_("Owner role"),
        max_length=60,
        required=False,
        widget=text_input(maxlength=60),
    )
    proof_wanted = forms.CharField(
        label=_("Proof wanted"),
        max_length=200,
        required=False,
        widget=text_input(maxlength=200),
        help_text=_("What shows that it is done; empty: nothing is asked."),
    )


class TaskStateForm(forms.Form):
    """What a button of a task sends."""

    state = forms.ChoiceField(choices=Task.State.choices)
    seen = forms.ChoiceField(choices=Task.State.choices)
    proof = forms.CharField(required=False, max_length=500)
