"""Tasks of a plan: who does them, how far they are, and what proves it."""

from __future__ import annotations

from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _

from campaigns.errors import ChangedMeanwhile, FieldProblems, NotInThisState
from campaigns.models import Campaign, Task
from campaigns.models.plan import TaskQuerySet
from core import audit
from core.errors import NotAllowed
from staff.models import Staff

CHANGE = "campaigns.change_task"
VIEW = "view_campaign"
PROOF_LENGTH = 500


def may_work_on(task: Task, staff: Staff) -> bool:
    """Planners, and whoever the task was given to."""
    return staff.has_perm(CHANGE) or task.assignee_id == staff.pk


def assignable(actor: Staff) -> list[Staff]:
    """Colleagues in the person's scope who can open campaigns."""
    rows = Staff.objects.visible_to(actor).working()
    can_open = Q(groups__permissions__codename=VIEW) | Q(is_superuser=True)
    return list(rows.filter(can_open).distinct().order_by("display_name", "id"))


def mine(staff: Staff) -> TaskQuerySet:
    """Open tasks given to the person, the most urgent first, with `end`."""
    rows: TaskQuerySet = Task.objects.filter(assignee=staff)
    visible = Campaign.objects.visible_to(staff)
    found = rows.open().filter(campaign__in=visible).with_end()
    return found.select_related("campaign").order_by("end", "id")


@transaction.atomic
def set_state(
    task: Task, state: str, *, seen: str, proof: str = "", actor: Staff
) -> Task:
    """Move a task from the state the person saw (`seen`) to `state`.

    A task that wants proof is done only with words or an address that prove it.
    Raises NotAllowed, ChangedMeanwhile, NotInThisState, FieldProblems.
    """
    current = _locked(task)
    if not may_work_on(current, actor):
        raise NotAllowed
    if current.state == state:
        raise NotInThisState(
            _("It is “%(state)s” already.") % {"state": current.get_state_display()}
        )
    if current.state != seen:
        raise ChangedMeanwhile
    proof = proof.strip()
    if state == Task.State.DONE:
        _require(current, proof)
    before, current.state = current.state, state
    is_over = current.is_over
    current.proof = proof if state == Task.State.DONE else ""
    current.done_at = timezone.now() if is_over else None
    current.done_by = actor if is_over else None
    current.save(update_fields=["state", "proof", "done_at", "done_by"])
    audit.record(
        "campaigns.task.state_changed",
        current,
        actor=actor,
        before={"state": before},
        after={"state": state, "campaign": current.campaign_id},
        reason=proof,
        label=_label(current),
    )
    return current


def _require(task: Task, proof: str) -> None:
    if task.proof_wanted and not proof:
        raise FieldProblems(
            {
                "proof": _(
                    "Give the proof: %(wanted)s. A figure, a sentence or a link."
                )
                % {"wanted": task.proof_wanted}
            }
        )
    if len(proof) > PROOF_LENGTH:
        raise FieldProblems(
            {"proof": _("At most %(count)s characters.") % {"count": PROOF_LENGTH}}
        )
    first = task.depends_on
    if first is not None and not first.is_over:
        raise NotInThisState(_("First finish “%(task)s”.") % {"task": first.title})


@transaction.atomic
def assign(task: Task, assignee: Staff | None, *, actor: Staff) -> Task:
    """Give the task to somebody, or to nobody. Raises FieldProblems, NotInThisState."""
    current = _locked(task)
    if assignee is not None and assignee not in assignable(actor):
        raise FieldProblems(
            {"assignee": _("This person can't open campaigns or is out of reach.")}
        )
    before, after = current.assignee_id, assignee.pk if assignee else None
    if before == after:
        return current
    current.assignee = assignee
    current.save(update_fields=["assignee"])
    audit.record(
        "campaigns.task.assigned",
        current,
        actor=actor,
        before={"assignee": before},
        after={"assignee": after, "campaign": current.campaign_id},
        label=_label(current),
    )
    return current


@transaction.atomic
def add(
    campaign: Campaign,
    *,
    title: str,
    start_day: int,
    end_day: int,
    owner_role: str = "",
    proof_wanted: str = "",
    actor: Staff,
) -> Task:
    """A task the template did not foresee; its days say the phase.

    Raises FieldProblems, NotInThisState.
    """
    if campaign.is_over:
        raise _kept(campaign)
    title = title.strip()
    problems = {}
    if not title:
        problems["title"] = _("Say what is to be done.")
    elif len(title) > 300:
        problems["title"] = _("At most %(count)s characters.") % {"count": 300}
    if end_day < start_day:
        problems["end_day"] = _("The end must not be before the start.")
    if problems:
        raise FieldProblems(problems)
    last = campaign.tasks.order_by("-step").values_list("step", flat=True).first()
    phases = list(campaign.phases.order_by("start_day"))
    phase = next((p for p in phases if start_day <= p.end_day), phases[-1])
    task = Task.objects.create(
        campaign=campaign,
        phase=phase,
        step=(last or 0) + 1,
        title=title,
        start_day=start_day,
        end_day=end_day,
        owner_role=owner_role.strip()[:60],
        proof_wanted=proof_wanted.strip()[:200],
    )
    audit.record(
        "campaigns.task.added",
        task,
        actor=actor,
        after={"campaign": campaign.pk},
        label=_label(task),
    )
    return task


def _locked(task: Task) -> Task:
    current: Task = (
        Task.objects.select_for_update(of=("self",))
        .select_related("campaign", "depends_on")
        .get(pk=task.pk)
    )
    if current.campaign.is_over:
        raise _kept(current.campaign)
    return current


def _kept(campaign: Campaign) -> NotInThisState:
    return NotInThisState(
        _("The campaign is %(state)s; it is kept as it was.")
        % {"state": campaign.get_state_display()}
    )


def _label(task: Task) -> str:
    return f"{task.campaign.name} · {task.title}"
