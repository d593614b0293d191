"""Who can be reached, and the purge clock of those who no longer can.

Official accounts demand that the data of somebody who unfollows is deleted
(contract A3, Receiving_event_pushes); the clock gives them time to come back.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db.models import Count, Max, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from core import system_settings
from core.system_settings import Declaration, declare
from crm import value
from crm.models import ConsentEntry, Identity, Member, Relation

# What a member agrees to when an account may read their profile.
PROFILE = "profile"
PURGE_DAYS = "purge_after_days"
_OF_PLATFORMS = (Identity.Kind.OPENID, Identity.Kind.EXTERNAL_USERID)


def follow(identity: Identity, *, at: datetime, scene: str = "") -> bool:
    """Mark as following since `at`; False when something newer is known.

    Events may come out of order: the newest by the platform's time holds, and at the
    same second the one that came last.
    """
    is_older = _is_older(identity, at)
    if scene and not (is_older and identity.scene):
        identity.scene = scene[:64]
    if identity.followed_at is None or identity.followed_at < at:
        identity.followed_at = at
    if not is_older:
        identity.is_following = True
    identity.save(update_fields=["is_following", "followed_at", "scene"])
    _note_reach(identity)
    return not is_older


def unfollow(identity: Identity, *, at: datetime) -> bool:
    """Mark as no longer following since `at`; False when something newer is known."""
    is_older = _is_older(identity, at)
    if identity.unfollowed_at is None or identity.unfollowed_at < at:
        identity.unfollowed_at = at
    if not is_older:
        identity.is_following = False
    identity.save(update_fields=["is_following", "unfollowed_at"])
    refresh_reach(identity.member)
    return not is_older


def _is_older(identity: Identity, at: datetime) -> bool:
    known = (identity.followed_at, identity.unfollowed_at)
    return any(moment is not None and at < moment for moment in known)


def note_act(identity: Identity, *, at: datetime) -> None:
    """Who acts in the chat follows, whatever callback we missed or is still to come.

    When they followed is left to that callback.
    """
    left_at = identity.unfollowed_at
    if identity.is_following or (left_at is not None and at <= left_at):
        return
    identity.is_following = True
    identity.save(update_fields=["is_following"])
    _note_reach(identity)


def _note_reach(identity: Identity) -> None:
    """Another one that follows changes nothing for somebody within reach."""
    member = identity.member
    is_settled = member.is_reachable and member.purge_due_at is None
    if not (identity.is_following and is_settled):
        refresh_reach(member)


def refresh_friendship(identity: Identity) -> None:
    """A WeCom identity follows while at least one colleague is a friend."""
    relations = Relation.objects.filter(
        member=identity.member, colleague__account=identity.account
    )
    standing = Q(state__in=[Relation.State.ACTIVE, Relation.State.PENDING])
    facts = relations.aggregate(
        friends=Count("pk", filter=standing),
        added=Max("added_at"),
        ended=Max("ended_at"),
    )
    found = (bool(facts["friends"]), facts["added"], facts["ended"])
    if found == (identity.is_following, identity.followed_at, identity.unfollowed_at):
        return
    identity.is_following, identity.followed_at, identity.unfollowed_at = found
    identity.save(update_fields=["is_following", "followed_at", "unfollowed_at"])
    refresh_reach(identity.member)


def refresh_reach(member: Member) -> None:
    """Work out anew whether anything reaches the member, and when they are purged.

    The clock runs from the day the last identity left, or from the day the member took
    back their authorisation and did not follow again. It is computed from what stands,
    so the order in which callbacks came does not matter.
    """
    identities = Identity.objects.filter(member=member, kind__in=_OF_PLATFORMS)
    facts = identities.aggregate(
        known=Count("pk"),
        following=Count("pk", filter=Q(is_following=True)),
        followed=Max("followed_at"),
        left=Max("unfollowed_at"),
    )
    if not facts["known"]:
        return  # of a shop or an import only: nobody left
    is_reachable = bool(facts["following"])
    left_at = facts["left"] or member.unreachable_at
    unreachable_at = None if is_reachable else left_at or timezone.now()
    revoked_at = _revoked_at(member)
    if revoked_at and facts["followed"] and revoked_at < facts["followed"]:
        revoked_at = None
    clocks = [moment for moment in (unreachable_at, revoked_at) if moment is not None]
    due_at = min(clocks) + timedelta(days=purge_after_days()) if clocks else None
    found = (is_reachable, unreachable_at, due_at)
    if found == (member.is_reachable, member.unreachable_at, member.purge_due_at):
        return
    if is_reachable != member.is_reachable:
        value.changed([member.pk])
    member.is_reachable, member.unreachable_at, member.purge_due_at = found
    member.save(update_fields=["is_reachable", "unreachable_at", "purge_due_at"])


def _revoked_at(member: Member) -> datetime | None:
    newest = member.consent_entries.filter(purpose=PROFILE).first()
    if newest is None or newest.action == ConsentEntry.Action.GRANTED:
        return None
    return newest.at


def purge_after_days() -> int:
    """Days from the moment nothing reaches somebody until their data is purged."""
    return int(system_settings.get(PURGE_DAYS))


def register() -> None:
    """Declare the setting; called once, in AppConfig.ready()."""
    declare(
        Declaration(
            PURGE_DAYS,
            _("Days until the data of somebody who left is purged"),
            30,
            unit=_("days"),
            help_text=_(
                "Counted from the day nothing reaches the person any more. "
                "Following again stops the clock."
            ),
            minimum=1,
            maximum=365,
        )
    )
