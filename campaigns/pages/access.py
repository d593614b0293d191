"""Who may open and do what on the pages of campaigns."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest

from campaigns.models import Campaign, Touch
from core.ids import one_of
from staff.requests import require

VIEW = "campaigns.view_campaign"
ADD = "campaigns.add_campaign"
CHANGE = "campaigns.change_campaign"
VIEW_TOUCH = "campaigns.view_touch"
ADD_TOUCH = "campaigns.add_touch"
CHANGE_TOUCH = "campaigns.change_touch"
APPROVE_TOUCH = "campaigns.approve_touch"
SEND_TOUCH = "campaigns.send_touch"
VIEW_RECIPIENT = "campaigns.view_recipient"


def visible_campaign(
    request: HttpRequest, object_id: Any, permission: str = VIEW
) -> Campaign:
    """The campaign in the person's scope; Http404 outside, PermissionDenied before."""
    staff = require(request, permission)
    rows = Campaign.objects.visible_to(staff).select_related(
        "owner", "org_unit", "template", "created_by"
    )
    return one_of(rows, object_id)


def visible_touch(
    request: HttpRequest, object_id: Any, permission: str = VIEW_TOUCH
) -> Touch:
    staff = require(request, permission)
    rows = Touch.objects.visible_to(staff).select_related(
        *("campaign__org_unit", "phase", "account__org_unit", "version__item"),
        *("version__picture", "approval__requested_by", "approval__approver"),
    )
    return one_of(rows, object_id)


def typed(request: HttpRequest, name: str) -> str:
    """What was typed into a field, without NUL, which PostgreSQL keeps nowhere."""
    return request.POST.get(name, "").replace("\0", "")


def read_revision(request: HttpRequest) -> int:
    """The revision the page was made from; 0 (never a revision) when it is no number."""
    text = request.POST.get("revision", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0
