"""What beat's entries are called on screen, under the names the code keeps them by."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from core.registry import Text

LABELS: dict[str, Text] = {
    "attempt files": _("Remove old evidence of calls"),
    "campaigns.attribution": _("Credit what people did to campaign messages"),
    "campaigns.approvals": _("End approvals whose time is over"),
    "celery.backend_cleanup": _("Clear old results"),
    "clear sessions": _("Clear ended sessions"),
    "contacts": _("Read the WeCom contacts"),
    "crm.exchange": _("Delete old uploads and exported files"),
    "crm.partitions": _("Make room for coming months"),
    "crm.profiles": _("Look up profiles"),
    "crm.purge": _("Purge members who left"),
    "crm.auto_tags": _("Follow the tag rules once a night"),
    "crm.value_night": _("Compute everybody's value once a night"),
    "crm.values": _("Compute the value of those who changed"),
    "crm.segment_night": _("Compute every segment once a night"),
    "crm.segments": _("Compute segments"),
    "crm.tags": _("Take off tags whose time is over"),
    "heartbeat worker": _("Sign of life: worker"),
    "heartbeat worker-realtime": _("Sign of life: worker-realtime"),
    "inbound bodies": _("Empty old callback bodies"),
    "jobs": _("Start waiting jobs"),
    "kf accounts": _("Read the accounts of WeChat Customer Service"),
    "kf poll": _("Fetch messages of WeChat Customer Service"),
    "outbox evidence": _("Settle sends whose sender was lost"),
    "reports.rollups": _("Add up key figures"),
    "service.presence": _("Note absent agents"),
    "tokens": _("Refresh access tokens"),
}
