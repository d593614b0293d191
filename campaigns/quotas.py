"""What is left for one person: mass sends of the month, and our own frequency caps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from django.db.models import Count, Q
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from campaigns import caps
from campaigns.models import Recipient, Touch
from crm.models import Identity, Member
from crm.registry import Quota
from wechat.models import Account

COUNTED = (
    Recipient.State.SENT,
    Recipient.State.ACCEPTED,
    Recipient.State.UNKNOWN,
)


def left_for(
    member: Member, identities: Sequence[Identity]
) -> Mapping[int, Sequence[Quota]]:
    """For each Service Account followed: mass sends left this month, of the ledger.

    What reaches nobody any more because a cap is reached says so.
    """
    followed = [
        each
        for each in identities
        if each.account is not None
        and each.account.kind == Account.Kind.SERVICE
        and each.is_following
    ]
    if not followed:
        return {}
    found = caps.caps_at(timezone.now())
    contacts = Recipient.objects.filter(
        member=member, contacted_at__gte=found.since, state__in=COUNTED
    )
    got = contacts.aggregate(
        day=Count("pk", filter=Q(contacted_at__gte=found.day_start)),
        week=Count("pk", filter=Q(contacted_at__gte=found.week_start)),
        month=Count("pk", filter=Q(contacted_at__gte=found.month_start)),
    )
    masses = dict(
        contacts.filter(
            contacted_at__gte=found.month_start, touch__channel=Touch.Channel.MASS
        )
        .values_list("touch__account")
        .annotate(count=Count("pk"))
    )
    capped = _capped(found, got)
    return {
        each.pk: [_of_month(found, masses.get(each.account_id, 0)), *capped]
        for each in followed
    }


def _of_month(found: caps.Caps, used: int) -> Quota:
    left = max(found.month_quota - used, 0)
    words = ngettext(
        "%(left)d of %(all)d mass message left this month",
        "%(left)d of %(all)d mass messages left this month",
        found.month_quota,
    )
    return Quota(words % {"left": left, "all": found.month_quota}, left)


def _capped(found: caps.Caps, got: Mapping[str, int]) -> list[Quota]:
    """The tightest cap that is reached, if one is."""
    if got["month"] >= found.month:
        return [Quota(_("Frequency cap reached for this month"), 0)]
    if got["week"] >= found.week:
        return [Quota(_("Frequency cap reached for this week"), 0)]
    if got["day"] >= found.day:
        return [Quota(_("Frequency cap reached for today"), 0)]
    return []
