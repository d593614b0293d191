"""System checks: a copy with wrong secrets or addresses refuses to start."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from cryptography.fernet import Fernet
from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register
from django.core.exceptions import ImproperlyConfigured

from privatedomain.instance import DEMO_MARK


@register()
def check_secrets(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> list[CheckMessage]:
    """Keys are present and well formed; an https copy runs on none of the demo's."""
    problems: list[CheckMessage] = []
    for key in settings.FIELD_KEYS:
        if not _is_fernet_key(key):
            problems.append(
                Error(
                    "FIELD_KEYS holds something that is not a Fernet key.",
                    hint="Make one: script/manage shell -c 'from cryptography.fernet "
                    "import Fernet; print(Fernet.generate_key().decode())'",
                    id="privatedomain.E001",
                )
            )
    if not settings.IS_HTTPS:
        return problems
    if settings.DEMO:
        problems.append(
            Error(
                "DEMO=1 with a public https address: demo logins are no secret.",
                hint="Set DEMO=0 and start with an empty database and new secrets.",
                id="privatedomain.E002",
            )
        )
    for name in ("SECRET_KEY", "SEARCH_KEY"):
        value = getattr(settings, name)
        if value == settings.INSECURE_SECRET_KEY or value.startswith(DEMO_MARK):
            problems.append(
                Error(
                    f"{name} is unset or made for a demo.",
                    hint="Use 50 random characters or more of your own.",
                    id="privatedomain.E003",
                )
            )
    if not settings.FIELD_KEYS:
        problems.append(
            Error(
                "FIELD_KEYS is empty: nothing can be encrypted.",
                id="privatedomain.E004",
            )
        )
    return problems


@register(deploy=True)
def check_addresses(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> list[CheckMessage]:
    """A production copy has a public address and does not trust every proxy header."""
    problems: list[CheckMessage] = []
    if not settings.IS_HTTPS:
        problems.append(
            Warning(
                "PUBLIC_URL is not an https address.",
                hint="Platforms call back to it, and cookies are only safe over https.",
                id="privatedomain.W001",
            )
        )
    if settings.IS_HTTPS and settings.SECURE_PROXY_SSL_HEADER is None:
        problems.append(
            Warning(
                "TRUSTED_PROXIES is 0: behind nginx every request looks like http.",
                hint="Set TRUSTED_PROXIES=1 when nginx is the only proxy.",
                id="privatedomain.W002",
            )
        )
    if not os.environ.get("SEARCH_KEY"):
        problems.append(
            Warning(
                "SEARCH_KEY is unset: changing SECRET_KEY would break phone look-up.",
                id="privatedomain.W003",
            )
        )
    return problems


def refuse_wrong_secrets() -> None:
    """Called by the servers' entry points, which run no system checks of Django.

    Raises:
        ImproperlyConfigured: with what is wrong.
    """
    problems = check_secrets(None)
    if problems:
        raise ImproperlyConfigured("\n".join(str(problem) for problem in problems))


def _is_fernet_key(key: str) -> bool:
    try:
        Fernet(key)
    except ValueError:
        return False
    return True
