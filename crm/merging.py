"""Two records, one person: the one way members are merged and taken apart again.

Order of locks: the controller's merge lock, identities by pk, members by pk. Handlers
of callbacks hold one identity and then one member, so the two never wait in a circle.
What a merge did is kept by crm.journal.
"""

from __future__ import annotations

from django.db import IntegrityError, connection, models, transaction
from django.db.models import Q
from django.utils import timezone

from core import audit
from core.models import AuditEntry
from crm import following, journal, list_counts, registry, returning, reviews, timeline
from crm.errors import (
    AlreadyUndone,
    DifferentControllers,
    LaterMergeStands,
    NotMergeable,
    NotUndoable,
    ReasonMissing,
)
from crm.models import (
    Identity,
    MatchReview,
    Member,
    MemberValue,
    Merge,
    MergeStep,
    Relation,
)
from crm.naming import tokens
from staff.models import OrgUnit, Staff

UNMERGED = "crm.member.unmerged"
_MERGE_LOCK = 7_301_420
# What the kept record takes over where it knows nothing itself.
_FILLED = ("remark", "real_name", "org_unit", "owner", "gender", "birthday", "city")


def lock_controller(controller: OrgUnit) -> None:
    """One merge at a time inside a controller, until the transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_advisory_xact_lock(%s, %s)", [_MERGE_LOCK, controller.pk]
        )


@transaction.atomic
def merge(
    primary: Member, duplicate: Member, *, actor: Staff, why: str = "unionid"
) -> Member:
    """Move everything of `duplicate` to `primary` and return `primary` as it stands.

    Both are looked up anew under lock: whoever was merged meanwhile counts as the one
    they became. `why` is a code of crm.merge_words or what a person wrote.
    Raises DifferentControllers, NotMergeable (one was purged).
    """
    if primary.controller_id != duplicate.controller_id:
        raise DifferentControllers
    lock_controller(primary.controller)
    kept, gone = _lock(_standing_pk(primary), _standing_pk(duplicate))
    if kept.pk == gone.pk:
        return kept
    if kept.purged_at or gone.purged_at:
        raise NotMergeable
    row = Merge.objects.create(
        controller_id=kept.controller_id, kept=kept, gone=gone, why=why, actor=actor
    )
    pair = (kept.pk, gone.pk)
    on_lists = list_counts.tally(pair)
    book = journal.Journal(row)
    book.begin()
    _combine_all_relations(kept, gone)
    _bring(kept, gone)
    _combine(kept, gone)
    registry.tell_merge(kept, gone, actor=actor, journal=book)
    list_counts.settle(on_lists, pair)
    book.move_events(kept, gone)  # with the lines the handlers wrote
    following.refresh_reach(kept)
    gone.merged_into = kept
    gone.purge_due_at = None
    gone.save(update_fields=["merged_into", "purge_due_at"])
    book.close()
    reviews.follow_merge(row)
    _tell(row, actor=actor)
    return kept


def foresee(primary: Member, duplicate: Member, *, actor: Staff) -> list[MergeStep]:
    """What `merge` would do, by doing it and taking the transaction back.

    Raises what `merge` raises.
    """
    with transaction.atomic():
        merge(primary, duplicate, actor=actor)
        steps = MergeStep.objects.filter(merge__actor=actor).order_by("-merge_id")
        newest = steps.values_list("merge_id", flat=True).first()
        found = list(steps.filter(merge=newest).defer("rows", "ids"))
        transaction.set_rollback(True)
    return found


def _lock(kept_pk: int, gone_pk: int) -> tuple[Member, Member]:
    pks = [kept_pk, gone_pk]
    identities = Identity.objects.filter(member__in=pks).order_by("pk")
    list(identities.select_for_update(of=("self",)).values_list("pk", flat=True))
    rows = Member.objects.filter(pk__in=pks).order_by("pk").select_for_update()
    found = {member.pk: member for member in rows}
    return found[kept_pk], found[gone_pk]


def _standing_pk(member: Member) -> int:
    """Whom a member became through earlier merges; chains are one step long."""
    merged_into = Member.objects.values_list("merged_into", flat=True).get(pk=member.pk)
    return merged_into or member.pk


def _combine_all_relations(kept: Member, gone: Member) -> None:
    known = {row.colleague_id: row for row in kept.relations.all()}
    for relation in gone.relations.all():
        other = known.get(relation.colleague_id)
        if other is not None:
            _combine_relations(other, relation)


def _combine_relations(kept: Relation, gone: Relation) -> None:
    """Both know the same colleague: the friendship that changed last holds."""

    def changed(relation: Relation) -> float:
        moments = [m for m in (relation.added_at, relation.ended_at) if m is not None]
        return max(moments).timestamp() if moments else 0.0

    newer = gone if changed(gone) > changed(kept) else kept
    for name in ("state", "added_at", "ended_at", "add_way"):
        setattr(kept, name, getattr(newer, name))
    for name in ("remark", "description", "channel_state"):
        setattr(kept, name, getattr(kept, name) or getattr(gone, name))
    gone.delete()
    kept.save()


def _bring(kept: Member, gone: Member) -> None:
    """Rows of every table that no handler settles go over, unless both have one."""
    MemberValue.objects.filter(member=gone).delete()  # counted anew
    for model in journal.tables():
        if model._meta.label_lower in registry.settled_tables:
            continue
        for field in journal.member_fields(model):
            rows = model._base_manager.filter(**{field: gone})
            if journal.may_collide(model, field):
                _bring_one_by_one(rows, field, kept)
            else:
                rows.update(**{field: kept})


def _bring_one_by_one(
    rows: models.QuerySet[models.Model], field: str, kept: Member
) -> None:
    for row in rows:
        same = rows.model._base_manager.filter(pk=row.pk)
        try:
            with transaction.atomic():
                same.update(**{field: kept})
        except IntegrityError:
            same._raw_delete(same.db)


def _combine(kept: Member, gone: Member) -> None:
    """What both know of the person: nothing known is lost, the kept record wins."""
    if kept.is_placeholder_name and not gone.is_placeholder_name:
        kept.display_name, kept.is_placeholder_name = gone.display_name, False
    for name in _FILLED:
        setattr(kept, name, getattr(kept, name) or getattr(gone, name))
    if not kept.phone and gone.phone:
        kept.phone = gone.phone
        kept.phone_hash, kept.phone_tail_hash = gone.phone_hash, gone.phone_tail_hash
    if kept.stage == Member.Stage.PROSPECT:
        kept.stage = gone.stage
    # What somebody refused or complained of holds for the whole person.
    kept.no_personalisation = kept.no_personalisation or gone.no_personalisation
    freezes = [at for at in (kept.frozen_until, gone.frozen_until) if at is not None]
    kept.frozen_until = max(freezes, default=None)
    kept.first_seen_at = min(kept.first_seen_at, gone.first_seen_at)
    kept.last_seen_at = max(kept.last_seen_at, gone.last_seen_at)
    kept.opted_out_at = kept.opted_out_at or gone.opted_out_at
    kept.name_tokens = tokens(kept.display_name, kept.remark)
    kept.save()


def _tell(row: Merge, *, actor: Staff) -> None:
    identities = row.steps.filter(table="crm.identity", kind=MergeStep.Kind.MOVED)
    timeline.write(
        member=row.kept,
        kind="merged",
        at=row.at,
        key=f"merge:{row.gone_id}",
        data={"why": row.why, "duplicate": row.gone_id},
    )
    audit.record(
        "crm.member.merged",
        row.kept,
        actor=actor,
        before={
            "duplicate": row.gone_id,
            "identities": [pk for step in identities for pk in step.ids],
        },
        after={"why": row.why, "merge": row.pk},
    )


# -- taking apart


@transaction.atomic
def unmerge(row: Merge, *, actor: Staff, reason: str) -> Member:
    """Give back to the merged record what was its own; returns it, standing again.

    Everything is as before the merge, but for what was changed since, which stays as it
    is. What came in since follows its identity (crm.returning). The two are never
    raised or merged by evidence again. Raises ReasonMissing, AlreadyUndone,
    LaterMergeStands (a later merge of one of them has to be undone first), NotUndoable.
    """
    if not reason.strip():
        raise ReasonMissing
    lock_controller(row.controller)
    row = Merge.objects.select_for_update(of=("self",)).get(pk=row.pk)
    if row.undone_at is not None:
        raise AlreadyUndone.by(row)
    _refuse_out_of_order(row)
    kept, gone = _lock(row.kept_id, row.gone_id)
    if kept.purged_at or gone.purged_at or gone.merged_into_id != kept.pk:
        raise NotUndoable
    row.kept, row.gone = kept, gone
    pair = (kept.pk, gone.pk)
    on_lists = list_counts.tally(pair)
    undo = journal.Undo(row)
    registry.tell_unmerge(kept, gone, undo)
    undo.write()
    list_counts.settle(on_lists, pair)
    row.undone_at, row.undone_by = timezone.now(), actor
    row.save(update_fields=["undone_at", "undone_by"])
    returning.follow(row, undo, actor=actor)
    reviews.keep_apart(kept, gone, actor=actor)
    reviews.ask_again(kept, gone)
    for member, other in ((kept, gone), (gone, kept)):
        timeline.write(
            member=member,
            kind="unmerged",
            at=row.undone_at,
            key=f"unmerge:{row.pk}:{member.pk}",
            data={"other": other.pk},
        )
        audit.record(
            UNMERGED,
            member,
            actor=actor,
            before={"merge": row.pk},
            after={"other": other.pk},
            reason=reason.strip(),
        )
    return Member.objects.get(pk=gone.pk)


def undone_why(row: Merge) -> str:
    """The reason in the trail of who took the merge apart; "" while it stands."""
    if row.undone_at is None:
        return ""
    told = AuditEntry.objects.filter(
        target_type=Member._meta.label_lower,
        target_id=str(row.kept_id),
        action=UNMERGED,
        before__merge=row.pk,
    )
    return told.order_by("-id").values_list("reason", flat=True).first() or ""


def later_merges(row: Merge) -> models.QuerySet[Merge]:
    """Standing merges of the same people made since; they come apart first."""
    pair = [row.kept_id, row.gone_id]
    return (
        Merge.objects.standing()
        .filter(Q(kept__in=pair) | Q(gone__in=pair), pk__gt=row.pk)
        .order_by("-pk")
    )


def _refuse_out_of_order(row: Merge) -> None:
    later = later_merges(row).first()
    if later is not None:
        raise LaterMergeStands.of(later)


@registry.on_purge
def _forget(member: Member) -> None:
    """What a merge knew of the person is not kept longer than the person."""
    everyone = Q(merge__kept=member) | Q(merge__kept__merged_into=member)
    # Of a merge that was undone they may be the side that was gone.
    everyone |= Q(merge__gone=member) | Q(merge__gone__merged_into=member)
    MergeStep.objects.filter(everyone).delete()
    pairs = MatchReview.objects.open().filter(Q(first=member) | Q(second=member))
    pairs.delete()
