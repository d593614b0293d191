"""Forms of accounts and apps: secrets go in and never come out."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.widgets import UnfoldAdminPasswordWidget

from wechat import verify_files
from wechat.models import Account, App, PlatformLimit, VerifyFile

VERIFY_NAME = re.compile(verify_files.NAME)
TOKEN = re.compile(r"[A-Za-z0-9]{3,32}")


class AccountForm(forms.ModelForm):  # type: ignore[type-arg]
    """The state is moved by its own buttons, never by this form."""

    class Meta:
        model = Account
        # The page adds the address, whose field core.admin makes.
        fields = [
            *("name", "slug", "kind", "role", "org_unit", "original_id"),
            *("charter_value", "charter_audience", "charter_goal", "charter_owner"),
            *("has_web_authorisation", "is_sandbox"),
        ]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in ("charter_value", "charter_audience", "charter_goal"):
            if name in self.fields:
                self.fields[name].widget.attrs["rows"] = 3

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        if data.get("api_base_url") and not data.get("is_sandbox"):
            self.add_error(
                "api_base_url",
                _("Only a sandbox account may have an API address of its own."),
            )
        if data.get("has_web_authorisation") and data.get("kind") != "service":
            self.add_error(
                "has_web_authorisation",
                _("Only a Service Account has web authorisation."),
            )
        return data


class SecretField(forms.CharField):
    """Shows whether there is a value and nothing of it; left empty it keeps it."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("required", False)
        kwargs.setdefault("max_length", 200)
        kwargs["widget"] = UnfoldAdminPasswordWidget(
            attrs={"autocomplete": "new-password"}, render_value=False
        )
        super().__init__(**kwargs)


class AppForm(forms.ModelForm):  # type: ignore[type-arg]
    new_secret = SecretField(label=gettext_lazy("secret"))
    new_token = SecretField(label=gettext_lazy("callback token"))
    new_aes_key = SecretField(label=gettext_lazy("EncodingAESKey"))

    class Meta:
        model = App
        fields = ["name", "slug", "app_id", "agent_id", "mode", "is_active"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in ("secret", "token", "aes_key"):
            field = self.fields.get(f"new_{name}")
            if field is None:  # somebody who only looks
                continue
            is_set = bool(self.instance.pk and getattr(self.instance, name))
            field.widget.attrs["placeholder"] = _("set") if is_set else _("not set")
            field.help_text = _("Leave it empty to keep it.") if is_set else ""

    def clean_new_token(self) -> str:
        value = str(self.cleaned_data.get("new_token") or "").strip()
        if value and not TOKEN.fullmatch(value):
            raise ValidationError(_("The token has 3 to 32 letters and digits."))
        return value

    def clean_new_aes_key(self) -> str:
        value = str(self.cleaned_data.get("new_aes_key") or "").strip()
        if value and not _is_aes_key(value):
            raise ValidationError(
                _("The EncodingAESKey has exactly 43 letters and digits.")
            )
        return value

    def has_changed(self) -> bool:
        return bool(super().has_changed())

    def given_secrets(self) -> dict[str, str]:
        return {
            name: str(self.cleaned_data.get(f"new_{name}") or "").strip()
            for name in ("secret", "token", "aes_key")
        }


def _is_aes_key(value: str) -> bool:
    if not re.fullmatch(r"[A-Za-z0-9]{43}", value):
        return False
    try:
        return len(base64.b64decode(value + "=")) == 32
    except binascii.Error:
        return False


class VerifyFileForm(forms.ModelForm):  # type: ignore[type-arg]
    """A file the platform gave, typed or uploaded; both name and content are checked."""

    upload = forms.FileField(
        label=gettext_lazy("File"),
        required=False,
        help_text=gettext_lazy("MP_verify_….txt or WW_verify_….txt, as downloaded."),
    )

    class Meta:
        model = VerifyFile
        fields = ["name", "content"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in ("name", "content"):
            if name in self.fields:
                self.fields[name].required = False

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        uploaded = data.get("upload")
        if uploaded is not None:
            data["name"] = uploaded.name
            data["content"] = uploaded.read(65).decode("ascii", "replace").strip()
        name, content = data.get("name") or "", data.get("content") or ""
        if not VERIFY_NAME.fullmatch(name):
            self.add_error(
                "name", _("The name must be MP_verify_….txt or WW_verify_….txt.")
            )
        if not re.fullmatch(r"[A-Za-z0-9_\-]{1,64}", content):
            self.add_error(
                "content", _("The file has at most 64 letters and digits on one line.")
            )
        return data


class PlatformLimitForm(forms.ModelForm):  # type: ignore[type-arg]
    class Meta:
        model = PlatformLimit
        # The page adds the source, an address, whose field core.admin makes.
        fields = ["key", "value", "unit", "effective_from", "note"]

    def clean_key(self) -> str:
        from wechat import limits

        key = str(self.cleaned_data["key"]).strip()
        if key not in {limit.key for limit in limits.BUILTIN}:
            raise ValidationError(
                _("No part of the console reads a limit with this key.")
            )
        return key
