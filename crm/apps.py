"""App configuration; ready() fills the registries of the layers below."""

from importlib import import_module

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _

# These hang their handlers on by being imported. Handlers of one happening run in the
# order of the imports.
HANDLERS = (
    "crm.tagging",
    "crm.complaints",
    "crm.consent",
    "crm.contacts",
    "crm.inbound",
    "crm.merging",
    "crm.nearby",
    "crm.notes",
    "crm.segment_lists",
    "crm.vetoes",
)
# These have a `register()`, called once, in this order: the history is registered after
# the wording that describes its kinds.
PARTS = (
    "crm.passes",
    "crm.segments.computing",
    "crm.merge_pages",
    "crm.wording",
    "crm.history",
    "crm.member_panels",
    "crm.exchange.starting",
    "crm.bulk",
    "crm.segment_panel",
    "crm.auto_tags.running",
    "crm.tag_hygiene_pages",
    "crm.following",
    "crm.revealing",
    "crm.complaints",
    "crm.reveal_pages",
    "crm.preference_links",
    "crm.value.setup",
    "crm.partitions",
    "crm.taxonomy",
    "crm.orders",
    "crm.consent_texts",
    "crm.tasks",
)


class CrmConfig(AppConfig):
    """The members and all that hangs on them."""

    name = "crm"
    verbose_name = _("Members")

    def ready(self) -> None:
        """Import what listens, then let every part fill the registries."""
        for name in HANDLERS:
            import_module(name)
        for name in PARTS:
            import_module(name).register()
