"""App configuration; ready() fills the registries of the layers below."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class CampaignsConfig(AppConfig):
    name = "campaigns"
    verbose_name = _("Campaigns")

    def ready(self) -> None:
        # Handlers register themselves.
        from campaigns import attribution, lifecycle, wording  # noqa: F401
        from core.registry import PeriodicTask, periodic_tasks

        attribution.declare_settings()
        wording.describe_history()
        periodic_tasks.append(
            PeriodicTask(
                "campaigns.attribution", "campaigns.tasks.attribute_responses", 60
            )
        )
