"""A copy with a public https address refuses to serve with wrong secrets.

The deploy checks of `core.checks` say what is wrong; here they also stop the servers'
entry points, which run no system checks of Django. On plain http nothing is refused.
"""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register
from django.core.exceptions import ImproperlyConfigured

from core.checks import check_addresses, check_field_keys, check_secrets
from privatedomain.instance import DEMO_MARK


@register(deploy=True)
def check_demo_secrets(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """`script/up` marks the keys it makes for a demo."""
    return [
        Error(
            f"{name} was made for a demo.",
            hint="Use random characters of your own, not a demo's secrets.env.",
            id="privatedomain.E001",
        )
        for name in ("SECRET_KEY", "SEARCH_KEY")
        if getattr(settings, name).startswith(DEMO_MARK)
    ]


@register(deploy=True)
def check_proxy(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    if not settings.IS_HTTPS or settings.SECURE_PROXY_SSL_HEADER is not None:
        return []
    return [
        Warning(
            "TRUSTED_PROXIES is 0: behind nginx every request looks like http.",
            hint="Set TRUSTED_PROXIES=1 when nginx is the only proxy.",
            id="privatedomain.W001",
        )
    ]


def refuse_wrong_secrets() -> None:
    """Called by the entry points of web and live.

    Raises:
        ImproperlyConfigured: with everything that is wrong.
    """
    if not settings.IS_HTTPS:
        return
    checks = (check_secrets, check_field_keys, check_addresses, check_demo_secrets)
    problems = [str(problem) for check in checks for problem in check(None)]
    if problems:
        raise ImproperlyConfigured("\n".join(problems))
