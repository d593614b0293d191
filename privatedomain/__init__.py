"""The project: settings, entry points, the admin site and its navigation."""

from privatedomain.celery import app as celery_app

__all__ = ["celery_app"]
