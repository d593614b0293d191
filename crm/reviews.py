"""The list of pairs who may be one person, and what people decided about them.

A pair names the records it was raised for; whoever was merged since is read as the one
they became, so merging and undoing never have to touch the list.
"""

from __future__ import annotations

from collections.abc import Iterable

from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Coalesce
from django.utils import timezone

from core import audit
from crm.models import MatchReview, Member, Merge
from staff.models import Staff


def of_pair(one: Member, other: Member) -> QuerySet[MatchReview]:
    """Every row about the two people, through whichever of their records."""
    return _standing().filter(
        Q(standing_first=one.pk, standing_second=other.pk)
        | Q(standing_first=other.pk, standing_second=one.pk)
    )


def _standing() -> QuerySet[MatchReview]:
    return MatchReview.objects.alias(
        standing_first=Coalesce(F("first__merged_into"), F("first")),
        standing_second=Coalesce(F("second__merged_into"), F("second")),
    )


def standing_sides(review: MatchReview) -> tuple[Member, Member]:
    """Both records, or the ones they became since."""
    return (
        review.first.merged_into or review.first,
        review.second.merged_into or review.second,
    )


def are_apart(one: Member, other: Member) -> bool:
    """Whether somebody decided that these are two people."""
    records = Member.objects.filter(merged_into__in=[one, other])
    pks = [one.pk, other.pk, *records.values_list("pk", flat=True)]
    # Narrowed by the index of the pair first.
    rows = of_pair(one, other).filter(first__in=pks, second__in=pks)
    return rows.filter(state=MatchReview.State.APART).exists()


def put_on(
    one: Member, other: Member, *, speaks_for: Iterable[str], against: Iterable[str]
) -> MatchReview | None:
    """Ask people whether the two are one; None when that was decided.

    Evidence is given in codes of crm.merge_words; what is known of an open pair adds up.
    """
    if one.pk == other.pk or are_apart(one, other):
        return None
    first, second = sorted((one, other), key=lambda member: member.pk)
    evidence = {"for": sorted(set(speaks_for)), "against": sorted(set(against))}
    row, is_new = MatchReview.objects.get_or_create(
        first=first,
        second=second,
        defaults={"controller_id": first.controller_id, "evidence": evidence},
    )
    if row.state != MatchReview.State.OPEN:
        return None
    if not is_new and row.evidence != evidence:
        row.evidence = {
            side: sorted({*row.evidence.get(side, []), *evidence[side]})
            for side in ("for", "against")
        }
        row.save(update_fields=["evidence"])
    return row


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
