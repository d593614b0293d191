"""App configuration; ready() fills the registries of the layers below."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class ReportsConfig(AppConfig):
    name = "reports"
    verbose_name = _("Reports")

    def ready(self) -> None:
        from core.registry import PeriodicTask, builtin_data, periodic_tasks
        from crm import interactions
        from reports import health, home, pages, rollups, weights  # noqa: F401  rollups: merges

        interactions.read_cap_from(weights.interaction_cap)
        health.register()
        home.register()
        pages.register()
        builtin_data.append(weights.load_builtin)
        periodic_tasks.append(
            PeriodicTask("reports.rollups", "reports.tasks.add_up", 60)
        )
