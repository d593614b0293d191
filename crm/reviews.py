"""The list of pairs who may be one person, and what people decided about them.

A pair names the records it was raised for; whoever was merged since is read as the one
they became, so merging and undoing never have to touch the list.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any, NamedTuple

from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Coalesce
from django.utils import timezone

from core import audit
from crm.models import MatchReview, Member, Merge
from staff.models import Staff


def standing_sides(review: MatchReview) -> tuple[Member, Member]:
    """Both records, or the ones they became since."""
    return (
        review.first.merged_into or review.first,
        review.second.merged_into or review.second,
    )


def are_apart(one: Member, other: Member) -> bool:
    """Whether somebody decided that these are two people."""
    return frozenset((one.pk, other.pk)) in _apart([one.pk, other.pk])


def _apart(pks: Collection[int]) -> set[frozenset[int]]:
    """Pairs decided to be two people, through whichever of their records."""
    records = Member.objects.filter(merged_into__in=pks)
    every = [*pks, *records.values_list("pk", flat=True)]
    rows = _through_standing(
        MatchReview.objects.filter(
            first__in=every, second__in=every, state=MatchReview.State.APART
        )
    )
    return {
        frozenset(pair)
        for pair in rows.values_list("standing_first", "standing_second")
    }


def _through_standing(rows: QuerySet[MatchReview]) -> QuerySet[Any]:
    """With the ids of whom both sides became."""
    return rows.annotate(
        standing_first=Coalesce(F("first__merged_into"), F("first")),
        standing_second=Coalesce(F("second__merged_into"), F("second")),
    )


class Pair(NamedTuple):
    """Two who may be one; evidence in codes of crm.merge_words."""

    one: Member
    other: Member
    speaks_for: Iterable[str]
    against: Iterable[str]


def put_on(
    one: Member, other: Member, *, speaks_for: Iterable[str], against: Iterable[str]
) -> MatchReview | None:
    """Ask people whether the two are one; None when that was decided.

    Evidence is given in codes of crm.merge_words; what is known of an open pair adds up.
    """
    rows = put_all_on([Pair(one, other, speaks_for, against)])
    return rows[0] if rows else None


def put_all_on(pairs: Iterable[Pair]) -> list[MatchReview]:
    """As `put_on`, for many pairs in a few statements; the open rows about them."""
    wanted: dict[tuple[int, int], MatchReview] = {}
    for pair in pairs:
        if pair.one.pk == pair.other.pk:
            continue
        first, second = sorted((pair.one, pair.other), key=lambda member: member.pk)
        new = MatchReview(first=first, second=second, controller_id=first.controller_id)
        row = wanted.setdefault((first.pk, second.pk), new)
        _add_up(row, {"for": pair.speaks_for, "against": pair.against})
    apart = _apart({pk for key in wanted for pk in key}) if wanted else set()
    wanted = {key: row for key, row in wanted.items() if frozenset(key) not in apart}
    if not wanted:
        return []
    MatchReview.objects.bulk_create(wanted.values(), ignore_conflicts=True)
    firsts, seconds = zip(*wanted, strict=True)
    near = MatchReview.objects.open().filter(first__in=firsts, second__in=seconds)
    rows = [row for row in near if (row.first_id, row.second_id) in wanted]
    changed = [
        row
        for row in rows
        if _add_up(row, wanted[row.first_id, row.second_id].evidence)
    ]
    MatchReview.objects.bulk_update(changed, ["evidence"], batch_size=500)
    return rows


def _add_up(row: MatchReview, more: Mapping[str, Iterable[str]]) -> bool:
    """Put more codes to the evidence of the row; whether it changed."""
    before = row.evidence
    row.evidence = {
        side: sorted({*before.get(side, ()), *more.get(side, ())})
        for side in ("for", "against")
    }
    return bool(row.evidence != before)


def follow_merge(row: Merge) -> None:
    """Whoever became one person need not be asked about any more."""
    records = Member.objects.filter(Q(pk=row.kept_id) | Q(merged_into=row.kept_id))
    rows = MatchReview.objects.open().filter(first__in=records, second__in=records)
    _decide(rows, MatchReview.State.MERGED, actor=row.actor)


@transaction.atomic
def keep_apart(one: Member, other: Member, *, actor: Staff) -> None:
    """Two people, whatever speaks for one: never raised or merged by evidence again."""
    first, second = sorted((one, other), key=lambda member: member.pk)
    row, _is_new = MatchReview.objects.get_or_create(
        first=first, second=second, defaults={"controller_id": first.controller_id}
    )
    rows = MatchReview.objects.filter(pk=row.pk)
    _decide(rows, MatchReview.State.APART, actor=actor)


def ask_again(one: Member, other: Member) -> None:
    """After the two were taken apart: pairs only their merge had settled are open again."""
    pks = [one.pk, other.pk]
    records = Member.objects.filter(Q(pk__in=pks) | Q(merged_into__in=pks))
    rows = _through_standing(
        MatchReview.objects.filter(
            Q(first__in=records) | Q(second__in=records),
            state=MatchReview.State.MERGED,
        )
    ).exclude(standing_first=F("standing_second"))
    pairs = {row.pk: (row.standing_first, row.standing_second) for row in rows}
    apart = _apart({pk for pair in pairs.values() for pk in pair})
    undecided = [pk for pk, pair in pairs.items() if frozenset(pair) not in apart]
    MatchReview.objects.filter(pk__in=undecided).update(
        state=MatchReview.State.OPEN, decided_at=None, decided_by=None
    )


def decide_apart(row: MatchReview, *, actor: Staff) -> bool:
    """Two people; False when somebody was faster."""
    rows = MatchReview.objects.open().filter(pk=row.pk)
    if not _decide(rows, MatchReview.State.APART, actor=actor):
        return False
    audit.record(
        "crm.match.apart",
        row,
        actor=actor,
        after={"first": row.first_id, "second": row.second_id},
    )
    return True


def decide_merged(row: MatchReview, *, actor: Staff) -> bool:
    """One person; False when somebody was faster. The caller merges."""
    rows = MatchReview.objects.open().filter(pk=row.pk)
    return bool(_decide(rows, MatchReview.State.MERGED, actor=actor))


def _decide(rows: QuerySet[MatchReview], state: str, *, actor: Staff) -> int:
    return rows.update(state=state, decided_at=timezone.now(), decided_by=actor)
