"""Who calls the API: `Authorization: Bearer <token>` (or `Token <token>`)."""

from __future__ import annotations

from typing import Any

from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from drf_spectacular.extensions import OpenApiAuthenticationExtension
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


def caller(request: Request) -> Staff:
    """Who calls an operation that requires a token."""
    assert isinstance(request.user, Staff)
    return request.user


class TokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """How the OpenAPI document names the token."""

    target_class = TokenAuthentication
    name = "token"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {
            "type": "http",
            "scheme": "bearer",
            "description": "`Authorization: Bearer <token>`; `Token <token>` works too.",
        }
