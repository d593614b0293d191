"""ASGI entry of the live process: WebSockets below /ws/ and nothing else."""

from __future__ import annotations

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "privatedomain.settings")
application = get_asgi_application()
