"""The side bar: pages the apps announce, then the changelists of their models.

What a menu holds depends on the rights of whoever looks, on what else pages ask of them
(`NavItem.is_for`), the language and the prefix of the addresses, and is kept per these;
which line is lit and the figures on lines are the request's own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast

from django.contrib import admin
from django.contrib.admin import ModelAdmin
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.urls import get_script_prefix, reverse
from django.utils.safestring import SafeString, mark_safe
from django.utils.text import capfirst
from django.utils.translation import get_language

from core import navigation
from core.registry import NavItem, nav_items

if TYPE_CHECKING:
    from staff.models import Staff

# Changelists come after the pages of their group.
MODEL_ORDER = 500
ICONS = {
    "service.queue": "inbox",
    "service.conversation": "forum",
    "service.rating": "star",
    "service.agentstate": "support_agent",
    "crm.member": "group",
    "crm.matchreview": "compare",
    "crm.merge": "merge",
    "crm.tag": "sell",
    "crm.taggroup": "category",
    "crm.category": "shopping_bag",
    "crm.order": "receipt_long",
    "crm.product": "inventory_2",
    "crm.coupon": "confirmation_number",
    "crm.segment": "groups",
    "crm.identity": "badge",
    "crm.relation": "handshake",
    "crm.event": "timeline",
    "crm.consententry": "verified_user",
    "crm.consenttext": "gavel",
    "crm.topic": "interests",
    "crm.complaint": "sentiment_dissatisfied",
    "content.answerrule": "quickreply",
    "campaigns.campaign": "campaign",
    "campaigns.touch": "send",
    "reports.metricweight": "balance",
    "wechat.account": "storefront",
    "wechat.app": "key",
    "wechat.kfaccount": "headset_mic",
    "wechat.colleague": "contacts",
    "content.item": "article",
    "content.marketingday": "event",
    "wechat.inboundevent": "move_to_inbox",
    "wechat.outboundmessage": "outbox",
    "wechat.outboundbatch": "campaign",
    "wechat.platformlimit": "speed",
    "wechat.syncrun": "sync",
    "staff.staff": "person",
    "staff.orgunit": "account_tree",
    "staff.approval": "fact_check",
    "staff.apitoken": "vpn_key",
    "axes.accessattempt": "lock_clock",
    "axes.accesslog": "login",
    "wechat.quotause": "data_usage",
    "core.auditentry": "history",
    "core.job": "progress_activity",
    "core.systemsetting": "tune",
    "auth.group": "shield_person",
    "django_celery_beat.periodictask": "schedule",
}


Badge = Callable[[HttpRequest], int | str]
# None: of somebody who may do everything.
Rights = frozenset[str] | None


# Kept menus are made once, so that one is the same as another only if it is the other.
@dataclass(frozen=True, eq=False)
class Line:
    group: str
    order: int
    title: str
    link: str
    icon: str
    badge: Badge | None = None


@dataclass(frozen=True, eq=False)
class Group:
    title: str
    lines: tuple[Line, ...]


class _Holder:
    """Somebody of whom nothing is known but their rights: a menu depends on no more."""

    is_active = True

    def __init__(self, rights: Rights) -> None:
        self.rights = rights
        self.is_superuser = rights is None

    def has_perm(self, permission: str, obj: Any = None) -> bool:
        return self.rights is None or permission in self.rights

    def has_module_perms(self, app_label: str) -> bool:
        start = f"{app_label}."
        return self.rights is None or any(r.startswith(start) for r in self.rights)


class _Request:
    """What an admin is asked with whether its list may be opened."""

    def __init__(self, user: _Holder) -> None:
        self.user = user


def sidebar(request: HttpRequest) -> list[dict[str, Any]]:
    """The menu as data: groups with a title, but for the first, and items."""
    return [_as_data(group) for group in _groups(request)]


def _as_data(group: Group) -> dict[str, Any]:
    items = [
        {"title": line.title, "icon": line.icon, "link": line.link}
        for line in group.lines
    ]
    return {"title": group.title, "items": items} if group.title else {"items": items}


def drawn(request: HttpRequest) -> SafeString:
    """The menu's HTML for this person and page."""
    groups = _groups(request)
    current = _current(request.path, groups)
    shown = [
        _draw(
            group,
            current if current in group.lines else None,
            tuple(str(line.badge(request) or "") for line in group.lines if line.badge),
        )
        for group in groups
    ]
    return mark_safe("".join(shown))  # noqa: S308  each drawn by a template


