"""App configuration; ready() fills the registries of the layers below."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class CrmConfig(AppConfig):
    name = "crm"
    verbose_name = _("Members")

    def ready(self) -> None:
        from core.registry import PeriodicTask, builtin_data, periodic_tasks
        from core.system_settings import Declaration, declare

        # Handlers register themselves.
        from crm import (  # noqa: F401
            bulk,
            complaints,
            consent,
            consent_texts,
            contacts,
            history,
            inbound,
            member_panels,
            merge_pages,
            merging,
            notes,
            partitions,
            passes,
            preference_links,
            reveal_pages,
            segment_lists,
            segment_panel,
            tag_hygiene_pages,
            tagging,
            taxonomy,
            vetoes,
            wording,
        )
        from crm.auto_tags import running as auto_tags
        from crm.exchange import starting
        from crm.segments import computing
        from crm.value import setup

        passes.register()
        computing.register()
        merge_pages.register()
        wording.describe_all()
        history.register()
        member_panels.register()
        starting.register()
        bulk.register()
        segment_panel.register()
        auto_tags.register()
        tag_hygiene_pages.register()
        declare(
            Declaration(
                "purge_after_days",
                _("Days until the data of somebody who left is purged"),
                30,
                unit=_("days"),
                help_text=_(
                    "Counted from the day nothing reaches the person any more. "
                    "Following again stops the clock."
                ),
                minimum=1,
                maximum=365,
            )
        )
        declare(
            Declaration(
                "reveals_per_hour",
                _("Phone numbers one person may reveal per hour"),
                50,
                unit=_("times"),
                minimum=1,
                maximum=500,
            )
        )
        complaints.declare_settings()
        reveal_pages.register()
        preference_links.declare_settings()
        setup.register()
        builtin_data.extend(
            (
                partitions.make_ahead,
                taxonomy.load_builtin,
                consent_texts.load_builtin,
            )
        )
        periodic_tasks.extend(
            (
                PeriodicTask("crm.partitions", "crm.tasks.make_partitions", 6 * 3600),
                PeriodicTask("crm.profiles", "crm.tasks.drain_profiles", 15),
                PeriodicTask("crm.tags", "crm.tasks.expire_tags", 300, "bulk"),
                PeriodicTask("crm.segments", "crm.tasks.compute_segments", 60, "bulk"),
                PeriodicTask("crm.purge", "crm.tasks.purge_members", 3600, "bulk"),
            )
        )
