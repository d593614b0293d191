"""What crm.value hangs on to."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from core import jobs
from core.registry import NavItem, PeriodicTask, builtin_data, nav_items, periodic_tasks
from core.system_settings import Declaration, declare
from core.templatetags.console import FIGURE_NAMES
from crm import registry
from crm.value import pages, running, weights, words


def register() -> None:
    """Called once, in AppConfig.ready()."""
    registry.reason_words.append(words.change_reason)
    registry.on_tagged(running.note_tags)
    registry.on_untagged(running.note_tags)
    pages.register()
    jobs.register(running.JOB, _("Compute values"), running.run_job, is_resumable=True)
    FIGURE_NAMES.update(
        members=_("members"),
        written=_("figures written"),
        moved=_("members with another stage, RFM or trust"),
    )
    declare(
        Declaration(
            "value_hour",
            _("Hour at which everybody's value is computed"),
            3,
            help_text=_("Lifecycle, RFM, closeness and trust; once a night."),
            minimum=0,
            maximum=23,
        )
    )
    builtin_data.append(weights.load_builtin)
    nav_items.append(
        NavItem(
            pages.GROUP,
            _("Lifecycle and value"),
            "admin:crm_value",
            pages.VIEW,
            icon="stairs",
            order=70,
        )
    )
    periodic_tasks.extend(
        (
            PeriodicTask("crm.values", "crm.tasks.drain_values", 30, "bulk"),
            PeriodicTask(
                "crm.value_night", "crm.tasks.start_nightly_values", 600, "bulk"
            ),
        )
    )
