"""App configuration; ready() fills the registries of the layers below."""

from django.apps import AppConfig
from django.utils.translation import pgettext_lazy


class ServiceConfig(AppConfig):
    name = "service"
    verbose_name = pgettext_lazy("section", "Service")

    def ready(self) -> None:
        from core import registry

        # intake, lifecycle and ratings hang themselves on to the layers below.
        from service import (  # noqa: F401
            attention,
            intake,
            lifecycle,
            panels,
            presence,
            ratings,
            tag_rules,
            wording,
        )
        from service.urls import SITE_URLS
        from wechat.registry import media_viewers, purpose_labels

        wording.declare_settings()
        wording.describe_history()
        attention.register()
        panels.register()
        tag_rules.register()
        registry.site_urls.extend(SITE_URLS)
        registry.periodic_tasks.append(
            registry.PeriodicTask("service.presence", "service.tasks.mark_absent", 30)
        )
        registry.on_staff_deactivated.append(lifecycle.give_back)
        purpose_labels.update(wording.PURPOSES | wording.BY_HAND)
        media_viewers.append(presence.may_see_picture)
