"""App configuration; ready() fills the registries of the layers below."""

from typing import Any

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class CoreConfig(AppConfig):
    name = "core"
    verbose_name = _("System administration")

    def ready(self) -> None:
        from core import checks, theme_lists
        from core.registry import PeriodicTask, periodic_tasks

        assert checks
        theme_lists.install()
        _add_jobs()
        _add_settings()
        periodic_tasks.extend(
            [
                PeriodicTask("jobs", "core.tasks.run_jobs", 15, "bulk"),
                PeriodicTask("clear sessions", "core.tasks.clear_sessions", 86_400),
            ]
        )


def _add_jobs() -> None:
    from core import job_pages, navigation
    from core.registry import HomeTile, NavItem, home_tiles, nav_items, site_urls

    site_urls.extend(
        [
            ("jobs/", job_pages.mine, "jobs"),
            ("jobs/<int:job_id>/", job_pages.page, "job"),
            ("jobs/<int:job_id>/progress/", job_pages.progress, "job_progress"),
            ("jobs/<int:job_id>/cancel/", job_pages.cancel, "job_cancel"),
        ]
    )
    nav_items.append(
        NavItem(
            navigation.SYSTEM,
            _("Jobs"),
            "admin:jobs",
            "",
            icon="progress_activity",
            order=850,
        )
    )
    home_tiles.append(
        HomeTile("jobs", _("My jobs"), "", job_pages.home_lines, order=800)
    )


def _add_settings() -> None:
    from core import jobs, navigation, settings_page
    from core.registry import NavItem, nav_items, site_urls

    jobs.register(
        "core.rotate_field_keys",
        _("Re-encryption under the first key"),
        _rotate,
        is_resumable=True,
    )
    site_urls.extend(
        [
            ("settings/", settings_page.page, "system_settings"),
            ("settings/rotate-keys/", settings_page.rotate_keys, "rotate_keys"),
        ]
    )
    nav_items.append(
        NavItem(
            navigation.SYSTEM,
            _("Settings"),
            "admin:system_settings",
            settings_page.PERMISSION,
            icon="tune",
            order=800,
        )
    )


def _rotate(progress: Any) -> dict[str, Any]:
    from core.rotation import encrypted_fields, rotate_all

    # Estimates would do, but the tables with secrets are counted once per rotation.
    progress.total(sum(model._base_manager.count() for model, _c in encrypted_fields()))
    return rotate_all(progress.step)
