"""What of importing and exporting the rest of the console knows."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from core import jobs, navigation
from core.registry import NavItem, PeriodicTask, nav_items, periodic_tasks, site_urls
from core.system_settings import Declaration, declare
from core.templatetags.console import FIGURE_NAMES
from crm.exchange import (
    export_kinds,
    export_pages,
    exports,
    import_pages,
    imports,
    running,
)
from crm.timeline import Group, describe


def register() -> None:
    """Called once, in AppConfig.ready()."""
    jobs.register(
        imports.CHECK, _("Check of an import"), running.check, is_resumable=True
    )
    jobs.register(imports.RUN, _("Import"), running.run, is_resumable=True)
    jobs.register(exports.JOB, _("Export"), exports.run, is_resumable=True)
    FIGURE_NAMES.update(
        new=_("newly made"),
        known=_("known already"),
        item=_("further items"),
        double=_("double in the file"),
        refused=_("refused rows"),
    )
    export_kinds.register()
    describe(
        "imported",
        Group.PROFILE,
        _("Imported from a file"),
        icon="upload_file",
        text=lambda data: data.get("file", ""),
    )
    _declare_settings()
    site_urls.extend((*import_pages.URLS, *export_pages.URLS))
    nav_items.extend(
        (
            NavItem(
                navigation.MEMBERS,
                _("Imports"),
                "admin:crm_imports",
                imports.PERMISSION,
                icon="upload_file",
                order=610,
            ),
            NavItem(
                navigation.MEMBERS,
                _("Exports"),
                "admin:crm_exports",
                exports.PERMISSION,
                icon="download",
                order=620,
            ),
        )
    )
    periodic_tasks.append(
        PeriodicTask("crm.exchange", "crm.tasks.sweep_exchange", 900, "bulk")
    )


def _declare_settings() -> None:
    declare(
        Declaration(
            "export_file_days",
            _("Days until an exported file is deleted"),
            7,
            unit=_("days"),
            minimum=1,
            maximum=90,
        )
    )
    declare(
        Declaration(
            "export_approval_rows",
            _("Rows above which a second person must approve an export"),
            2000,
            unit=_("rows"),
            help_text=_("Phones and real names in clear always need approval."),
            minimum=0,
            maximum=1_000_000,
        )
    )
    declare(
        Declaration(
            "export_max_rows",
            _("Rows an export may have at most"),
            2_000_000,
            unit=_("rows"),
            minimum=1,
            maximum=10_000_000,
        )
    )
    declare(
        Declaration(
            "import_file_days",
            _("Days until an uploaded file is deleted"),
            30,
            unit=_("days"),
            minimum=1,
            maximum=365,
        )
    )
