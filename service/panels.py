"""The conversations of a member, as a box of the member page."""

from __future__ import annotations

from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils.translation import gettext_lazy as _

from crm.models import Member
from crm.registry import Panel, add_panel
from service.models import Conversation
from staff.models import Staff

SHOWN = 10


def conversations_of(request: HttpRequest, member: Member) -> str:
    """The newest conversations; what was said last only where it may be read."""
    staff = request.user
    assert isinstance(staff, Staff)
    rows = (
        Conversation.objects.visible_to(staff)
        .filter(member=member)
        .select_related("app__account", "assignee", "queue", "rating", "praise")
        .order_by("-pk")[: SHOWN + 1]
    )
    found = list(rows)
    readable = set(
        Conversation.objects.readable_by(staff)
        .filter(pk__in=[row.pk for row in found])
        .values_list("pk", flat=True)
    )
    context = {
        "conversations": found[:SHOWN],
        "has_more": len(found) > SHOWN,
        "readable": readable,
        "may_answer": staff.has_perm("service.answer_conversation"),
    }
    return render_to_string("service/member_panel.html", context)


def register() -> None:
    """Called once, by ready()."""
    add_panel(
        Panel(
            name="conversations",
            title=_("Conversations"),
            permission="service.view_conversation",
            render=conversations_of,
            order=10,
        )
    )
