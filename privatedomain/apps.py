"""App configurations of the project itself."""

from django.apps import AppConfig, apps
from django.contrib.admin.apps import AdminConfig as DjangoAdminConfig
from django.utils.translation import gettext_lazy as _

from privatedomain import celery as celery  # what `shared_task` binds to
from privatedomain import heap

heap.hold()


class AdminConfig(DjangoAdminConfig):
    """The admin site of the console."""

    default_site = "privatedomain.admin_site.ConsoleSite"


class PrivatedomainConfig(AppConfig):
    """Last in the list: what joins the layers is wired here."""

    name = "privatedomain"

    def ready(self) -> None:
        # Importing the checks registers them.
        from privatedomain import (
            api_page,
            audit_labels,
            checks,
            first_steps,
            health,
            health_page,
            heartbeats,
            holding,
            pages,
        )

        assert checks
        apps.get_app_config("axes").verbose_name = _("Log-in protection")
        health.register()
        heartbeats.register()
        health_page.register()
        first_steps.register()
        pages.register()
        holding.register()
        api_page.register()
        audit_labels.register()
        heap.release()
