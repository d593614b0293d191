"""Who may open and do what on the pages of campaigns."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest

from campaigns.models import Campaign, Touch
from staff.models import Staff

VIEW = "campaigns.view_campaign"
ADD = "campaigns.add_campaign"
CHANGE = "campaigns.change_campaign"
VIEW_TOUCH = "campaigns.view_touch"
ADD_TOUCH = "campaigns.add_touch"
CHANGE_TOUCH = "campaigns.change_touch"
APPROVE_TOUCH = "campaigns.approve_touch"
SEND_TOUCH = "campaigns.send_touch"
VIEW_RECIPIENT = "campaigns.view_recipient"


def staff_of(request: HttpRequest) -> Staff:
    assert isinstance(request.user, Staff)  # admin_view lets nobody else through
    return request.user


def require(request: HttpRequest, permission: str) -> Staff:
    """The person, or PermissionDenied without the permission."""
    staff = staff_of(request)
    if not staff.has_perm(permission):
        raise PermissionDenied
    return staff


def visible_campaign(
    request: HttpRequest, object_id: Any, permission: str = VIEW
) -> Campaign:
    """The campaign in the person's scope; Http404 outside, PermissionDenied before."""
    staff = require(request, permission)
    rows = Campaign.objects.visible_to(staff).select_related(
        "owner", "org_unit", "template", "created_by"
    )
    return _one(rows, object_id)  # type: ignore[no-any-return]


def visible_touch(
    request: HttpRequest, object_id: Any, permission: str = VIEW_TOUCH
) -> Touch:
    staff = require(request, permission)
    rows = Touch.objects.visible_to(staff).select_related(
        *("campaign__org_unit", "phase", "account__org_unit", "version__item"),
        *("version__picture", "approval__requested_by", "approval__approver"),
    )
    return _one(rows, object_id)  # type: ignore[no-any-return]


def _one(rows: Any, object_id: Any) -> Any:
    text = str(object_id)
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise Http404
    found = rows.filter(pk=int(text)).first()
    if found is None:
        raise Http404
    return found


def typed(request: HttpRequest, name: str) -> str:
    """What was typed into a field, without NUL, which PostgreSQL keeps nowhere."""
    return request.POST.get(name, "").replace("\0", "")


def read_revision(request: HttpRequest) -> int:
    """The revision the page was made from; 0 (never a revision) when it is no number."""
    text = request.POST.get("revision", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0
