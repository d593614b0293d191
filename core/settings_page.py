"""The figures an administrator may change: one page, bounds checked, every change kept."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext as _

from core import audit, job_pages, jobs
from core.models import SystemSetting
from core.pages import console_page
from core.system_settings import Declaration, declarations

PERMISSION = "core.change_systemsetting"


def _form_field(declared: Declaration) -> forms.Field:
    shared: dict[str, Any] = {
        "label": declared.label,
        "help_text": declared.help_text,
        "required": not isinstance(declared.default, (bool, str)),
    }
    if isinstance(declared.default, bool):
        return forms.BooleanField(**shared)
    if isinstance(declared.default, int):
        return forms.IntegerField(
            min_value=declared.minimum,
            max_value=declared.maximum,
            widget=forms.NumberInput(attrs={"class": "pd-input pd-input-short"}),
            **shared,
        )
    if isinstance(declared.default, float):
        return forms.FloatField(
            min_value=declared.minimum,
            max_value=declared.maximum,
            widget=forms.NumberInput(
                attrs={"class": "pd-input pd-input-short", "step": "any"}
            ),
            **shared,
        )
    rows = 2 if len(str(declared.default)) > 20 else 1
    return forms.CharField(
        max_length=500,
        widget=forms.Textarea(attrs={"class": "pd-input", "rows": rows}),
        **shared,
    )


class SettingsForm(forms.Form):
    """One field per declaration; keys hold dots, so the fields are named by position."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.keys: dict[str, Declaration] = {}
        for number, declared in enumerate(declarations.values()):
            self.fields[f"s{number}"] = _form_field(declared)
            self.keys[f"s{number}"] = declared

    def rows(self) -> list[dict[str, Any]]:
        return [
            {"field": self[name], "declared": declared}
            for name, declared in self.keys.items()
        ]

    def save(self, *, actor: Any) -> int:
        """Write what changed, each with its audit entry; returns how many."""
        changed = 0
        with transaction.atomic():
            stored = {row.key: row for row in SystemSetting.objects.select_for_update()}
            for name, declared in self.keys.items():
                changed += _store(
                    declared, stored.get(declared.key), self.cleaned_data[name], actor
                )
        return changed


def _store(
    declared: Declaration, row: SystemSetting | None, value: Any, actor: Any
) -> bool:
    before = declared.default if row is None else row.value
    if value == before:
        return False
    if row is None:
        row = SystemSetting(key=declared.key)
    row.value = value
    row.save()
    audit.record(
        "core.systemsetting.changed",
        row,
        actor=actor,
        before={"value": before},
        after={"value": value},
        label=declared.key,
    )
    return True


def _in_force() -> dict[str, Any]:
    stored = dict(SystemSetting.objects.values_list("key", "value"))
    return {
        f"s{number}": stored.get(declared.key, declared.default)
        for number, declared in enumerate(declarations.values())
    }


@permission_required(PERMISSION, raise_exception=True)
def page(request: HttpRequest) -> HttpResponse:
    form = SettingsForm(request.POST or None, initial=_in_force())
    if request.method == "POST" and form.is_valid():
        count = form.save(actor=request.user)
        if count:
            messages.success(request, _("Saved; the new figures hold from now on."))
        else:
            messages.info(request, _("Nothing was changed."))
        return HttpResponseRedirect(reverse("admin:system_settings"))
    return console_page(
        request,
        "console/settings.html",
        title=_("Settings"),
        lead=_(
            "Figures the console works with. Every change is kept with who and when."
        ),
        context={"form": form, "may_rotate": _may_rotate(request)},
        status=422 if form.errors else 200,
    )


def _may_rotate(request: HttpRequest) -> bool:
    return request.user.has_perm("core.rotate_field_keys")


@permission_required("core.rotate_field_keys", raise_exception=True)
def rotate_keys(request: HttpRequest) -> HttpResponse:
    if request.method != "POST":
        return HttpResponseRedirect(reverse("admin:system_settings"))
    job = jobs.start("core.rotate_field_keys", actor=request.user)  # type: ignore[arg-type]
    return HttpResponseRedirect(job_pages.job_url(job))
