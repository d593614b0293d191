"""App configurations of the project itself."""

from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig as DjangoAdminConfig


class AdminConfig(DjangoAdminConfig):
    """The admin site of the console."""

    default_site = "privatedomain.admin_site.ConsoleSite"


class PrivatedomainConfig(AppConfig):
    """Last in the list: what joins the layers is wired here."""

    name = "privatedomain"

    def ready(self) -> None:
        from privatedomain import health, health_page, heartbeats, pages

        health.register()
        heartbeats.register()
        health_page.register()
        pages.register()
