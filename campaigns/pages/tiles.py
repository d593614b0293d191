"""What campaigns put on the home page and into the site; called once, by ready()."""

from __future__ import annotations

from datetime import timedelta

from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from campaigns import approving, chores
from campaigns.models import Touch
from campaigns.pages import access, changes, creating
from campaigns.templatetags.campaigns import day
from core.registry import HomeTile, TileLine, home_tiles, site_urls
from staff.requests import staff_of

SHOWN_TASKS = 8
AHEAD = timedelta(days=14)
State = Touch.State
# (state, permission of whom it waits for, words, tone)
WAITING = (
    (State.HELD, access.SEND_TOUCH, gettext_lazy("Held: decide what happens"), "bad"),
    (State.PAUSED, access.SEND_TOUCH, gettext_lazy("Paused"), "bad"),
    (State.IN_REVIEW, access.APPROVE_TOUCH, gettext_lazy("To approve"), "part"),
)


def my_tasks(request: HttpRequest) -> list[TileLine]:
    """Overdue first, then those that end within two weeks."""
    staff = staff_of(request)
    today = timezone.localdate()
    found = chores.mine(staff).filter(end__lte=today + AHEAD)[:SHOWN_TASKS]
    lines: list[TileLine] = []
    for task in found:
        board = reverse("admin:campaigns_campaign_change", args=[task.campaign_id])
        is_late = task.ends_on < today
        words = _("%(task)s · %(campaign)s · due %(day)s") % {
            "task": task.title,
            "campaign": task.campaign.name,
            "day": day(task.ends_on),
        }
        tone = "bad" if is_late else ("part" if task.state == "doing" else "idle")
        lines.append((words, f"{board}#task-{task.pk}", None, tone))
    return lines


def touches(request: HttpRequest) -> list[TileLine]:
    """Touches that wait for a decision this person may take."""
    staff = staff_of(request)
    states = {
        state: words for state, right, words, _t in WAITING if staff.has_perm(right)
    }
    tones = {state: tone for state, _right, _words, tone in WAITING}
    rows = (
        Touch.objects.visible_to(staff)
        .filter(state__in=states)
        .select_related("campaign")
        .order_by("scheduled_at", "id")[:SHOWN_TASKS]
    )
    # Nobody approves what they planned or asked for.
    mine = {each.pk for each in approving.waiting_for(staff)}
    return [
        (
            _("%(name)s: %(what)s")
            % {
                "name": states[State(each.state)],
                "what": f"{each.name} · {each.campaign.name}",
            },
            reverse("admin:campaigns_touch_change", args=[each.pk]),
            None,
            tones[State(each.state)],
        )
        for each in rows
        if each.state != State.IN_REVIEW or each.pk in mine
    ]


def register() -> None:
    home_tiles.extend(
        (
            HomeTile(
                "campaigns.tasks", gettext_lazy("My tasks"), access.VIEW, my_tasks, 30
            ),
            HomeTile(
                "campaigns.touches",
                gettext_lazy("Touches that wait for you"),
                access.VIEW_TOUCH,
                touches,
                20,
            ),
        )
    )
    site_urls.extend(
        (
            ("campaigns/new/plan/", creating.plan, "campaign_new_plan"),
            (
                "campaigns/tasks/<int:task_id>/state/",
                changes.task_state,
                "campaign_task_state",
            ),
            (
                "campaigns/tasks/<int:task_id>/assign/",
                changes.task_assign,
                "campaign_task_assign",
            ),
            (
                "campaigns/gate-points/<int:gate_item_id>/",
                changes.gate_point,
                "campaign_gate_point",
            ),
        )
    )
