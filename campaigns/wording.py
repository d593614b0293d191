"""How the lines that campaigns write are shown on a timeline."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_lazy as _

from campaigns import clicks
from crm import interactions
from crm.timeline import Group, describe
from wechat.registry import purpose_labels


def describe_history() -> None:
    """Called once, in AppConfig.ready()."""
    purpose_labels["campaigns.touch"] = _("Campaign message")
    purpose_labels["campaigns.test"] = _("Test of a campaign message")
    interactions.add_act(clicks.TIMELINE_KIND)
    describe(
        clicks.TIMELINE_KIND,
        Group.CLICK,
        _("Opened a link of a campaign message"),
        icon="open_in_new",
        text=_opened,
    )


def _opened(data: dict[str, Any]) -> str:
    return " · ".join(str(data[name]) for name in ("name", "url") if data.get(name))
