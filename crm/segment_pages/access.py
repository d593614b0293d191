"""Who may open which page of segments, and what their requests carry."""

from __future__ import annotations

import json
from typing import Any

from django.db.models import F
from django.http import HttpRequest

from core.errors import BadInput
from core.ids import as_id, one_of
from crm.models import Segment
from staff.models import OrgUnit, Staff
from staff.requests import require

VIEW = "crm.view_segment"
ADD = "crm.add_segment"
CHANGE = "crm.change_segment"
VIEW_MEMBER = "crm.view_member"


def visible(request: HttpRequest, object_id: Any, permission: str = VIEW) -> Segment:
    """The segment in the person's scope; Http404 outside, PermissionDenied before."""
    rows = Segment.objects.visible_to(require(request, permission))
    return one_of(rows.select_related("controller", "org_unit", "owner"), object_id)


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
