"""Two records, one person: the one way a member is merged into another.

Order of locks: the controller's merge lock, identities by pk, members by pk. Handlers
of callbacks hold one identity and then one member, so the two never wait in a circle.
"""

from __future__ import annotations

from django.db import connection, transaction
from django.utils import timezone

from core import audit
from crm import consent, following, registry, timeline
from crm.errors import DifferentControllers, NotMergeable
from crm.models import ConsentEntry, Event, Identity, Member, Relation
from crm.naming import tokens
from staff.models import OrgUnit, Staff

_MERGE_LOCK = 7_301_420


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
    they became. Raises DifferentControllers, NotMergeable (one was purged).
    """
    if primary.controller_id != duplicate.controller_id:
        raise DifferentControllers
    lock_controller(primary.controller)
    pks = [_standing_pk(primary), _standing_pk(duplicate)]
    identities = Identity.objects.filter(member__in=pks).order_by("pk")
    list(identities.select_for_update(of=("self",)).values_list("pk", flat=True))
    rows = Member.objects.filter(pk__in=pks).order_by("pk").select_for_update()
    found = {member.pk: member for member in rows}
    kept, gone = found[pks[0]], found[pks[1]]
    if kept.pk == gone.pk:
        return kept
    if kept.purged_at or gone.purged_at:
        raise NotMergeable
    moved = list(gone.identities.values_list("pk", flat=True))
    _move_rows(kept, gone)
    _combine(kept, gone)
    registry.tell_merge(kept, gone, actor=actor)
    _close(kept, gone, moved=moved, actor=actor, why=why)
    return kept


def _standing_pk(member: Member) -> int:
    """Whom a member became through earlier merges; chains are one step long."""
    merged_into = Member.objects.values_list("merged_into", flat=True).get(pk=member.pk)
    return merged_into or member.pk


def _move_rows(kept: Member, gone: Member) -> None:
    Identity.objects.filter(member=gone).update(member=kept)
    Event.objects.filter(member=gone).update(member=kept)
    ConsentEntry.objects.filter(member=gone).update(member=kept)
    Member.objects.filter(merged_into=gone).update(merged_into=kept)
    known = {row.colleague_id: row for row in kept.relations.all()}
    for relation in gone.relations.all():
        other = known.get(relation.colleague_id)
        if other is None:
            relation.member = kept
            relation.save(update_fields=["member"])
        else:
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


def _combine(kept: Member, gone: Member) -> None:
    """What both know of the person: nothing known is lost, the kept record wins."""
    if kept.is_placeholder_name and not gone.is_placeholder_name:
        kept.display_name, kept.is_placeholder_name = gone.display_name, False
    for name in ("remark", "real_name", "org_unit"):
        setattr(kept, name, getattr(kept, name) or getattr(gone, name))
    if not kept.phone and gone.phone:
        kept.phone = gone.phone
        kept.phone_hash, kept.phone_tail_hash = gone.phone_hash, gone.phone_tail_hash
    if kept.stage == Member.Stage.PROSPECT:
        kept.stage = gone.stage
    kept.first_seen_at = min(kept.first_seen_at, gone.first_seen_at)
    kept.last_seen_at = max(kept.last_seen_at, gone.last_seen_at)
    kept.opted_out_at = consent.opted_out_since(kept)
    kept.name_tokens = tokens(kept.display_name, kept.remark)
    kept.save()
    following.refresh_reach(kept)


def _close(
    kept: Member, gone: Member, *, moved: list[int], actor: Staff, why: str
) -> None:
    now = timezone.now()
    gone.merged_into = kept
    gone.purge_due_at = None
    gone.save(update_fields=["merged_into", "purge_due_at"])
    timeline.write(
        member=kept,
        kind="merged",
        at=now,
        key=f"merge:{gone.pk}",
        data={"why": why, "duplicate": gone.pk},
    )
    audit.record(
        "crm.member.merged",
        kept,
        actor=actor,
        before={"duplicate": gone.pk, "identities": moved},
        after={"why": why},
    )
