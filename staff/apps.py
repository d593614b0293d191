"""App configuration; ready() fills the registries of the layers below."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class StaffConfig(AppConfig):
    name = "staff"
    verbose_name = _("People and places")

    def ready(self) -> None:
        from django.contrib.auth.signals import user_logged_in

        from core.registry import site_urls
        from staff import middleware, pages

        user_logged_in.connect(middleware.begin, dispatch_uid="staff.session_begin")
        site_urls.extend(
            [
                ("me/", pages.me, "me"),
                ("me/language/", pages.language, "language"),
                ("me/sessions/end/", pages.end_other_sessions, "end_other_sessions"),
            ]
        )
