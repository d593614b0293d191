"""The side bar: pages the apps announce, then the changelists of their models."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.contrib import admin
from django.contrib.admin import ModelAdmin
from django.http import HttpRequest
from django.urls import reverse
from django.utils.text import capfirst

from core import navigation
from core.registry import nav_items

# Changelists come after the pages of their group.
MODEL_ORDER = 500
ICONS = {
    "service.queue": "inbox",
    "service.conversation": "forum",
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


@dataclass
class Line:
    group: str
    order: int
    title: str
    link: str
    icon: str
    badge: Any = None


def sidebar(request: HttpRequest) -> list[dict[str, Any]]:
    """The theme's navigation structure for this person and page."""
    lines = [*_pages(request), *_changelists(request)]
    current = _longest_match(request.path, [line.link for line in lines])
    groups: dict[str, list[Line]] = {str(name): [] for name in navigation.ORDER}
    for line in sorted(lines, key=lambda line: (line.order, line.title)):
        groups.setdefault(line.group, []).append(line)
    home = {
        "items": [
            {
                "title": capfirst(str(navigation.HOME)),
                "icon": "home",
                "link": reverse("admin:index"),
                "active": request.path == reverse("admin:index"),
            }
        ]
    }
    return [home] + [
        {"title": title, "items": [_item(line, current) for line in found]}
        for title, found in groups.items()
        if found
    ]


def _item(line: Line, current: str) -> dict[str, Any]:
    item = {
        "title": line.title,
        "icon": line.icon,
        "link": line.link,
        "active": line.link == current,
    }
    if line.badge:
        item["badge"] = line.badge
    return item


def _pages(request: HttpRequest) -> list[Line]:
    return [
        Line(
            group=str(item.group),
            order=item.order,
            title=capfirst(str(item.title)),
            link=reverse(item.url_name),
            icon=item.icon or "article",
            badge=item.badge(request) if item.badge else None,
        )
        for item in nav_items
        if not item.permission or request.user.has_perm(item.permission)
        if item.is_for is None or item.is_for(request.user)
    ]


def _changelists(request: HttpRequest) -> list[Line]:
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


def _may_open(model_admin: ModelAdmin[Any], request: HttpRequest) -> bool:
    return model_admin.has_module_permission(
        request
    ) and model_admin.has_view_permission(request)


def _longest_match(path: str, links: list[str]) -> str:
    """The line of the page shown: /a/ and /a/b/ must not both light up."""
    return max((link for link in links if path.startswith(link)), key=len, default="")
