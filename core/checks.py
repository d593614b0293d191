"""Deploy checks: an installation people rely on refuses demo secrets.

`check --deploy` runs them; `script/up` of a demo on loopback does not.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlparse

from cryptography.fernet import Fernet
from django.conf import settings
from django.core.checks import Error, Tags, register

LOOPBACK = {"127.0.0.1", "localhost", "::1"}
MIN_KEY_LENGTH = 50


@register(Tags.security, deploy=True)
def check_secrets(app_configs: Any, **kwargs: Any) -> list[Error]:
    found = []
    weak = settings.SECRET_KEY == settings.INSECURE_SECRET_KEY
    if weak or len(settings.SECRET_KEY) < MIN_KEY_LENGTH:
        found.append(
            Error(
                "SECRET_KEY is the demo's or too short.",
                hint="Set SECRET_KEY to 50 or more random characters.",
                id="core.E001",
            )
        )
    if settings.SEARCH_KEY == settings.SECRET_KEY:
        found.append(
            Error(
                "SEARCH_KEY is not set: look-ups by phone would follow SECRET_KEY.",
                hint="Set SEARCH_KEY to a random value of its own.",
                id="core.E002",
            )
        )
    return found


@register(Tags.security, deploy=True)
def check_field_keys(app_configs: Any, **kwargs: Any) -> list[Error]:
    if not settings.FIELD_KEYS:
        return [
            Error(
                "FIELD_KEYS is empty: nothing personal could be stored.",
                hint="Set FIELD_KEYS to one or more Fernet keys, comma separated.",
                id="core.E003",
            )
        ]
    for key in settings.FIELD_KEYS:
        try:
            Fernet(key)
        except ValueError:
            return [
                Error(
                    "FIELD_KEYS holds something that is no Fernet key.",
                    hint="A key is 32 random bytes in URL-safe base 64.",
                    id="core.E004",
                )
            ]
    return []


@register(Tags.security, deploy=True)
def check_addresses(app_configs: Any, **kwargs: Any) -> list[Error]:
    found = []
    if settings.DEMO:
        found.append(
            Error(
                "DEMO is on: accounts with known passwords and a sandbox.",
                hint="Set DEMO=0.",
                id="core.E005",
            )
        )
    address = urlparse(settings.PUBLIC_URL)
    if address.scheme != "https" and address.hostname not in LOOPBACK:
        found.append(
            Error(
                "PUBLIC_URL is not https: passwords and customers' words in clear.",
                hint="Put TLS in front and set PUBLIC_URL=https://…",
                id="core.E006",
            )
        )
    if settings.DEBUG:
        found.append(
            Error("DEBUG is on.", hint="Unset DEBUG.", id="core.E007"),
        )
    return found
