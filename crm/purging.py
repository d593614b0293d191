"""Forgetting people whose purge clock has run out, so that nobody can tell who it was.

The member's row stays as an anonymous stone for counts; identities go, leaving keyed
hashes (Tombstone) that keep a late callback from bringing the person back. Retention:
setting `purge_after_days`; the platform demands deletion after an unfollow (contract A3).
"""

from __future__ import annotations

import logging
import time
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _

from core import audit
from crm import list_counts, registry
from crm.identities import digest
from crm.models import (
    Coupon,
    Event,
    Identity,
    MatchReview,
    Member,
    Merge,
    Order,
    Refund,
    Relation,
    SegmentMember,
    TagSet,
    Tombstone,
)
from staff.accounts import system_staff
from staff.models import Staff
from wechat import erasure

logger = logging.getLogger(__name__)

BATCH = 200
DRAIN_SECONDS = 300.0


def drain(seconds: float = DRAIN_SECONDS) -> int:
    """Purge everybody due, for at most `seconds`; returns how many were."""
    deadline = time.monotonic() + seconds
    actor = system_staff("crm.purge")
    done, failed = 0, set[int]()
    while time.monotonic() < deadline:
        due = Member.objects.due_for_purge().exclude(pk__in=failed)
        pks = list(due.order_by("purge_due_at").values_list("pk", flat=True)[:BATCH])
        if not pks:
            break
        for pk in pks:
            try:
                done += purge(pk, actor=actor)
            except Exception:
                # The others are independent; this one stays due and is seen tomorrow.
                logger.exception("Member %s was not purged", pk)
                failed.add(pk)
    return done


@transaction.atomic
def purge(pk: int, *, actor: Staff) -> bool:
    """Forget one member whose time has come; False if it has not (any more).

    Same order of locks as a merge: identities, then the member.
    """
    identities = list(
        Identity.objects.select_related("account")
        .select_for_update(of=("self",))
        .filter(member_id=pk)
        .order_by("pk")
    )
    member = Member.objects.due_for_purge().select_for_update().filter(pk=pk).first()
    if member is None:
        return False
    now = timezone.now()
    people = [member.pk, *member.merged_members.values_list("pk", flat=True)]
    on_lists = list_counts.tally(people)
    registry.tell_purge(member)
    for identity in identities:
        if identity.account is not None:
            erasure.forget_subject(identity.account, identity.value)
    _bury(identities, member, now)
    Identity.objects.filter(member=member).delete()
    Event.objects.filter(member=member).update(data={})
    Relation.objects.filter(member=member).update(
        remark="", description="", channel_state=""
    )
    _let_go(people)
    list_counts.settle(on_lists, people)
    for each in Member.objects.filter(merged_into=member):
        _empty(each)
        each.save()
    _empty(member)
    member.purged_at = now
    member.is_reachable = False
    member.save()
    audit.record(
        "crm.member.purged",
        member,
        actor=actor,
        after=_figures(identities, member),
    )
    return True


def _bury(identities: list[Identity], member: Member, now: datetime) -> None:
    """Keep of each identity what a late callback about it is known by, and no more."""
    Tombstone.objects.bulk_create(
        [
            Tombstone(
                controller_id=member.controller_id,
                digest=digest(each.kind, each.account_id, each.value),
                left_at=_left_at(each, member, now),
                purged_at=now,
            )
            for each in identities
        ],
        update_conflicts=True,
        unique_fields=["controller", "digest"],
        update_fields=["left_at", "purged_at"],
    )


def _figures(identities: list[Identity], member: Member) -> dict[str, Any]:
    found: dict[str, Any] = {"identities": len(identities)}
    if member.purge_due_at:
        found["due"] = member.purge_due_at.isoformat()
    return found


def _let_go(people: list[int]) -> None:
    """Orders stay for the books, without anybody they belong to; the rest goes.

    An order keeps shop, number and amounts for as long as the law wants them; without
    member and buyer no segment, value or campaign ever meets it again.
    """
    orders = Order.objects.filter(member__in=people)
    Refund.objects.filter(order__in=orders).update(reason="")
    orders.update(member=None, buyer="", region="", note="")
    Coupon.objects.filter(member__in=people).delete()
    SegmentMember.objects.filter(member__in=people).delete()
    TagSet.objects.filter(member__in=people).delete()
    pairs = Q(first__in=people) | Q(second__in=people)
    MatchReview.objects.filter(pairs).delete()
    Merge.objects.filter(Q(kept__in=people) | Q(gone__in=people)).update(why="")


def _left_at(identity: Identity, member: Member, now: datetime) -> datetime:
    """Until when what somebody did belongs to what was purged."""
    if identity.is_following:
        # They took back their authorisation; the platforms' times have whole seconds.
        return now.replace(microsecond=0) - timedelta(seconds=1)
    return identity.unfollowed_at or member.unreachable_at or now


def _empty(member: Member) -> None:
    member.display_name = _("Purged member %(number)s") % {"number": member.pk}
    member.is_placeholder_name = True
    member.name_tokens = []
    member.remark = member.real_name = member.phone = ""
    member.phone_hash = member.phone_tail_hash = ""
    member.gender = member.city = member.rfm = ""
    member.birthday = member.owner = None
