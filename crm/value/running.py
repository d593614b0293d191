"""When values are computed: for everybody at night, for a few soon after they changed.

What people write asks for nothing here: the inbox stays as cheap as it is, and it counts
from the next night on, or with their next order.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from core import doorbell, jobs, nightly, system_settings
from core.models import Job
from crm.errors import OutsideEveryController
from crm.journal import Undo
from crm.models import (
    Category,
    Member,
    MemberValue,
    StageChange,
    Tag,
    ValueCut,
    ValueDue,
)
from crm.registry import derived, on_merge, on_purge, on_unmerge
from crm.value import counting, cuts, figures, states
from crm.value.moments import AsOf
from crm.value.people import RULING, People
from staff.accounts import system_staff
from staff.models import Staff

logger = logging.getLogger(__name__)

WRITER = "crm.value"
JOB = "crm.value_recompute"
CHUNK = 20_000
DUE_BATCH = 500
DRAIN_SECONDS = 20.0
# Held by whoever computes: a night's chunk and a drain never decide on one member at once.
_LOCK = 7_301_420_012

Step = Callable[[int], None]


def changed(member_ids: Sequence[int]) -> None:
    """Have these members computed anew soon after the surrounding transaction commits.

    One narrow statement; asking twice is asking once.
    """
    if not member_ids:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO crm_valuedue (member_id, since)"
            " SELECT DISTINCT id, now() FROM unnest(%s::bigint[]) AS id ORDER BY id"
            " ON CONFLICT (member_id) DO NOTHING",
            [list(member_ids)],
        )
    from crm import tasks

    doorbell.ring(tasks.drain_values)


def drain(seconds: float = DRAIN_SECONDS) -> int:
    """Compute whoever is due, in batches, for at most `seconds`; how many were."""
    deadline, done = time.monotonic() + seconds, 0
    while time.monotonic() < deadline:
        count = _drain_batch()
        if not count:
            break
        done += count
    return done


@transaction.atomic
def _drain_batch() -> int:
    """One data controller's oldest due members, computed as their rows are deleted."""
    _lock()
    first = ValueDue.objects.order_by("since", "member_id").first()
    if first is None:
        return 0
    owners = Member.objects.filter(pk=first.member_id)
    controller_id = owners.values_list("controller", flat=True).first()
    due = ValueDue.objects.filter(member__controller=controller_id)
    ids = sorted(
        due.order_by("since", "member_id").values_list("pk", flat=True)[:DUE_BATCH]
    )
    if controller_id is None or not ids:  # the member is gone
        ids = [first.member_id]
    ValueDue.objects.filter(pk__in=ids).delete()
    if controller_id is not None:
        as_of, now = AsOf.today(), timezone.now()
        people = People(controller_id, ids=ids)
        figures.add_up(people, as_of, now=now)
        if _is_without_cuts(controller_id):
            cuts.remake(controller_id, as_of, now=now)
        _decide(people, states.Rules(controller_id, as_of), now=now)
    return len(ids)


def _lock() -> None:
    with connection.cursor() as cursor:
        # A chunk's events are added up without a detour over the disk.
        cursor.execute("SET LOCAL work_mem = '64MB'")
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])


def _is_without_cuts(controller_id: int) -> bool:
    """A category came after last night, or there was none yet."""
    known = Category.objects.filter(controller=None) | Category.objects.filter(
        controller=controller_id
    )
    cut = ValueCut.objects.filter(controller=controller_id, category__isnull=False)
    return known.exclude(pk__in=cut.values("category")).exists()


def _decide(people: People, rules: states.Rules, *, now: datetime) -> int:
    verdicts = states.decide(people, rules)
    return states.apply(verdicts, rules, actor=system_staff(WRITER), now=now)


# -- everybody


