"""Pages of the console as a whole, put into the side bar."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from core import navigation
from core.registry import NavItem, nav_items
from staff.scope import sees_instance


def register() -> None:
    """Called once, by ready()."""
    nav_items.append(
        NavItem(
            group=navigation.SYSTEM,
            title=_("System health"),
            url_name="admin:health",
            permission="core.view_health",
            icon="monitor_heart",
            order=900,
            is_for=sees_instance,
        )
    )
