"""Categories with their repurchase cycle, and the numbers of the value rules."""

from __future__ import annotations

from datetime import date
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db.models import Model
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.widgets import UnfoldAdminSelectWidget

from crm.models import Category, ScoreWeight
from crm.owned_admin import OwnedAdmin, OwnedForm
from crm.value.weights import keys, plain


class CategoryForm(OwnedForm):
    """`cycle_days`: 1 to 3650; empty, the category has no cycle of its own."""

    class Meta:
        model = Category
        fields = ("name", "code", "cycle_days")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields.get("cycle_days")
        if field is not None:
            field.validators += [MinValueValidator(1), MaxValueValidator(3650)]


@admin.register(Category)
class CategoryAdmin(OwnedAdmin):
    """A brand's category takes the place of the built-in one with its code."""

    form = CategoryForm
    nav_order = 32
    list_display = ("name", "code", "cycle", "owner")
    list_select_related = ("controller",)
    search_fields = ("name", "code")
    fields = ("name", "code", "cycle_days")
    set_once = ("code",)
    ordering = ("id",)
    actions = None

    @admin.display(description=gettext_lazy("repurchase cycle"), ordering="cycle_days")
    def cycle(self, category: Category) -> str:
        days = category.cycle_days
        return _("%(days)d days") % {"days": days} if days else "–"


class ScoreWeightForm(OwnedForm):
    """A new value of a number the rules know, from today or later."""

    which = forms.ChoiceField(
        label=gettext_lazy("weight"), widget=UnfoldAdminSelectWidget
    )

    class Meta:
        model = ScoreWeight
        fields = ("value", "category", "effective_from", "note")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields.get("which")
        if isinstance(field, forms.ChoiceField):  # not for somebody who only looks
            field.choices = [(key.name, key.label) for key in keys().values()]
        begins = self.fields.get("effective_from")
        if begins is not None:
            begins.initial = timezone.localdate()

    def clean_effective_from(self) -> date:
        day: date = self.cleaned_data["effective_from"]
        if day < timezone.localdate():
            raise ValidationError(
                _("Past days stay as they were: today at the earliest.")
            )
        return day

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        key, value = keys().get(str(data.get("which", ""))), data.get("value")
        if key is None:
            return data
        self.instance.key = key.name
        if value is not None:
            self._bound(key, value)
        if data.get("category") is not None and not key.by_category:
            self.add_error("category", _("This number is one for all categories."))
        return data

    def _bound(self, key: Any, value: Any) -> None:
        if not key.minimum <= value <= key.maximum:
            words = _("Between %(minimum)s and %(maximum)s.")
            bounds = {
                "minimum": plain(key.minimum),
                "maximum": plain(key.maximum),
            }
            self.add_error("value", words % bounds)
        elif key.is_whole and value % 1:
            self.add_error("value", _("A whole number."))

    def _get_validation_exclusions(self) -> set[str]:
        # The constraint is checked although the key is not a field.
        excluded = super()._get_validation_exclusions()
        is_known = self.cleaned_data.get("which") in keys()
        return excluded - {"key"} if is_known else excluded


@admin.register(ScoreWeight)
class ScoreWeightAdmin(OwnedAdmin):
    """A changed number is a new row with its date; rows that count stay as they are."""

    form = ScoreWeightForm
    list_display = ("label", "number", "category", "effective_from", "owner", "note")
    list_display_links = ("label",)
    list_select_related = ("category", "controller")
    ordering = ("key", "-effective_from")
    actions = None
    in_navigation = False  # stands on the page of the ladders

    @admin.display(description=gettext_lazy("weight"), ordering="key")
    def label(self, row: ScoreWeight) -> str:
        key = keys().get(row.key)
        return key.label if key else row.key

    @admin.display(description=gettext_lazy("value"), ordering="value")
    def number(self, row: ScoreWeight) -> str:
        return plain(row.value)

    def heading(self, obj: Model) -> str:
        assert isinstance(obj, ScoreWeight)
        return f"{self.label(obj)} · {obj.effective_from:%F}"

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        first = "which" if obj is None else "label"
        return (first, "value", "category", "effective_from", "note")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        # Before its day a row is only a plan.
        is_ahead = obj is None or obj.effective_from > timezone.localdate()
        return is_ahead and bool(super().has_delete_permission(request, obj))

    def audit_label(self, obj: Any) -> str:
        return str(obj)
