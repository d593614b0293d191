"""The same for many members at once: tags, owner, lists, as jobs.

A selection is {"ids": [...]} or {"query": "<query string of the member list>"}; the job
resolves it anew, in the scope and with the rights of who started it. It goes through the
members by id, a batch a transaction, and keeps in that transaction how far it is: a
worker that takes over goes on there, and what is done twice changes nothing.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import Case, Count, Exists, OuterRef, Q, QuerySet, Value, When
from django.urls import reverse
from django.utils.translation import gettext_lazy

from core import audit, jobs
from core.errors import AppError, NotAllowed
from core.models import Job
from core.registry import Text
from core.templatetags.console import FIGURE_NAMES
from crm import members, segment_lists, tagging, timeline
from crm.errors import BulkTargetGone
from crm.models import Member, MemberTag, Segment, SegmentMember, Tag
from staff.models import Staff

BATCH = 5_000
# Of a larger selection a page judges the first ones only.
PREVIEWED = 10_000

# Why somebody is left out, in the order in which it is looked at.
REASONS: dict[str, Text] = {
    "gone": gettext_lazy("merged or erased"),
    "outside": gettext_lazy("not yours to see, or not there"),
    "other_controller": gettext_lazy("of another data controller"),
    "already": gettext_lazy("nothing to change"),
}
CHANGED, REPLACED = "bulk_changed", "bulk_replaced"
Selection = Mapping[str, Any]


class Action(ABC):
    """One thing to do to members; `param` names its target in the parameters of a job."""

    kind: str
    param: str
    permission: str
    label: Text

    def __init__(self, target: Any, actor: Staff) -> None:
        self.target, self.actor = target, actor

    @classmethod
    @abstractmethod
    def targets(cls, staff: Staff) -> QuerySet[Any]:
        """What the person may choose."""

    @property
    @abstractmethod
    def controller_id(self) -> int | None:
        """Whose members it can be done to; None: anybody's."""

    @abstractmethod
    def has_it(self) -> Q | Exists:
        """Members who have it already."""

    def replaces(self) -> Exists | None:
        """Members who lose something else by it; None where nobody does."""
        return None

    @abstractmethod
    def do(self, pks: Sequence[int], job: Job) -> None:
        """Do it to members who may get it, in the caller's transaction."""


class AddTag(Action):
    """`target` is a tag; archived ones are given no more."""

    kind, param = "crm.bulk_tag", "tag"
    permission = "crm.tag_member"
    label = gettext_lazy("Add a tag")

    @classmethod
    def targets(cls, staff: Staff) -> QuerySet[Any]:
        return Tag.objects.visible_to(staff).in_use().select_related("group")

    @property
    def controller_id(self) -> int | None:
        found: int | None = self.target.controller_id
        return found

    def has_it(self) -> Q | Exists:
        # Where tags expire, getting it again starts the time anew.
        rows = _carried().filter(tag=self.target, expires_at__isnull=True)
        return Exists(rows)

    def replaces(self) -> Exists | None:
        if not self.target.group.is_exclusive:
            return None
        others = _carried().filter(tag__group=self.target.group_id)
        return Exists(others.exclude(tag=self.target))

    def do(self, pks: Sequence[int], job: Job) -> None:
        tagging.tag(pks, self.target, actor=self.actor)


class RemoveTag(AddTag):
    """`target` is a tag, also an archived one."""

    kind = "crm.bulk_untag"
    label = gettext_lazy("Remove a tag")

    @classmethod
    def targets(cls, staff: Staff) -> QuerySet[Any]:
        return Tag.objects.visible_to(staff).select_related("group")

    def has_it(self) -> Q | Exists:
        return Q(~Exists(_carried().filter(tag=self.target)))

    def replaces(self) -> Exists | None:
        return None

    def do(self, pks: Sequence[int], job: Job) -> None:
        tagging.untag(pks, self.target, actor=self.actor)


