"""`manage build`: stylesheet, translations and static files, as `script/up` does."""

from __future__ import annotations

import os
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from privatedomain import assets, translations


class Command(BaseCommand):
    help = "Build the stylesheet, compile the translations, collect the static files."
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        translations.compile_catalogues()
        assets.build_stylesheet()
        assets.collect_static(dict(os.environ), settings.STATIC_ROOT)
