"""App configuration; ready() fills the registries of the layers below."""

from typing import Any

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class CoreConfig(AppConfig):
    name = "core"
    verbose_name = _("System administration")

    def ready(self) -> None:
        from core import (
            checks,
            job_pages,
            jobs,
            navigation,
            settings_page,
            theme_lists,
        )
        from core.registry import (
            HomeTile,
            NavItem,
            PeriodicTask,
            home_tiles,
            nav_items,
            periodic_tasks,
            site_urls,
        )

        assert checks
        theme_lists.install()
        jobs.register(
            "core.rotate_field_keys",
            _("Re-encryption under the first key"),
            _rotate,
            is_resumable=True,
        )
        site_urls.extend(
            [
                ("jobs/", job_pages.mine, "jobs"),
                ("jobs/<int:job_id>/", job_pages.page, "job"),
                ("jobs/<int:job_id>/progress/", job_pages.progress, "job_progress"),
                ("jobs/<int:job_id>/cancel/", job_pages.cancel, "job_cancel"),
                ("settings/", settings_page.page, "system_settings"),
                ("settings/rotate-keys/", settings_page.rotate_keys, "rotate_keys"),
            ]
        )
        nav_items.extend(
            [
                NavItem(
                    navigation.SYSTEM,
                    _("Settings"),
                    "admin:system_settings",
                    settings_page.PERMISSION,
                    icon="tune",
                    order=800,
                ),
                NavItem(
                    navigation.SYSTEM,
                    _("Jobs"),
                    "admin:jobs",
                    "",
                    icon="progress_activity",
                    order=850,
                ),
            ]
        )
        home_tiles.append(
            HomeTile("jobs", _("My jobs"), "", job_pages.home_lines, order=800)
        )
        periodic_tasks.extend(
            [
                PeriodicTask("jobs", "core.tasks.run_jobs", 15, "bulk"),
                PeriodicTask("clear sessions", "core.tasks.clear_sessions", 86_400),
            ]
        )


def _rotate(progress: Any) -> dict[str, Any]:
    from core.rotation import encrypted_fields, rotate_all

    # Estimates would do, but the tables with secrets are counted once per rotation.
    progress.total(sum(model._base_manager.count() for model, _c in encrypted_fields()))
    return rotate_all(progress.step)