class Assign(Action):
    """`target` is a colleague."""

    kind, param = "crm.bulk_assign", "owner"
    permission = "crm.assign_member"
    label = gettext_lazy("Assign an owner")

    @classmethod
    def targets(cls, staff: Staff) -> QuerySet[Any]:
        rows = Staff.objects.visible_to(staff).working()
        return rows.filter(org_unit__isnull=False).select_related("org_unit")

    @property
    def controller_id(self) -> int | None:
        found: int = self.target.org_unit.controller_id
        return found

    def has_it(self) -> Q | Exists:
        return Q(owner=self.target)

    def do(self, pks: Sequence[int], job: Job) -> None:
        # Rows in one order, so that two such jobs never wait in a circle.
        rows = Member.objects.filter(pk__in=pks).order_by("pk")
        held = list(rows.select_for_update(no_key=True).values_list("pk", flat=True))
        Member.objects.filter(pk__in=held).update(owner=self.target)
        timeline.write_many(
            held,
            kind="profile.edited",
            at=job.created_at,
            key=f"job:{job.pk}",
            data={"fields": ["owner"], "by": str(self.actor)},
        )
        audit.record(
            "crm.member.assigned",
            self.target,
            actor=self.actor,
            after={"owner": self.target.pk, "members": len(held), "job": job.pk},
            label=str(self.target),
        )


class AddToList(Action):
    """`target` is a Segment of the kind list; for a preview one that is not saved yet."""

    kind, param = "crm.bulk_list", "segment"
    permission = "crm.change_segment"
    label = gettext_lazy("Add to a list")

    @classmethod
    def targets(cls, staff: Staff) -> QuerySet[Any]:
        rows = Segment.objects.visible_to(staff).in_use()
        return rows.filter(kind=Segment.Kind.LIST)

    @property
    def controller_id(self) -> int | None:
        found: int = self.target.controller_id
        return found

    def has_it(self) -> Q | Exists:
        if self.target.pk is None:
            return Q(pk__in=())
        rows = SegmentMember.objects.filter(segment=self.target, member=OuterRef("pk"))
        return Exists(rows)

    def do(self, pks: Sequence[int], job: Job) -> None:
        held = segment_lists.locked(self.target)
        added = segment_lists.add_ids(held, pks)
        audit.record(
            "crm.segment.people_added",
            held,
            actor=self.actor,
            after={"members": added, "job": job.pk},
            label=held.name,
        )


ACTIONS: dict[str, type[Action]] = {
    each.kind: each for each in (AddTag, RemoveTag, Assign, AddToList)
}


def _carried() -> QuerySet[MemberTag]:
    return MemberTag.objects.filter(member=OuterRef("pk"))


# -- whom it is about


def rows_of(staff: Staff, selection: Selection) -> QuerySet[Member]:
    """The members of the selection the person sees, by id."""
    if "ids" in selection:
        rows: QuerySet[Member] = Member.objects.visible_to(staff).filter(
            pk__in=selection["ids"]
        )
    else:
        rows = members.selection(staff, str(selection.get("query", "")))
    return rows.order_by("pk")


def judge(action: Action, pks: Sequence[int]) -> dict[int, str]:
    """Why each is left out; "" for those it is done to."""
    found = Member.objects.filter(pk__in=pks).annotate(reason=_reason(action))
    return dict(found.values_list("pk", "reason"))


def _reason(action: Action) -> Case:
    gone = Q(merged_into__isnull=False) | Q(purged_at__isnull=False)
    cases = [When(gone, then=Value("gone"))]
    if action.controller_id is not None:
        foreign = ~Q(controller=action.controller_id)
        cases.append(When(foreign, then=Value("other_controller")))
    cases.append(When(action.has_it(), then=Value("already")))
    return Case(*cases, default=Value(""))


@dataclass(frozen=True)
class Preview:
    """What would happen to the first `looked_at` of the selection.

    `is_all`: there are no more. `left_out`: (why in words, how many).
    """

    looked_at: int
    is_all: bool
    changed: int
    replaced: int
    left_out: list[tuple[Text, int]]


def preview(action: Action, selection: Selection) -> Preview:
    """Judge at most PREVIEWED of them, so that no page waits for a million."""
    rows = rows_of(action.actor, selection).values_list("pk", flat=True)
    pks = list(rows[: PREVIEWED + 1])
    is_all, looked_at = len(pks) <= PREVIEWED, pks[:PREVIEWED]
    judged = Member.objects.filter(pk__in=looked_at).annotate(reason=_reason(action))
    counts = Counter(
        dict(judged.values_list("reason").annotate(count=Count("pk")).order_by())
    )
    outside = len(set(selection.get("ids", []))) - len(pks) if is_all else 0
    counts["outside"] = max(outside, 0)
    replaces = action.replaces()
    replaced = judged.filter(replaces, reason="").count() if replaces else 0
    return Preview(
        looked_at=len(looked_at) + counts["outside"],
        is_all=is_all,
        changed=counts[""],
        replaced=replaced,
        left_out=[
            (words, counts[code]) for code, words in REASONS.items() if counts[code]
        ],
    )


