"""What asks for somebody's attention: home tiles, the side bar's figure, health."""

from __future__ import annotations

from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from core import navigation, system_settings
from core.registry import (
    HealthCheck,
    HealthResult,
    HomeTile,
    NavItem,
    Text,
    health_checks,
    home_tiles,
    nav_items,
)
from service import workspace
from service.models import Conversation
from service.rights import ANSWER, SUPERVISE
from staff.models import Staff

# A conversation that nobody took for so many times the promised answer is a fault.
TOO_LATE = 5


def mine(request: HttpRequest) -> list[tuple[Text, str, int, str]]:
    """The person's own conversations in which the customer waits."""
    staff = request.user
    assert isinstance(staff, Staff)
    rows = workspace.rows(staff, "mine")
    waiting = [row for row in rows if row.waiting_since]
    return [
        (
            f"{row.member} · {row.preview}",
            reverse("admin:workspace_conversation", args=[row.pk]),
            row.unread_count,
            _tone(row),
        )
        for row in waiting[:6]
    ]


def queue(request: HttpRequest) -> list[tuple[Text, str, int, str]]:
    """How many wait to be accepted, per queue."""
    staff = request.user
    assert isinstance(staff, Staff)
    by_queue: dict[str, list[Conversation]] = {}
    for row in workspace.rows(staff, "queue"):
        by_queue.setdefault(str(row.queue), []).append(row)
    url = reverse("admin:workspace") + "?tab=queue"
    return [
        (
            ngettext(
                "%(queue)s: %(n)s customer waits",
                "%(queue)s: %(n)s customers wait",
                len(rows),
            )
            % {"queue": name, "n": len(rows)},
            url,
            len(rows),
            max((_tone(row) for row in rows), key=["good", "part", "bad"].index),
        )
        for name, rows in by_queue.items()
    ]


def _tone(row: Conversation) -> str:
    if row.due_at is None or row.waiting_since is None:
        return "good"
    now = timezone.now()
    if now >= row.due_at:
        return "bad"
    return (
        "part"
        if now >= row.waiting_since + (row.due_at - row.waiting_since) / 2
        else "good"
    )


def badge(request: HttpRequest) -> int | str:
    staff = request.user
    if not isinstance(staff, Staff):
        return ""
    return workspace.unread(staff) or ""


def oldest_waiting() -> HealthResult:
    """Whether the longest waiting customer waits within reason."""
    row = (
        Conversation.objects.waiting()
        .order_by("waiting_since")
        .values_list("waiting_since", flat=True)
        .first()
    )
    if row is None:
        return HealthResult(True, gettext("Nobody waits for an agent."))
    seconds = int((timezone.now() - row).total_seconds())
    limit = TOO_LATE * int(system_settings.get("service.answer_within_seconds"))
    text = gettext("The longest waiting customer has waited %(minutes)s min.")
    return HealthResult(
        seconds <= limit, text % {"minutes": seconds // 60}, {"oldest_seconds": seconds}
    )


def register() -> None:
    """Called once, by ready()."""
    home_tiles.append(
        HomeTile("service.mine", _("My customers who wait"), ANSWER, mine, 10)
    )
    home_tiles.append(
        HomeTile("service.queue", _("Waiting to be accepted"), ANSWER, queue, 11)
    )
    nav_items.append(
        NavItem(
            group=navigation.SERVICE,
            title=_("Agent workspace"),
            url_name="admin:workspace",
            permission=ANSWER,
            icon="forum",
            order=10,
            badge=badge,
        )
    )
    nav_items.append(
        NavItem(
            group=navigation.SERVICE,
            title=_("Team of agents"),
            url_name="admin:workspace_team",
            permission=SUPERVISE,
            icon="groups",
            order=11,
        )
    )
    health_checks.append(
        HealthCheck(
            "queues",
            _("Waiting customers"),
            oldest_waiting,
            advice=_("Ask agents to come online, or raise their capacity."),
        )
    )
