"""What can be done with a touch now, and doing it; every refusal says who was first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy
from django.views.decorators.http import require_POST

from campaigns import approving, asking, sending, touches
from campaigns.errors import ChangedMeanwhile, NotInThisState
from campaigns.models import Touch
from campaigns.pages import access
from core.errors import AppError
from core.job_pages import job_url
from core.models import Job
from core.registry import Text
from staff.models import Staff
from staff.requests import staff_of

State = Touch.State


@dataclass(frozen=True)
class Act:
    """One button. `confirm`: what is asked before; `reason`: a reason is asked for."""

    name: str
    label: Text
    permission: str
    states: tuple[State, ...]
    run: Callable[[Touch, Staff, str], Any]
    done: Text
    confirm: Text = ""
    reason: Text = ""
    tone: str = ""
    is_primary: bool = False
    types_name: bool = False


ACTS = (
    Act(
        "ask",
        gettext_lazy("Ask for approval"),
        access.CHANGE_TOUCH,
        (State.DRAFT,),
        lambda touch, actor, _reason: asking.ask(touch, actor=actor),
        gettext_lazy("Approval was asked for."),
        is_primary=True,
    ),
    Act(
        "approve",
        pgettext_lazy("a touch", "Approve"),
        access.APPROVE_TOUCH,
        (State.IN_REVIEW,),
        lambda touch, actor, reason: approving.decide(
            touch, actor=actor, is_yes=True, reason=reason
        ),
        gettext_lazy("Approved."),
        confirm=gettext_lazy("Approve exactly what stands on this page?"),
        is_primary=True,
    ),
    Act(
        "refuse",
        pgettext_lazy("a touch", "Refuse"),
        access.APPROVE_TOUCH,
        (State.IN_REVIEW,),
        lambda touch, actor, reason: approving.decide(
            touch, actor=actor, is_yes=False, reason=reason
        ),
        gettext_lazy("Refused; the planner reads why."),
        reason=gettext_lazy("Why not, for the planner"),
    ),
    Act(
        "start",
        gettext_lazy("Send now"),
        access.SEND_TOUCH,
        (State.APPROVED,),
        lambda touch, actor, _reason: sending.start(touch, actor=actor),
        gettext_lazy("Sending has begun."),
        confirm=gettext_lazy(
            "Send now? What is with the platform can not be taken back."
        ),
        is_primary=True,
    ),
    Act(
        "pause",
        gettext_lazy("Pause"),
        access.SEND_TOUCH,
        (State.SENDING,),
        lambda touch, actor, reason: sending.pause(touch, actor=actor, reason=reason),
        gettext_lazy("Paused; at most the call under way still ends."),
        is_primary=True,
    ),
    Act(
        "resume",
        gettext_lazy("Resume"),
        access.SEND_TOUCH,
        (State.PAUSED,),
        lambda touch, actor, _reason: sending.resume(touch, actor=actor),
        gettext_lazy("Sending goes on."),
        is_primary=True,
    ),
    Act(
        "release",
        gettext_lazy("Release and send"),
        access.SEND_TOUCH,
        (State.HELD,),
        lambda touch, actor, _reason: sending.release(touch, actor=actor),
        gettext_lazy("Released; sending goes on as soon as it may."),
        confirm=gettext_lazy("Let it go out now, although its time is over?"),
        is_primary=True,
    ),
    Act(
        "stop",
        gettext_lazy("Stop for good"),
        access.SEND_TOUCH,
        (State.SENDING, State.PAUSED, State.HELD),
        lambda touch, actor, reason: sending.stop(touch, actor=actor, reason=reason),
        gettext_lazy("Stopped; who was not reached yet is excluded."),
        reason=gettext_lazy("Why it is stopped"),
        confirm=gettext_lazy(
            "It can not be taken up again. Type the name of the touch to stop it:"
        ),
        tone="danger",
        types_name=True,
    ),
    Act(
        "withdraw",
        gettext_lazy("Take the approval back"),
        access.CHANGE_TOUCH,
        (State.IN_REVIEW, State.APPROVED),
        lambda touch, actor, _reason: approving.withdraw(touch, actor=actor),
        gettext_lazy("It is a draft again."),
    ),
    Act(
        "cancel",
        gettext_lazy("Cancel the touch"),
        access.CHANGE_TOUCH,
        (State.DRAFT, State.IN_REVIEW, State.APPROVED),
        lambda touch, actor, _reason: touches.cancel(touch, actor=actor),
        gettext_lazy("The touch is cancelled."),
        confirm=gettext_lazy("Cancel this touch? It can not be planned again."),
        tone="danger",
    ),
)
BY_NAME = {act.name: act for act in ACTS}


def possible(touch: Touch, staff: Staff) -> dict[str, Act]:
    """The acts whose state and right fit, by name, in their order."""
    left_out = set()
    if is_mine(touch, staff):
        left_out |= {"approve", "refuse"}
    if starts_later(touch):
        left_out.add("start")
    if touch.campaign.is_over:
        left_out |= {act.name for act in ACTS if act.name != "stop"}
    return {
        act.name: act
        for act in ACTS
        if touch.state in act.states
        and act.name not in left_out
        and staff.has_perm(act.permission)
    }


def is_mine(touch: Touch, staff: Staff) -> bool:
    """Who planned it or asked can't approve it."""
    asked = touch.approval.requested_by_id if touch.approval else None
    return staff.pk in (touch.created_by_id, asked)


def starts_later(touch: Touch) -> bool:
    """Approved for a time to come: it starts by itself then."""
    at = touch.scheduled_at
    return touch.state == State.APPROVED and at is not None and at > timezone.now()


@require_POST
def do(request: HttpRequest, touch: Touch) -> HttpResponse:
    """One act, named by `act`; `revision` is what the person has read."""
    from campaigns.pages.touches import page

    staff = staff_of(request)
    act = BY_NAME.get(request.POST.get("act", ""))
    if act is None:
        raise Http404
    if not staff.has_perm(act.permission):
        raise PermissionDenied
    reason = access.typed(request, "reason").strip()[:300]
    try:
        _check(touch, act, request, reason)
        outcome = act.run(touch, staff, reason)
    except AppError as error:
        fresh = access.visible_touch(request, touch.pk)
        return page(
            request, fresh, status=409, problem=error.message, typed_reason=reason
        )
    if isinstance(outcome, Job):
        return HttpResponseRedirect(job_url(outcome))
    messages.success(request, str(act.done))
    return HttpResponseRedirect(
        reverse("admin:campaigns_touch_change", args=[touch.pk])
    )


def _check(touch: Touch, act: Act, request: HttpRequest, reason: str) -> None:
    """The page must show what is acted on: another revision may say other things.

    Where the state has moved on, the act itself refuses and says who was first.
    """
    is_stale = access.read_revision(request) != touch.revision
    if is_stale and touch.state in act.states:
        raise ChangedMeanwhile
    if act.reason and not reason:
        raise NotInThisState(_("Say why, in a few words."))
