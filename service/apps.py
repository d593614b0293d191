"""App configuration; ready() fills the registries of the layers below."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class ServiceConfig(AppConfig):
    name = "service"
    verbose_name = _("Service")

    def ready(self) -> None:
        from core import registry

        # intake and lifecycle hang themselves on to the layers below.
        from service import attention, intake, lifecycle, presence, wording  # noqa: F401
        from service.urls import SITE_URLS
        from wechat.registry import media_viewers

        wording.declare_settings()
        wording.describe_history()
        attention.register()
        registry.site_urls.extend(SITE_URLS)
        registry.on_staff_deactivated.append(lifecycle.give_back)
        media_viewers.append(presence.may_see_picture)
