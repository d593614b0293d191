"""App configuration; ready() fills the registries of the layers below."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class ContentConfig(AppConfig):
    name = "content"
    verbose_name = _("Content")

    def ready(self) -> None:
        from content import attention, calendar_pages, marketing_days, pages
        from core.registry import builtin_data

        builtin_data.append(marketing_days.load_builtin)
        pages.register()
        calendar_pages.register()
        attention.register()
