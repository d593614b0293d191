"""What higher apps add to the parts below them.

Explicit lists filled in AppConfig.ready(), which runs in layer order. Nothing here knows
who fills it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.functional import Promise

Text = str | Promise
# (text, address, count or None, tone of core.templatetags.console.status)
TileLine = tuple[Text, str, int | None, str]


@dataclass(frozen=True)
class HealthResult:
    """How one part is. `ok=None` means: nothing to say here (not used in this setup)."""

    ok: bool | None
    text: Text = ""
    figures: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class HealthCheck:
    """`required` ones decide /readyz; the others are only shown.

    `advice`: what an administrator does when it is not well.
    """

    name: str
    label: Text
    check: Callable[[], HealthResult]
    required: bool = False
    advice: Text = ""


@dataclass(frozen=True)
class HomeTile:
    """One answer to "what needs me now". `build` returns the lines, each a link.

    `build(request)` gives `(text, url, count, tone)` per line, a count of None shows none;
    an empty list hides the tile. `permission` decides who sees it.
    """

    name: str
    title: Text
    permission: str
    build: Callable[[HttpRequest], Sequence[TileLine]]
    order: int = 100


@dataclass(frozen=True)
class HomeLead:
    """What stands above the tiles, large: `render(request)` returns safe HTML."""

    name: str
    permission: str
    render: Callable[[HttpRequest], str]
    order: int = 100


@dataclass(frozen=True)
class NavItem:
    """A line of the side bar; `group` is one of core.navigation's.

    `is_for(user)`: what besides the permission must hold to see it.
    """

    group: Text
    title: Text
    url_name: str
    permission: str
    icon: str = ""
    order: int = 100
    badge: Callable[[HttpRequest], int | str] | None = None
    is_for: Callable[[Any], bool] | None = None


@dataclass(frozen=True)
class PeriodicTask:
    """A beat entry kept by `sync_periodic_tasks`; operators own `enabled` and times."""

    name: str
    task: str
    every_seconds: int
    queue: str = "default"


health_checks: list[HealthCheck] = []
home_tiles: list[HomeTile] = []
home_leads: list[HomeLead] = []
nav_items: list[NavItem] = []
# Pages of our own inside the admin site: (route below /admin/, view, url name). The site
# asks for the log-in; the view itself checks the permission.
site_urls: list[tuple[str, Callable[..., HttpResponseBase], str]] = []
periodic_tasks: list[PeriodicTask] = []
# What an action of the trail is called ("crm.member.revealed" → "Phone revealed").
audit_labels: dict[str, Text] = {}
# What an automatic writer is called where a page says who did it ("crm.purge").
writer_labels: dict[str, Text] = {}
# What a value under a key of the trail is called ({"purpose": {"marketing": …}}).
audit_values: dict[str, dict[str, Text]] = {}
# Run by `sync_builtin_data` after every migration; each must be safe to repeat.
builtin_data: list[Callable[[], None]] = []
# Called with the Staff when someone is deactivated, in the same transaction.
on_staff_deactivated: list[Callable[..., None]] = []
