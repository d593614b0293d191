"""Recipients follow the person when members are merged or purged."""

from __future__ import annotations

from campaigns.models import Recipient, Response
from crm.models import Member
from crm.registry import on_merge, on_purge
from staff.models import Staff

DUPLICATE = "duplicate_person"
ERASED = "erased"
# What happened outweighs what waits, what waits outweighs what was left out.
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
