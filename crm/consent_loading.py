"""Many words on marketing written at once, with what stands since and the histories.

For files; one person's word goes through crm.consent. The trail holds the file they
came with, the ledger each of them with its evidence.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from django.db import connection

from crm import timeline
from crm.models import ConsentEntry
from crm.models.consents import Purpose

_MARKETING = Purpose.MARKETING.value


class Said(NamedTuple):
    """`member` is an id; `key` names the source, writing it twice is one entry."""

    member: int
    is_yes: bool
    at: datetime
    key: str
    evidence: str


def write(said: Sequence[Said], *, source: str) -> int:
    """Write the entries whose keys are new, about every channel; how many they are.

    In a transaction that holds the members' rows, which order entries that come at once.
    """
    if not said:
        return 0
    action = ConsentEntry.Action
    given: dict[str, Any] = {
        "purpose": _MARKETING,
        "source": source,
        "members": [each.member for each in said],
        "actions": [str(action.GRANTED if each.is_yes else action.WITHDRAWN) for each in said],
        "times": [each.at for each in said],
        "keys": [each.key for each in said],
        "evidence": [each.evidence[:200] for each in said],
    }  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(_ENTER, given)
        written = cursor.fetchall()
        cursor.execute(_STAND, given)
    timeline.write_fresh(
        (member, f"consent.{done}", at, f"consent:{pk}", {"purpose": _MARKETING, "source": source})
        for pk, member, done, at in written
    )  # fmt: skip
    return len(written)


_ENTER = """
INSERT INTO crm_consententry
    (member_id, purpose, channel, action, source, evidence, key, at)
SELECT member_id, %(purpose)s, '', action, %(source)s, evidence, key, at
FROM unnest(%(members)s::bigint[], %(actions)s::text[], %(times)s::timestamptz[],
        %(keys)s::text[], %(evidence)s::text[])
    AS said (member_id, action, at, key, evidence)
ON CONFLICT (key) DO NOTHING
RETURNING id, member_id, action, at
"""
# The newest word holds, as in crm.consent.standing; a yes or no about every channel
# changes nothing else of it.
_STAND = """
UPDATE crm_member SET opted_out_at = newest.opted_out_at
FROM (
    SELECT DISTINCT ON (member_id) member_id,
        CASE WHEN action = 'withdrawn' THEN at END AS opted_out_at
    FROM crm_consententry
    WHERE member_id = ANY (%(members)s::bigint[]) AND purpose = %(purpose)s
        AND channel = '' AND topic_id IS NULL
    ORDER BY member_id, at DESC, id DESC
) newest
WHERE crm_member.id = newest.member_id
    AND crm_member.opted_out_at IS DISTINCT FROM newest.opted_out_at
"""
