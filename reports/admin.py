"""Weights of the formulas as dated rows; everybody who reads figures may read them."""

from __future__ import annotations

from datetime import date
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Model
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core.admin import ScopedAdmin
from reports import weights
from reports.metrics import all_metrics, weight_names
from reports.models import MetricWeight


class WeightForm(forms.ModelForm):  # type: ignore[type-arg]
    """A new value of one of the weights the formulas know, from today or later."""

    which = forms.ChoiceField(label=gettext_lazy("weight"))

    class Meta:
        model = MetricWeight
        fields = ["value", "effective_from", "note"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields.get("which")
        if field is None:  # somebody who only looks
            return
        assert isinstance(field, forms.ChoiceField)
        field.choices = [
            (f"{each.metric}.{each.name}", f"{each.metric} · {each.label}")
            for each in weight_names().values()
        ]

    def clean_effective_from(self) -> date:
        day: date = self.cleaned_data["effective_from"]
        if day < timezone.localdate():
            raise ValidationError(
                _("Figures of past days stay as they were: today at the earliest.")
            )
        return day

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        metric, _dot, name = str(data.get("which", "")).partition(".")
        self.instance.metric, self.instance.name = metric, name
        value = data.get("value")
        if name == "cap" and value is not None and (value < 1 or value % 1):
            self.add_error("value", _("The cap is a whole number from 1 on."))
        return data

    def _get_validation_exclusions(self) -> set[str]:
        # The constraint on metric, name and day is checked although two are not fields.
        excluded: set[str] = super()._get_validation_exclusions()  # type: ignore[misc]
        is_known = "which" in self.cleaned_data
        return excluded - {"metric", "name"} if is_known else excluded


@admin.register(MetricWeight)
class MetricWeightAdmin(ScopedAdmin):
    """A changed weight is a new row with its date; rows that count stay as they are."""

    row_scope = None  # the formulas are the same for everybody
    form = WeightForm
    list_display = ("label", "metric_name", "value", "effective_from", "note")
    list_display_links = ("label",)
    list_filter = ("metric",)
    actions = None

    @admin.display(description=gettext_lazy("weight"), ordering="name")
    def label(self, row: MetricWeight) -> str:
        known = weight_names().get((row.metric, row.name))
        return known.label if known else row.name

    @admin.display(description=gettext_lazy("metric"), ordering="metric")
    def metric_name(self, row: MetricWeight) -> str:
        known = all_metrics().get(row.metric)
        return f"{row.metric} {known.name}" if known else row.metric

    def heading(self, obj: Model) -> str:
        assert isinstance(obj, MetricWeight)
        return f"{self.label(obj)} · {obj.effective_from:%F}"

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj is None:
            return ("which", "value", "effective_from", "note")
        return ("metric_name", "label", "value", "effective_from", "note")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        # Before its day a row is only a plan.
        is_ahead = obj is None or obj.effective_from > timezone.localdate()
        return is_ahead and bool(super().has_delete_permission(request, obj))

    def audit_label(self, obj: Model) -> str:
        return str(obj)

    def save_model(
        self, request: HttpRequest, obj: MetricWeight, form: Any, change: bool
    ) -> None:
        with transaction.atomic():
            super().save_model(request, obj, form, change)
            if obj.name == "cap":
                weights.recount_since(obj.effective_from)
