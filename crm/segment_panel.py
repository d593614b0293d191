"""The member page's box: which segments somebody is in, as computed last."""

from __future__ import annotations

from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils.translation import gettext_lazy as _

from crm import registry
from crm.models import Member, Segment, SegmentMember
from crm.segment_pages import access
from staff.requests import staff_of

SHOWN = 30


def render(request: HttpRequest, member: Member) -> str:
    """ "" when they are in none the person may see."""
    staff = staff_of(request)
    inside = SegmentMember.objects.filter(member=member).values("segment")
    rows = Segment.objects.visible_to(staff).in_use().filter(pk__in=inside)
    found = list(rows.order_by("name")[: SHOWN + 1])
    if not found:
        return ""
    return render_to_string(
        "crm/segment_panel.html",
        {"segments": found[:SHOWN], "has_more": len(found) > SHOWN},
        request,
    )


def register() -> None:
    """Called once, in AppConfig.ready()."""
    registry.add_panel(
        registry.Panel(
            name="segments",
            title=_("Segments"),
            permission=access.VIEW,
            render=render,
            order=60,
            side="left",
        )
    )
