"""Campaigns: begun from a template, moved, started, closed, cancelled.

Phases, gate points and tasks lie in days from the live date, so moving that date moves
them by itself; of the touches only what has not begun moves along.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from django.db import transaction
from django.db.models import F
from django.utils import timezone
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _

from campaigns.blueprints import TASK_FIELDS, in_order, phase_of
from campaigns.errors import ChangedMeanwhile, FieldProblems, NotInThisState
from campaigns.models import (
    Campaign,
    CampaignTemplate,
    GateItem,
    Phase,
    Task,
    TemplateTask,
    Touch,
)
from core import audit
from staff.models import OrgUnit, Staff

State = Campaign.State
# Of a campaign without a template: the usual skeleton and nothing in it.
BLANK_PHASES = {"warm_up": [-14, -1], "live": [0, 3], "recap": [4, 14]}
FURTHEST_DAYS = 730
NAME_LENGTH = 80


# -- create


@transaction.atomic
def create(
    *,
    name: str,
    template: CampaignTemplate | None,
    org_unit: OrgUnit,
    live_date: date,
    owner: Staff,
    goal: str = "",
    product_tie: str = "",
    actor: Staff,
) -> Campaign:
    """A draft campaign with the phases, gate points and tasks of the template.

    Without a template: three phases and nothing in them. Raises FieldProblems.
    """
    problems = _problems(name, org_unit, live_date, owner, actor)
    if problems:
        raise FieldProblems(problems)
    campaign = Campaign.objects.create(
        org_unit=org_unit,
        name=name.strip(),
        template=template,
        goal=goal.strip(),
        product_tie=product_tie.strip(),
        owner=owner,
        live_date=live_date,
        created_by=actor,
    )
    _fill(campaign, template)
    audit.record(
        "campaigns.campaign.created",
        campaign,
        actor=actor,
        after={
            "template": template.code if template else None,
            "org_unit": org_unit.pk,
            "owner": owner.pk,
            "live_date": live_date.isoformat(),
        },
        label=campaign.name,
    )
    return campaign


def _problems(
    name: str, org_unit: OrgUnit, live_date: date, owner: Staff, actor: Staff
) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if not name.strip():
        found["name"] = _("Give the campaign a name.")
    elif len(name.strip()) > NAME_LENGTH:
        found["name"] = _("At most %(count)s characters.") % {"count": NAME_LENGTH}
    if not OrgUnit.objects.visible_to(actor).filter(pk=org_unit.pk).exists():
        found["org_unit"] = _("This org unit is not one of yours.")
    if not Staff.objects.visible_to(actor).working().filter(pk=owner.pk).exists():
        found["owner"] = _("This person is not one of your colleagues.")
    if abs((live_date - timezone.localdate()).days) > FURTHEST_DAYS:
        found["live_date"] = _("Choose a date within two years from today.")
    return found


def _fill(campaign: Campaign, template: CampaignTemplate | None) -> None:
    spans = template.phases if template else BLANK_PHASES
    phases = {
        kind: Phase.objects.create(
            campaign=campaign, kind=kind, start_day=start, end_day=end
        )
        for kind, (start, end) in in_order(spans)
    }
    if template is None:
        return
    GateItem.objects.bulk_create(
        GateItem(
            campaign=campaign,
            code=point["code"],
            position=position,
            title=point["title"],
            due_day=point["due_day"],
        )
        for position, point in enumerate(template.gates, start=1)
    )
    Task.objects.bulk_create(
        Task(
            campaign=campaign,
            step=each.step,
            phase=phases[phase_of(spans, each.start_day)],
            **{name: getattr(each, name) for name in TASK_FIELDS},
        )
        for each in TemplateTask.objects.filter(template=template)
    )


# -- change


@transaction.atomic
def update(
    campaign: Campaign,
    revision: int,
    *,
    name: str,
    goal: str,
    product_tie: str,
    owner: Staff,
    actor: Staff,
) -> Campaign:
    """Change what the campaign is called, wants and who leads it.

    Raises FieldProblems, ChangedMeanwhile, NotInThisState when it is over.
    """
    current = _locked(campaign, revision)
    _refuse_when_over(current)
    problems = _problems(name, current.org_unit, current.live_date, owner, actor)
    if owner.pk == current.owner_id:
        problems.pop("owner", None)  # set by somebody who sees more
    problems.pop("live_date", None)
    if problems:
        raise FieldProblems(problems)
    before = {"name": current.name, "owner": current.owner_id}
    current.name, current.owner = name.strip(), owner
    current.goal, current.product_tie = goal.strip(), product_tie.strip()
    _save(current, "name", "owner", "goal", "product_tie")
    audit.record(
        "campaigns.campaign.changed",
        current,
        actor=actor,
        before=before,
        after={"name": current.name, "owner": owner.pk},
        label=current.name,
    )
    return current


def _locked(campaign: Campaign, revision: int | None) -> Campaign:
    """The campaign, locked; ChangedMeanwhile when it is no longer that revision."""
    current = Campaign.objects.select_for_update(of=("self",)).get(pk=campaign.pk)
    if revision is not None and current.revision != revision:
        raise ChangedMeanwhile
    return current


def _refuse_when_over(campaign: Campaign) -> None:
    if campaign.is_over:
        raise NotInThisState(
            _("The campaign is %(state)s; it is kept as it was.")
            % {"state": campaign.get_state_display()}
        )


def _save(campaign: Campaign, *fields: str) -> None:
    campaign.revision += 1
    campaign.save(update_fields=[*fields, "revision"])


# -- move the live date


@dataclass(frozen=True)
class Move:
    """One touch that moves along."""

    touch: Touch
    to: Any

    @property
    def loses_approval(self) -> bool:
        return self.touch.state != Touch.State.DRAFT


@dataclass(frozen=True)
class Shift:
    """What moving the live date would do; nothing is written."""

    campaign: Campaign
    live_date: date
    touches: list[Touch]
    open_tasks: int
    done_tasks: int

    @property
    def days(self) -> int:
        return (self.live_date - self.campaign.live_date).days

    @cached_property
    def moving(self) -> list[Move]:
        by = timedelta(days=self.days)
        return [
            Move(each, each.scheduled_at + by if each.scheduled_at else None)
            for each in self.touches
            if each.has_not_begun
        ]

    @cached_property
    def staying(self) -> list[Touch]:
        return [each for each in self.touches if not each.has_not_begun]

    @cached_property
    def blocking(self) -> list[Touch]:
        """Touches that are being sent: the date waits for them."""
        return [each for each in self.touches if each.state == Touch.State.SENDING]


def preview_shift(campaign: Campaign, live_date: date) -> Shift:
    rows = campaign.touches.select_related("phase").order_by("scheduled_at", "id")
    done = campaign.tasks.filter(state__in=Task.OVER).count()
    return Shift(
        campaign=campaign,
        live_date=live_date,
        touches=list(rows),
        open_tasks=campaign.tasks.count() - done,
        done_tasks=done,
    )


@transaction.atomic
def shift(
    campaign: Campaign, revision: int, live_date: date, *, actor: Staff
) -> Campaign:
    """Move the live date with everything unsent; approvals of moved touches are void.

    Raises FieldProblems, ChangedMeanwhile, NotInThisState while a touch is being sent.
    """
    current = _locked(campaign, revision)
    _refuse_when_over(current)
    if abs((live_date - timezone.localdate()).days) > FURTHEST_DAYS:
        raise FieldProblems(
            {"live_date": _("Choose a date within two years from today.")}
        )
    list(current.touches.select_for_update().order_by("pk").values_list("pk"))
    change = preview_shift(current, live_date)
    if not change.days:
        raise FieldProblems({"live_date": _("This is the live date already.")})
    if change.blocking:
        raise NotInThisState(
            _("“%(touch)s” is being sent. Pause or stop it, then move the live date.")
            % {"touch": change.blocking[0].name}
        )
    for move in change.moving:
        if move.to is not None:
            from campaigns import touches

            touches.move(move.touch, timedelta(days=change.days), actor=actor)
    before, current.live_date = current.live_date, live_date
    _save(current, "live_date")
    audit.record(
        "campaigns.campaign.moved",
        current,
        actor=actor,
        before={"live_date": before.isoformat()},
        after={
            "live_date": live_date.isoformat(),
            "touches": [move.touch.pk for move in change.moving],
        },
        label=current.name,
    )
    return current


# -- start, close, cancel


@dataclass(frozen=True)
class Unfinished:
    """What is still open when a campaign is about to end."""

    gate_points: int
    tasks: int
    waiting: list[Touch]
    running: list[Touch]


def unfinished(campaign: Campaign) -> Unfinished:
    """`waiting` touches are cancelled with the end; `running` ones forbid it."""
    rows = list(campaign.touches.order_by("scheduled_at", "id"))
    return Unfinished(
        gate_points=campaign.gate_items.filter(done_at__isnull=True).count(),
        tasks=campaign.tasks.exclude(state__in=Task.OVER).count(),
        waiting=[each for each in rows if each.has_not_begun],
        running=[each for each in rows if each.is_under_way],
    )


@transaction.atomic
def start(campaign: Campaign, revision: int, *, actor: Staff) -> Campaign:
    current = _locked(campaign, revision)
    if current.state != State.DRAFT:
        raise NotInThisState(_("The campaign was started before."))
    return _change_state(current, State.RUNNING, actor, "started")


@transaction.atomic
def close(
    campaign: Campaign, revision: int, *, actor: Staff, reason: str = ""
) -> Campaign:
    """End a running campaign: touches that have not begun are cancelled.

    Raises ChangedMeanwhile; NotInThisState when it does not run, or a touch still does.
    """
    current = _locked(campaign, revision)
    if current.state != State.RUNNING:
        raise NotInThisState(_("Only a running campaign can be closed."))
    _end_touches(current, actor)
    return _change_state(current, State.CLOSED, actor, "closed", reason)


@transaction.atomic
def cancel(campaign: Campaign, revision: int, *, actor: Staff, reason: str) -> Campaign:
    """Give a campaign up: touches that have not begun are cancelled.

    Raises FieldProblems without a reason; ChangedMeanwhile; NotInThisState.
    """
    if not reason.strip():
        raise FieldProblems({"reason": _("Say why; colleagues will ask.")})
    current = _locked(campaign, revision)
    _refuse_when_over(current)
    _end_touches(current, actor)
    return _change_state(current, State.CANCELLED, actor, "cancelled", reason.strip())


def _end_touches(campaign: Campaign, actor: Staff) -> None:
    list(campaign.touches.select_for_update().order_by("pk").values_list("pk"))
    left = unfinished(campaign)
    if left.running:
        raise NotInThisState(
            _("“%(touch)s” is not finished: stop it or let it end first.")
            % {"touch": left.running[0].name}
        )
    for touch in left.waiting:
        from campaigns import touches

        touches.cancel(touch, actor=actor)


def _change_state(
    campaign: Campaign, state: str, actor: Staff, verb: str, reason: str = ""
) -> Campaign:
    before, campaign.state = campaign.state, state
    _save(campaign, "state")
    audit.record(
        f"campaigns.campaign.{verb}",
        campaign,
        actor=actor,
        before={"state": before},
        after={"state": state},
        reason=reason,
        label=campaign.name,
    )
    return campaign


def bump(campaign_id: int) -> None:
    """Part of the plan changed: pages that read it before are stale."""
    Campaign.objects.filter(pk=campaign_id).update(revision=F("revision") + 1)
