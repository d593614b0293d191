"""The people of a touch, fixed: who gets it, and for everybody else the one reason why not.

`take` writes the contact ledger of a touch in one statement; `recheck` is asked right
before sending, because between the two people leave, opt out and are written to.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from django.db import connection, transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from campaigns import audience, exclusions
from campaigns.errors import NotInThisState
from campaigns.models import Recipient, Touch, TouchTally

# Sorting a million people takes that much once; more goes to disk.
WORK_MEMORY = "64MB"
UNSENT = (Touch.State.DRAFT, Touch.State.IN_REVIEW, Touch.State.APPROVED)
# Rows of a void snapshot that are deleted while somebody waits: some 50 ms.
AT_ONCE = 5_000

_TAKE = """{verdict}
INSERT INTO campaigns_recipient (touch_id, member_id, address, state, reason)
SELECT %(touch)s, id, address, CASE WHEN reason = '' THEN 'waiting' ELSE 'excluded' END,
    reason
FROM verdict
"""
_RECHECK = """{verdict}
UPDATE campaigns_recipient SET state = 'excluded', reason = verdict.reason
FROM verdict
WHERE campaigns_recipient.id = verdict.recipient_id AND verdict.reason <> ''
    AND campaigns_recipient.state = 'waiting'
"""
_ALONE = """
UPDATE campaigns_recipient SET state = 'excluded', reason = 'batch_too_small'
WHERE touch_id = %(touch)s AND state = 'waiting'
    AND (SELECT count(*) FROM (
        SELECT FROM campaigns_recipient
        WHERE touch_id = %(touch)s AND state = 'waiting' LIMIT 2
    ) waiting) = 1
"""
# The ids first, once: who deletes must not wait for merges that hold single rows.
_DELETE_SOME = """
DELETE FROM campaigns_recipient WHERE id = ANY(ARRAY(
    SELECT id FROM campaigns_recipient WHERE touch_id = %s
    LIMIT %s FOR UPDATE SKIP LOCKED
))
"""
_FINGERPRINT = """
SELECT count(*), bit_xor(hashint8extended(member_id, 1)),
    bit_xor(hashint8extended(member_id, hashtextextended(reason || address, 2)))
FROM campaigns_recipient WHERE touch_id = %(touch)s
"""


@transaction.atomic
def take(touch: Touch) -> int:
    """Fix the people of an unsent touch; how many are planned, excluded ones included.

    An older snapshot of the touch is dropped. Raises AudienceInvalid; NotInThisState
    once anything of it may have been sent.
    """
    current = Touch.objects.select_for_update(no_key=True).get(pk=touch.pk)
    if current.state not in UNSENT or current.started_at is not None:
        raise NotInThisState(_("The touch has begun: its audience is fixed."))
    unit = current.campaign.org_unit
    rule = audience.parse(current.audience, account=current.account)
    members = audience.members_of(rule, current.account, unit=unit)
    _delete_all(current)
    query = exclusions.of_rule(current, members)
    with connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL work_mem = '{WORK_MEMORY}'")
        cursor.execute(_TAKE.format(verdict=query.text), query.params)
        planned: int = cursor.rowcount
    _leave_nobody_alone(current)
    touch.snapshot_at, touch.planned_count = timezone.now(), planned
    touch.snapshot_digest = _digest(current)
    touch.save(update_fields=["snapshot_at", "planned_count", "snapshot_digest"])
    return planned


def _digest(touch: Touch) -> str:
    """Whom and why not, in no order: hashes put together, so that nothing is sorted."""
    with connection.cursor() as cursor:
        cursor.execute(_FINGERPRINT, {"touch": touch.pk})
        found = [str(each) for each in cursor.fetchone()]
    return hashlib.sha256("|".join(found).encode()).hexdigest()


def drop(touch: Touch) -> None:
    """Make the snapshot of a touch nobody was written to for void, at once.

    The caller holds the row, in a state that sends nothing. Few rows are deleted here;
    where more are left `clearing_since` says so: they count nowhere from this commit on,
    campaigns.clearing deletes them, and a new snapshot is written after the last of them.
    """
    delete_some(touch, AT_ONCE)
    if forget_tallies(touch):
        touch.clearing_since = None
    else:
        touch.clearing_since = touch.clearing_since or timezone.now()
    _note_none(touch)


def delete_some(touch: Touch, count: int) -> int:
    """Delete up to `count` recipients nobody else is writing to; how many.

    Plain deletes: nothing points at recipients that were never contacted, and a million
    objects are not loaded to find that out.
    """
    with connection.cursor() as cursor:
        cursor.execute(_DELETE_SOME, [touch.pk, count])
        deleted: int = cursor.rowcount
    return deleted


def forget_tallies(touch: Touch) -> bool:
    """Drop the sums once the last recipient is gone; False while there is one."""
    if Recipient.objects.filter(touch=touch).exists():
        return False
    tallies = TouchTally.objects.filter(touch=touch)
    tallies._raw_delete(tallies.db)
    return True


def _delete_all(touch: Touch) -> None:
    """Whatever an older snapshot left, waiting for who writes to single rows."""
    rows = Recipient.objects.filter(touch=touch)
    rows._raw_delete(rows.db)
    forget_tallies(touch)
    touch.clearing_since = None
    _note_none(touch)


def _note_none(touch: Touch) -> None:
    touch.snapshot_at, touch.planned_count, touch.snapshot_digest = None, 0, ""
    touch.save(
        update_fields=[
            *("snapshot_at", "planned_count", "snapshot_digest", "clearing_since"),
        ]
    )


def recheck(touch: Touch, recipient_ids: Sequence[int] | None = None) -> int:
    """Leave out whoever must not get it now, of these or of all who wait; how many.

    One statement; sending calls it at the start and for every chunk, in the transaction
    that freezes the chunk.
    """
    chunk = None if recipient_ids is None else list(recipient_ids)
    query = exclusions.of_waiting(touch, chunk)
    with connection.cursor() as cursor:
        cursor.execute(_RECHECK.format(verdict=query.text), query.params)
        left_out: int = cursor.rowcount
    if chunk is None:
        left_out += _leave_nobody_alone(touch)
    return left_out


def _leave_nobody_alone(touch: Touch) -> int:
    """A mass call takes two people or more (contract A8): one alone is left out."""
    if touch.channel != Touch.Channel.MASS:
        return 0
    with connection.cursor() as cursor:
        cursor.execute(_ALONE, {"touch": touch.pk})
        left_out: int = cursor.rowcount
    return left_out
