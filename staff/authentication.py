"""Who calls the API: `Authorization: Bearer <token>` (or `Token <token>`)."""

from __future__ import annotations

from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from staff import tokens
from staff.models import ApiToken, Staff

SCHEMES = {"bearer", "token"}


class TokenAuthentication(BaseAuthentication):
    """Looks up the SHA-256 of the token; revoked ones and left staff are refused."""

    def authenticate(self, request: Request) -> tuple[Staff, ApiToken] | None:
        header = request.headers.get("Authorization", "")
        scheme, _space, token = header.partition(" ")
        if scheme.lower() not in SCHEMES:
            return None
        found = tokens.find(token.strip())
        if found is None:
            raise AuthenticationFailed(_("The token is unknown or was revoked."))
        found.note_use(timezone.now())
        return found.staff, found

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="api"'
