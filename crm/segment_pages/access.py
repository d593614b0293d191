"""Who may open which page of segments, and what their requests carry."""

from __future__ import annotations

import json
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db.models import F
from django.http import Http404, HttpRequest

from core.errors import BadInput
from crm.models import Segment
from staff.models import OrgUnit, Staff

VIEW = "crm.view_segment"
ADD = "crm.add_segment"
CHANGE = "crm.change_segment"
VIEW_MEMBER = "crm.view_member"


def staff_of(request: HttpRequest) -> Staff:
    assert isinstance(request.user, Staff)  # admin_view lets nobody else through
    return request.user


def require(request: HttpRequest, permission: str) -> Staff:
    """The person, or PermissionDenied without the permission."""
    staff = staff_of(request)
    if not staff.has_perm(permission):
        raise PermissionDenied
    return staff


def visible(request: HttpRequest, object_id: Any, permission: str = VIEW) -> Segment:
    """The segment in the person's scope; Http404 outside, PermissionDenied before."""
    staff = require(request, permission)
    pk = as_id(object_id)
    rows = Segment.objects.visible_to(staff)
    rows = rows.select_related("controller", "org_unit", "owner")
    found = None if pk is None else rows.filter(pk=pk).first()
    if found is None:
        raise Http404
    return found


def as_id(value: Any) -> int | None:
    text = str(value)
    is_id = text.isascii() and text.isdigit() and len(text) <= 18
    return int(text) if is_id else None


def typed(request: HttpRequest, name: str) -> str:
    """What was typed into a field, without NUL, which PostgreSQL keeps nowhere."""
    return request.POST.get(name, "").replace("\0", "")


def read_json(text: str | bytes) -> Any:
    """Raises BadInput for what is no JSON, or nests deeper than any rule does."""
    try:
        return json.loads(text or "null")
    except (ValueError, RecursionError):
        raise BadInput from None


def controllers(staff: Staff) -> list[OrgUnit]:
    """Data controllers the person may make segments for."""
    if staff.is_superuser:
        return list(OrgUnit.objects.filter(controller=F("pk")).order_by("path"))
    home = staff.org_unit
    own = None if home is None else home.controller
    return [] if own is None else [own]


def controller_of(staff: Staff, given: Any) -> OrgUnit | None:
    """The one of `controllers` with the id given, else the person's own, else the first."""
    known = {each.pk: each for each in controllers(staff)}
    home = staff.org_unit
    wanted = (as_id(given), home.controller_id if home else None)
    for pk in wanted:
        if pk is not None and pk in known:
            return known[pk]
    return next(iter(known.values()), None)


def units(staff: Staff, controller: OrgUnit) -> list[OrgUnit]:
    """Units a segment can be narrowed to: those of the controller the person sees."""
    rows = OrgUnit.objects.visible_to(staff).filter(controller=controller)
    return list(rows.order_by("path"))


def unit_of(staff: Staff, controller: OrgUnit, given: Any) -> OrgUnit | None:
    """The unit with the id given. Without one: everybody for who sees everybody, else
    the person's own place, below which all they see stands."""
    pk = as_id(given)
    found = {each.pk: each for each in units(staff, controller)}
    if pk in found:
        return found[pk]
    home = staff.org_unit
    if staff.is_superuser or home is None or home.pk == home.controller_id:
        return None
    return home
