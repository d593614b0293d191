"""App configuration; ready() fills the registries of the layers below."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class ServiceConfig(AppConfig):
    name = "service"
    verbose_name = _("Service")

    def ready(self) -> None:
        from core import system_settings

        system_settings.declare(
            system_settings.Declaration(
                key="service.answer_within_seconds",
                label=_("Answer a waiting customer within"),
                default=120,
                unit=_("seconds"),
                help_text=_("Waiting times turn amber at half of it and red after it."),
                minimum=10,
                maximum=86_400,
            )
        )