# -- the job


def start(
    kind: str, selection: Selection, target: int, *, actor: Staff, label: str
) -> Job:
    """Queue the job of `kind`, a key of ACTIONS; `target` is the id of what is given.

    Rights and scope are looked at when it runs, as they are then.
    """
    params = {"selection": dict(selection), ACTIONS[kind].param: target}
    return jobs.start(kind, params, actor=actor, label=label[:200])


def run(progress: jobs.Progress) -> dict[str, Any]:
    """Raises BulkTargetGone, NotAllowed: what was chosen, or the right, is gone."""
    try:
        return _run(progress)
    except (AppError, jobs.Cancelled):
        progress.forget("selection")
        raise


def _run(progress: jobs.Progress) -> dict[str, Any]:
    figures = Counter(progress.kept.get("figures", {}))
    selection = progress.params.get("selection")
    if selection is None:  # it was at its end when the worker died
        return _result(figures)
    action = _action(progress)
    after = progress.kept.get("after", 0)
    rows = rows_of(action.actor, selection)
    total = len(selection["ids"]) if "ids" in selection else rows.count()
    progress.total(total)
    progress.step(sum(figures[name] for name in (CHANGED, *_FIGURES.values())))
    while pks := list(rows.filter(pk__gt=after).values_list("pk", flat=True)[:BATCH]):
        after = pks[-1]
        with transaction.atomic():
            figures.update(_batch(action, pks, progress.job))
            progress.keep(after=after, figures=figures)
        progress.step(len(pks))
    if "ids" in selection:
        seen = sum(figures[name] for name in (CHANGED, *_FIGURES.values()))
        figures[_FIGURES["outside"]] = len(set(selection["ids"])) - seen
        progress.keep(after=after, figures=figures)
    # What was searched for may be somebody's phone.
    progress.forget("selection")
    return _result(figures)


def _action(progress: jobs.Progress) -> Action:
    cls = ACTIONS[progress.job.kind]
    actor = Staff.objects.get(pk=progress.job.requested_by_id)
    if not (actor.is_active and actor.has_perm(cls.permission)):
        raise NotAllowed
    target = cls.targets(actor).filter(pk=progress.params[cls.param]).first()
    if target is None:
        raise BulkTargetGone
    return cls(target, actor)


def _batch(action: Action, pks: Sequence[int], job: Job) -> Counter[str]:
    judged = judge(action, pks)
    wanted = [pk for pk, reason in judged.items() if not reason]
    counts = Counter(_FIGURES[reason] for reason in judged.values() if reason)
    replaces = action.replaces()
    if wanted and replaces is not None:
        counts[REPLACED] = Member.objects.filter(replaces, pk__in=wanted).count()
    if wanted:
        action.do(sorted(wanted), job)
    counts[CHANGED] = len(wanted)
    return counts


_FIGURES = {code: f"bulk_{code}" for code in REASONS}


def _result(figures: Counter[str]) -> dict[str, Any]:
    """How many were done, and how many were left out for each reason."""
    names = (REPLACED, *_FIGURES.values())
    left_out = {name: figures[name] for name in names if figures[name]}
    return {CHANGED: figures[CHANGED], **left_out}


def register() -> None:
    """Called once, in AppConfig.ready()."""
    for kind, action in ACTIONS.items():
        jobs.register(kind, action.label, run, is_resumable=True, link=_members_url)
    FIGURE_NAMES[CHANGED] = gettext_lazy("members changed")
    FIGURE_NAMES[REPLACED] = gettext_lazy("of them another tag of the group replaced")
    for code, words in REASONS.items():
        FIGURE_NAMES[_FIGURES[code]] = words  # type: ignore[assignment]


def _members_url(job: Job) -> str:
    return reverse("admin:crm_member_changelist")
