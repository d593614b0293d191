"""May this person be written to about that: the answer for one, and set-wise for a million.

Three forms of one rule, held together by tests/crm/test_permission.py: `refusal` in
Python for a member in hand, `refusing` as a condition of querysets, and SQL pieces for
the one statement that judges a whole audience (campaigns.exclusions).
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db.models import Q
from django.utils import timezone

from crm.models import Member, Preference, Topic

# For a statement whose rows are `people`, with the columns PEOPLE_COLUMNS of crm_member.
PEOPLE_COLUMNS = ("opted_out_at", "frozen_until", "no_personalisation")
# {only}: a further condition on choice.member_id.
DECLINED = """
declined AS MATERIALIZED (
    SELECT choice.member_id, %(market_channel)s = ANY(choice.channels_off) AS by_channel
    FROM crm_preference choice
    WHERE (%(market_channel)s = ANY(choice.channels_off)
        OR %(market_topic)s::bigint = ANY(choice.topics_off)) {only}
),
"""
JOIN = "LEFT JOIN declined ON declined.member_id = people.id"
# Between the two, opting out is judged, with what else counts as opting out there.
FROZEN = "WHEN people.frozen_until > %(market_at)s THEN 'complaint'"
CHOSEN = """WHEN declined.by_channel THEN 'channel_off'
            WHEN declined.member_id IS NOT NULL THEN 'topic_off'
            WHEN people.no_personalisation AND %(market_is_personal)s
                THEN 'no_personalisation'"""


def params(
    *, channel: str, topic_id: int | None, is_personal: bool, at: datetime
) -> dict[str, Any]:
    """The named values of the SQL above."""
    return {
        "market_channel": channel,
        "market_topic": topic_id,
        "market_is_personal": is_personal,
        "market_at": at,
    }


def refusal(
    member: Member,
    channel: str,
    topic: Topic | None = None,
    *,
    is_personal: bool = False,
    at: datetime | None = None,
) -> str:
    """Why marketing must not reach the member; "" when it may.

    Args:
        channel: of crm.models.consents.Channel.
        topic: what it is about, if anything.
        is_personal: chosen by what we know of the person (PIPL Art. 24).
        at: when it would be sent; now if not given.
    """
    if member.frozen_until is not None and member.frozen_until > (at or timezone.now()):
        return "complaint"
    if member.opted_out_at is not None:
        return "opted_out"
    chosen = Preference.objects.filter(member=member).first()
    if chosen is not None and channel in chosen.channels_off:
        return "channel_off"
    if chosen is not None and topic is not None and topic.pk in chosen.topics_off:
        return "topic_off"
    if is_personal and member.no_personalisation:
        return "no_personalisation"
    return ""


def refusing(
    channel: str,
    topic_id: int | None = None,
    *,
    is_personal: bool = False,
    prefix: str = "",
    at: datetime | None = None,
) -> Q:
    """As `refusal`, as a condition; `prefix` leads to the member ("member__")."""
    found = Q(**{f"{prefix}opted_out_at__isnull": False})
    found |= Q(**{f"{prefix}frozen_until__gt": at or timezone.now()})
    found |= Q(**{f"{prefix}preference__channels_off__contains": [channel]})
    if topic_id is not None:
        found |= Q(**{f"{prefix}preference__topics_off__contains": [topic_id]})
    if is_personal:
        found |= Q(**{f"{prefix}no_personalisation": True})
    return found