def recompute_all(
    *,
    as_of: AsOf | None = None,
    controller_id: int | None = None,
    step: Step | None = None,
) -> dict[str, int]:
    """Compute everybody, of all data controllers or of one; safe to repeat and to stop.

    First the figures of orders, then the cut-offs made of them, then stages and scores,
    in chunks of ids, each its own short transaction. `step(n)` hears of n members done
    (each counts twice) and may raise to stop. Returns counts.
    """
    as_of, tell = as_of or AsOf.today(), step or (lambda _count: None)
    totals = {"members": 0, "written": 0, "moved": 0}
    owners = Member.objects.known()
    if controller_id is not None:
        owners = owners.filter(controller=controller_id)
    for owner in sorted(
        owners.order_by().values_list("controller_id", flat=True).distinct()
    ):
        _recompute_one(owner, as_of, tell, totals)
    return totals


def _recompute_one(
    controller_id: int, as_of: AsOf, tell: Step, totals: dict[str, int]
) -> None:
    for people, count in _chunks(controller_id):
        with transaction.atomic():
            _lock()
            totals["written"] += figures.add_up(people, as_of, now=timezone.now())
        totals["members"] += count
        tell(count)
    cuts.remake(controller_id, as_of, now=timezone.now())
    rules = states.Rules(controller_id, as_of)
    for people, count in _chunks(controller_id):
        with transaction.atomic():
            _lock()
            totals["moved"] += _decide(people, rules, now=timezone.now())
        tell(count)
    counting.count(controller_id, now=timezone.now())
    # A chunk may have written them while their member was being purged.
    gone = MemberValue.objects.filter(member__purged_at__isnull=False)
    gone.filter(member__controller=controller_id).delete()


def _chunks(controller_id: int) -> Iterator[tuple[People, int]]:
    """Ranges of ids with CHUNK members each, and how many are in them."""
    last = 0
    while True:
        rows = Member.objects.known().filter(controller=controller_id, pk__gt=last)
        pks = list(rows.order_by("pk").values_list("pk", flat=True)[:CHUNK])
        if not pks:
            return
        yield People(controller_id, first=pks[0], last=pks[-1]), len(pks)
        last = pks[-1]


# -- at night, and by hand


def start_nightly() -> bool:
    """Start tonight's job once its hour has come; whoever rings, once a night."""
    hour = int(system_settings.get("value_hour"))
    return nightly.start(JOB, hour=hour, actor=system_staff(WRITER))


def start(*, actor: Staff) -> Job:
    """Compute everybody of the person's data controller now, as a job with progress.

    Administrators compute all controllers. Raises OutsideEveryController.
    """
    if actor.is_superuser:
        return jobs.start(JOB, actor=actor)
    if actor.org_unit is None:
        raise OutsideEveryController
    return jobs.start(JOB, {"controller": actor.org_unit.controller_id}, actor=actor)


def run_job(progress: jobs.Progress) -> dict[str, Any]:
    """The job: resumable, because computing what is right already writes nothing."""
    controller_id = progress.params.get("controller")
    rows = Member.objects.known()
    if controller_id is not None:
        rows = rows.filter(controller=controller_id)
    progress.total(2 * rows.count())
    return recompute_all(controller_id=controller_id, step=progress.step)


# -- tags that the rules read


def note_tags(members: Sequence[int], tag: Tag, actor: Staff) -> None:
    """Somebody became a colleague, a top member, an advocate, or is so no longer."""
    del actor
    if tag.builtin_key in RULING:
        changed(members)


# -- people who become one, and people who are forgotten


derived("crm.valuedue")


@on_merge
def _compute_together(primary: Member, duplicate: Member, actor: Staff) -> None:
    del duplicate, actor
    changed([primary.pk])


@on_unmerge
def _compute_apart(kept: Member, returning: Member, undo: Undo) -> None:
    undo.then(lambda: changed([kept.pk, returning.pk]))


@on_purge
def _forget(member: Member) -> None:
    gone = [member.pk, *member.merged_members.values_list("pk", flat=True)]
    _forget_figures(gone)
    StageChange.objects.filter(member__in=gone).delete()


def _forget_figures(member_ids: list[int]) -> None:
    MemberValue.objects.filter(member__in=member_ids).delete()
    ValueDue.objects.filter(member__in=member_ids).delete()
