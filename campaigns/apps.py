"""App configuration; ready() fills the registries of the layers below."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class CampaignsConfig(AppConfig):
    name = "campaigns"
    verbose_name = _("Campaigns")

    def ready(self) -> None:
        # Handlers register themselves.
        from campaigns import (  # noqa: F401
            asking,
            attribution,
            bands,
            blueprints,
            caps,
            clearing,
            feeding,
            history,
            ledger,
            lifecycle,
            pace,
            quiet,
            quotas,
            tag_rules,
            testers,
            touches,
            wording,
        )
        from campaigns.pages import tiles
        from core.registry import PeriodicTask, builtin_data, periodic_tasks
        from crm.registry import (
            channel_quotas,
            segment_use_counts,
            segment_uses,
            tag_uses,
            tag_uses_seen,
        )

        asking.register()
        attribution.declare_settings()
        caps.declare_settings()
        quiet.declare_settings()
        pace.declare_settings()
        tag_rules.register()
        wording.describe_history()
        history.register()
        channel_quotas.append(quotas.left_for)
        builtin_data.append(blueprints.load_builtin)
        tag_uses.append(touches.uses_of_tag)
        tag_uses_seen.append(touches.tag_uses_for)
        segment_uses.append(touches.uses_of_segment)
        segment_use_counts.append(touches.segment_use_counts)
        periodic_tasks.extend(
            (
                PeriodicTask(
                    "campaigns.attribution", "campaigns.tasks.attribute_responses", 60
                ),
                PeriodicTask(
                    "campaigns.approvals", "campaigns.tasks.expire_approvals", 60
                ),
            )
        )
        feeding.register()
        clearing.register()
        tiles.register()
