"""WSGI entry of the web process.

Callbacks are answered before Django's middleware: they need one INSERT and an answer,
and must survive the database being away.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING

from django.core.wsgi import get_wsgi_application
from django.urls import get_resolver

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "privatedomain.settings")
console = get_wsgi_application()

from privatedomain import heap  # noqa: E402
from privatedomain.checks import refuse_wrong_secrets  # noqa: E402
from wechat import callbacks  # noqa: E402  (needs the settings)

refuse_wrong_secrets()
# Every page and its forms; else the first request loads them.
get_resolver().url_patterns  # noqa: B018
heap.settle()

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment


def application(
    environ: WSGIEnvironment, start_response: StartResponse
) -> Iterable[bytes]:
    """The console, and the callbacks of the platforms in front of it."""
    if environ.get("PATH_INFO", "").startswith(callbacks.PREFIX):
        return callbacks.application(environ, start_response)
    return console(environ, start_response)