@lru_cache(maxsize=4096)
def _draw(group: Group, current: Line | None, badges: tuple[str, ...]) -> SafeString:
    """`badges`: of the lines that have one, in their order."""
    figures = iter(badges)
    lines = [(line, next(figures) if line.badge else "") for line in group.lines]
    context = {"title": group.title, "lines": lines, "current": current}
    return render_to_string("console/menu_group.html", context)


def _groups(request: HttpRequest) -> tuple[Group, ...]:
    user = cast("Staff", request.user)
    rights = None if user.is_superuser else user.rights
    given = frozenset(
        item.url_name
        for item in nav_items
        if item.is_for and _may(user, item) and item.is_for(user)
    )
    return kept_menu(get_language() or "", get_script_prefix(), rights, given)


def _may(holder: _Holder | Staff, item: NavItem) -> bool:
    return not item.permission or holder.has_perm(item.permission)


@lru_cache(maxsize=128)
def kept_menu(
    language: str, prefix: str, rights: Rights, given: frozenset[str]
) -> tuple[Group, ...]:
    """The menu of whoever holds `rights`; `language` and `prefix` are those in force.

    `given`: the url names of those pages with an `is_for` that are for the person.
    """
    holder = _Holder(rights)
    groups: dict[str, list[Line]] = {str(name): [] for name in navigation.ORDER}
    lines = [*_pages(holder, given), *_changelists(_Request(holder))]
    for line in sorted(lines, key=lambda line: (line.order, line.title)):
        groups.setdefault(line.group, []).append(line)
    home = Line("", 0, capfirst(str(navigation.HOME)), reverse("admin:index"), "home")
    return (
        Group("", (home,)),
        *(Group(title, tuple(found)) for title, found in groups.items() if found),
    )


def _pages(holder: _Holder, given: frozenset[str]) -> list[Line]:
    return [
        Line(
            group=str(item.group),
            order=item.order,
            title=capfirst(str(item.title)),
            link=reverse(item.url_name),
            icon=item.icon or "article",
            badge=item.badge,
        )
        for item in nav_items
        if _may(holder, item) and (item.is_for is None or item.url_name in given)
    ]


def _changelists(request: Any) -> list[Line]:
    found = []
    for model, model_admin in admin.site._registry.items():
        is_shown = getattr(model_admin, "in_navigation", True)
        if not is_shown or not _may_open(model_admin, request):
            continue
        opts = model._meta
        group = navigation.OF_APP.get(opts.app_label, navigation.SYSTEM)
        found.append(
            Line(
                group=str(group),
                order=getattr(model_admin, "nav_order", MODEL_ORDER),
                title=capfirst(
                    str(getattr(model_admin, "nav_title", opts.verbose_name_plural))
                ),
                link=reverse(f"admin:{opts.app_label}_{opts.model_name}_changelist"),
                icon=ICONS.get(opts.label_lower, "list"),
            )
        )
    return found


def _may_open(model_admin: ModelAdmin[Any], request: Any) -> bool:
    return model_admin.has_module_permission(
        request
    ) and model_admin.has_view_permission(request)


def _current(path: str, groups: tuple[Group, ...]) -> Line | None:
    """The line of the page shown: /a/ and /a/b/ must not both light up."""
    home = groups[0].lines[0]
    if path == home.link:
        return home
    lines = [
        line
        for group in groups[1:]
        for line in group.lines
        if path.startswith(line.link)
    ]
    return max(lines, key=lambda line: len(line.link), default=None)
