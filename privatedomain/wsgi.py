"""WSGI entry of the web process.

Callbacks are answered before Django's middleware: they need one INSERT and an answer,
and must survive the database being away.
"""

from __future__ import annotations

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "privatedomain.settings")
application = get_wsgi_application()
