"""Who can be reached, and the purge clock of those who no longer can.

Official accounts demand that the data of somebody who unfollows is deleted
(contract A3, Receiving_event_pushes); the clock gives them time to come back.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from core import system_settings
from crm.models import Identity, Member, Relation


def follow(identity: Identity, *, at: datetime, scene: str = "") -> bool:
    """Mark as following since `at`; False when something newer is known.

    Events may come out of order: the newest by the platform's time holds, and at the
    same second the one that came last.
    """
    if _is_older(identity, at):
        return False
    identity.is_following = True
    identity.followed_at = at
    fields = ["is_following", "followed_at"]
    if scene:
        identity.scene = scene[:64]
        fields.append("scene")
    identity.save(update_fields=fields)
    refresh_reach(identity.member, at=at)
    return True


def unfollow(identity: Identity, *, at: datetime) -> bool:
    """Mark as no longer following since `at`; False when something newer is known."""
    if _is_older(identity, at):
        return False
    identity.is_following = False
    identity.unfollowed_at = at
    identity.save(update_fields=["is_following", "unfollowed_at"])
    refresh_reach(identity.member, at=at)
    return True


def _is_older(identity: Identity, at: datetime) -> bool:
    known = (identity.followed_at, identity.unfollowed_at)
    return any(moment is not None and at < moment for moment in known)


def refresh_reach(member: Member, *, at: datetime) -> None:
    """Recount whether anything reaches the member; start or stop the purge clock."""
    identities = Identity.objects.filter(member=member).exclude(
        kind=Identity.Kind.UNIONID
    )
    is_reachable = identities.filter(is_following=True).exists()
    if is_reachable == member.is_reachable and (
        is_reachable or member.purge_due_at is not None
    ):
        return
    member.is_reachable = is_reachable
    if is_reachable:
        member.unreachable_at = member.purge_due_at = None
    else:
        member.unreachable_at = at
        member.purge_due_at = at + timedelta(days=purge_after_days())
    member.save(update_fields=["is_reachable", "unreachable_at", "purge_due_at"])


def refresh_friendship(identity: Identity, *, at: datetime) -> None:
    """A WeCom identity follows while at least one colleague is a friend."""
    is_friend = Relation.objects.filter(
        member=identity.member,
        colleague__account=identity.account,
        state__in=[Relation.State.ACTIVE, Relation.State.PENDING],
    ).exists()
    if is_friend == identity.is_following:
        return
    identity.is_following = is_friend
    field = "followed_at" if is_friend else "unfollowed_at"
    setattr(identity, field, at)
    identity.save(update_fields=["is_following", field])
    refresh_reach(identity.member, at=at)


def start_purge_clock(member: Member, *, at: datetime) -> None:
    """Set when the member is to be purged, unless a clock runs already."""
    if member.purge_due_at is None:
        member.purge_due_at = at + timedelta(days=purge_after_days())
        member.save(update_fields=["purge_due_at"])


def purge_after_days() -> int:
    return int(system_settings.get("purge_after_days"))
