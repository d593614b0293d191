"""Recipients follow the person when members are merged or purged."""

from __future__ import annotations

from campaigns.models import Recipient, Response, Touch
from crm.journal import Undo
from crm.models import Member
from crm.registry import on_merge, on_purge, on_unmerge, settled
from crm.returning import identities_of
from staff.models import Staff

DUPLICATE = "duplicate_person"
ERASED = "erased"
# What happened outweighs what waits, what waits outweighs what was left out.
_OVER = (Touch.State.DONE, Touch.State.STOPPED, Touch.State.CANCELLED)
_RANK = {Recipient.State.WAITING: 1, Recipient.State.EXCLUDED: 2}


@on_merge
def move_recipients(primary: Member, duplicate: Member, actor: Staff) -> None:
    """Give the duplicate's rows to the primary, in the merge's transaction.

    A touch meant for both keeps one: the row that was contacted first, else the one that
    waits. The other stays with the merged-away record; if it waits it must not be sent.
    """
    del actor
    rows: dict[int, list[Recipient]] = {}
    for row in (
        Recipient.objects.filter(member__in=[primary, duplicate])
        .order_by("touch_id", "pk")
        .select_for_update(no_key=True)
    ):
        rows.setdefault(row.touch_id, []).append(row)
    twice = [both for both in rows.values() if len(both) == 2]
    for both in twice:
        _settle(primary, both)
    Recipient.objects.filter(member=duplicate).exclude(
        touch__in=[both[0].touch_id for both in twice]
    ).update(member=primary)
    Response.objects.filter(member=duplicate).update(member=primary)


settled("campaigns.recipient")


@on_unmerge
def part_recipients(kept: Member, returning: Member, undo: Undo) -> None:
    """Touches said to an address that returns go with it; nothing old begins to wait."""
    targets = undo.targets(Recipient)
    waiting = [
        row for row in targets.values() if row["state"] == Recipient.State.WAITING
    ]
    touches = Touch.objects.filter(pk__in=[row["touch_id"] for row in waiting])
    over = set(touches.filter(state__in=_OVER).values_list("pk", flat=True))
    for row in waiting:
        if row["touch_id"] in over:
            row["state"], row["reason"] = Recipient.State.EXCLUDED, DUPLICATE
    undo.then(lambda: _hand_over(kept, returning, undo))


def _hand_over(kept: Member, returning: Member, undo: Undo) -> None:
    addresses = identities_of(undo).values
    known = Recipient.objects.filter(member=returning).values("touch")
    theirs = Recipient.objects.filter(member=kept, address__in=addresses)
    pks = list(theirs.exclude(touch__in=known).values_list("pk", flat=True))
    Recipient.objects.filter(pk__in=pks).update(member=returning)
    Response.objects.filter(member=kept, recipient__in=pks).update(member=returning)


def _settle(primary: Member, both: list[Recipient]) -> None:
    kept, other = sorted(both, key=_weight)
    if other.state == Recipient.State.WAITING:
        Recipient.objects.filter(pk=other.pk).update(
            state=Recipient.State.EXCLUDED, reason=DUPLICATE
        )
        other.state, other.reason = Recipient.State.EXCLUDED, DUPLICATE
    is_in_place = kept.member_id == primary.pk
    if is_in_place or other.state != Recipient.State.EXCLUDED:
        return  # sent twice: both happened, and each says to whom
    # UNIQUE(touch, member) is checked row by row: the one makes way for the other.
    duplicate_id = kept.member_id
    rows = Recipient.objects.filter(pk=other.pk)
    rows._raw_delete(rows.db)
    Recipient.objects.filter(pk=kept.pk).update(member=primary)
    other.member_id = duplicate_id
    Recipient.objects.bulk_create([other])


def _weight(row: Recipient) -> tuple[int, float, int]:
    contacted = row.contacted_at.timestamp() if row.contacted_at else float("inf")
    return _RANK.get(Recipient.State(row.state), 0), contacted, row.pk


@on_purge
def forget(member: Member) -> None:
    """Who is forgotten is sent nothing and can't be told by an address; counts stay."""
    rows = Recipient.objects.filter(member=member)
    rows.filter(state=Recipient.State.WAITING).update(
        state=Recipient.State.EXCLUDED, reason=ERASED
    )
    rows.exclude(address="").update(address="")
