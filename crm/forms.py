"""Forms of the member page."""

from __future__ import annotations

from datetime import date
from typing import Any

from django import forms
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from core.errors import AppError
from crm import phones
from crm.editing import ASSIGN, ASSIGNED_FIELDS, EDIT, PROFILE_FIELDS, as_text
from crm.models import Member
from crm.naming import printable
from staff.models import OrgUnit, Staff

_OLDEST = date(1900, 1, 1)
_MOST_CHOICES = 500


class MemberForm(forms.Form):
    """What one person may change of one member; fields without the right are left out.

    Each field stands beside a hidden `was_<field>`: what the page showed.
    """

    gender = forms.ChoiceField(
        label=_("Gender"),
        required=False,
        choices=[("", _("unknown")), *Member.Gender.choices],
    )
    birthday = forms.DateField(
        label=_("Birthday"),
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        error_messages={"invalid": _("A date such as 1990-05-17.")},
    )
    city = forms.CharField(label=_("City"), required=False, max_length=40)
    owner = forms.ModelChoiceField(
        label=pgettext_lazy("a member", "Owner"),
        required=False,
        queryset=Staff.objects.none(),
        empty_label=pgettext_lazy("a member", "nobody"),
        error_messages={"invalid_choice": _("Choose a colleague of the list.")},
    )
    org_unit = forms.ModelChoiceField(
        label=_("Store"),
        required=False,
        queryset=OrgUnit.objects.none(),
        empty_label=_("none"),
        error_messages={"invalid_choice": _("Choose a store of the list.")},
    )
    phone = forms.CharField(
        label=_("New phone"),
        required=False,
        max_length=20,
        help_text=_("Empty: the phone stays as it is."),
    )
    without_phone = forms.BooleanField(label=_("Take the phone away"), required=False)

    def __init__(
        self, member: Member, staff: Staff, *args: Any, focus: str = "", **kwargs: Any
    ) -> None:
        self.member, self.staff = member, staff
        super().__init__(*args, **kwargs)
        self.fields["owner"].queryset = _owners(member, staff)  # type: ignore[attr-defined]
        self.fields["org_unit"].queryset = _units(member, staff)  # type: ignore[attr-defined]
        hidden: tuple[str, ...] = (
            () if staff.has_perm(EDIT) else (*PROFILE_FIELDS, "phone")
        )
        if not staff.has_perm(ASSIGN):
            hidden = (*hidden, *ASSIGNED_FIELDS)
        for name in hidden:
            del self.fields[name]
        if "phone" not in self.fields or not member.phone_hash:
            del self.fields["without_phone"]
        if focus in self.fields:
            self.fields[focus].widget.attrs["autofocus"] = True
        for name, field in self.fields.items():
            if name != "without_phone":
                field.widget.attrs["class"] = "pd-input"
        for name in (*PROFILE_FIELDS, *ASSIGNED_FIELDS):
            if name in self.fields:
                value = getattr(member, name)
                self.fields[name].initial = value
                self.fields[f"was_{name}"] = forms.CharField(
                    required=False, widget=forms.HiddenInput, initial=as_text(value)
                )

    def clean_birthday(self) -> date | None:
        day: date | None = self.cleaned_data["birthday"]
        if day is not None and not _OLDEST <= day <= timezone.localdate():
            raise forms.ValidationError(_("A day between 1900 and today."))
        return day

    def clean_city(self) -> str:
        return printable(self.cleaned_data["city"])

    def clean_phone(self) -> str:
        text: str = self.cleaned_data["phone"]
        try:
            return phones.normalise(text) if text.strip() else ""
        except AppError as refusal:
            raise forms.ValidationError(str(refusal.message)) from refusal

    @property
    def values(self) -> dict[str, Any]:
        """The new values of the fields kept by crm.editing.change."""
        names = (*PROFILE_FIELDS, *ASSIGNED_FIELDS)
        return {name: self.cleaned_data[name] for name in names if name in self.fields}

    @property
    def seen(self) -> dict[str, str]:
        return {name: self.cleaned_data[f"was_{name}"] for name in self.values}


def _owners(member: Member, staff: Staff) -> Any:
    """Colleagues the person sees, who work for the member's data controller."""
    rows = Staff.objects.visible_to(staff).working()
    rows = rows.filter(org_unit__controller=member.controller_id)
    return _first(rows.order_by("display_name", "pk"), Staff, member.owner_id)


def _units(member: Member, staff: Staff) -> Any:
    rows = OrgUnit.objects.visible_to(staff).filter(controller=member.controller_id)
    return _first(rows.order_by("path"), OrgUnit, member.org_unit_id)


def _first(rows: Any, model: Any, current: int | None) -> Any:
    """As many as a list to choose from holds, and always the one that stands."""
    pks = [*rows.values_list("pk", flat=True)[:_MOST_CHOICES], current]
    found = model.objects.filter(pk__in=pks)
    return found.order_by(*rows.query.order_by)
