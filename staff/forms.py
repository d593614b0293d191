"""Log-in and one's own password."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from unfold.forms import AdminOwnPasswordChangeForm, AuthenticationForm

from staff import accounts
from staff.models import Staff


class LoginForm(AuthenticationForm):
    """Says in the form when the account is locked, as to whoever guesses wrong."""

    error_messages = {
        **AuthenticationForm.error_messages,
        "invalid_login": _(
            "The user name or the password is wrong. Both are case-sensitive."
        ),
    }

    def get_invalid_login_error(self) -> forms.ValidationError:
        if getattr(self.request, "axes_locked_out", False):
            minutes = round(settings.AXES_COOLOFF_TIME * 60)
            text = ngettext(
                "Too many failed attempts. Try again in %(minutes)d minute, or ask an "
                "administrator to unlock you.",
                "Too many failed attempts. Try again in %(minutes)d minutes, or ask an "
                "administrator to unlock you.",
                minutes,
            )
            return forms.ValidationError(text % {"minutes": minutes}, code="locked")
        return super().get_invalid_login_error()  # type: ignore[no-any-return]


class OwnPasswordForm(AdminOwnPasswordChangeForm):
    """The person's own change; staff.accounts writes and audits it."""

    user: Staff

    def clean_new_password1(self) -> str:
        password: str = self.cleaned_data["new_password1"]
        if self.user.check_password(password):
            raise forms.ValidationError(_("Choose a password you do not have now."))
        return password

    def save(self, commit: bool = True, *, keep_session: str | None = None) -> Any:
        accounts.change_password(
            self.user, self.cleaned_data["new_password1"], keep_session=keep_session
        )
        return self.user
