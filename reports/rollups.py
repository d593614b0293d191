"""Adding the timeline up by member and day, then by day, org unit and account.

Incremental: only days of members with new lines are counted, from scratch, so counting
twice changes nothing. Pages read DayFigure and MemberDay and never the timeline.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Max
from django.utils import timezone

from campaigns import reading
from campaigns.models import TimelineReader
from crm import interactions
from crm.journal import Undo
from crm.models import Member
from crm.registry import derived, on_merge, on_unmerge
from reports.models import DayFigure, MemberDay, Recount
from reports.weights import Weights
from staff.models import Staff

READER = "reports.rollups"
FOLLOWERS_EVERY = timedelta(minutes=10)
RESOLVED, OPENED, ANSWERED, RATED = (
    "conversation.closed",
    "conversation.opened",
    "answered",
    "conversation.rated",
)

_COUNTED = """(kind LIKE 'message.%%' OR kind = ANY(%(kinds)s))"""
_PAIRS = f"""
SELECT DISTINCT member_id, (at AT TIME ZONE %(zone)s)::date AS day
FROM crm_event WHERE id > %(after)s AND id <= %(until)s AND {_COUNTED}
UNION
SELECT member_id, day FROM reports_recount
WHERE id = ANY(%(recounts)s) AND member_id IS NOT NULL
UNION
-- A rating counts on the day its conversation was closed.
SELECT event.member_id, (conversation.closed_at AT TIME ZONE %(zone)s)::date
FROM crm_event event JOIN service_conversation conversation
    ON conversation.id = (event.data ->> 'conversation')::bigint
WHERE event.id > %(after)s AND event.id <= %(until)s AND event.kind = %(rated)s
    AND conversation.closed_at IS NOT NULL
"""  # noqa: S608 constants only
_COUNT = f"""
WITH pairs AS ({_PAIRS}), lines AS (
    SELECT event.member_id, event.account_id, pairs.day, event.kind, event.at,
        event.kind = %(closed)s AND event.data ->> 'reason' = 'resolved' AS is_resolved,
        CASE WHEN event.kind = %(closed)s AND event.data ->> 'reason' = 'resolved' THEN (
            SELECT rating.score FROM service_rating rating
            WHERE rating.conversation_id = (event.data ->> 'conversation')::bigint
        ) END AS score,
        max(event.at) FILTER (WHERE event.kind = %(opened)s) OVER (
            PARTITION BY event.member_id, pairs.day, event.account_id
        ) AS last_opened_at
    FROM pairs JOIN crm_event event ON event.member_id = pairs.member_id
        AND event.at >= pairs.day::timestamp AT TIME ZONE %(zone)s
        AND event.at < (pairs.day + 1)::timestamp AT TIME ZONE %(zone)s
    WHERE {_COUNTED}
)
INSERT INTO reports_memberday
    (member_id, account_id, day, interactions, resolved, rated, stars, self_served)
SELECT member_id, account_id, day,
    count(*) FILTER (WHERE kind LIKE 'message.%%' OR kind = ANY(%(acts)s)),
    count(*) FILTER (WHERE is_resolved),
    count(score), coalesce(sum(score), 0),
    (count(*) FILTER (WHERE kind = %(answered)s
        AND (last_opened_at IS NULL OR at > last_opened_at)) > 0)::int
FROM lines GROUP BY 1, 2, 3
ON CONFLICT (member_id, day, account_id) DO UPDATE SET
    interactions = excluded.interactions,
    resolved = excluded.resolved,
    rated = excluded.rated,
    stars = excluded.stars,
    self_served = excluded.self_served
RETURNING day
"""  # noqa: S608 constants only

# C08 is capped per person over all accounts; the parts of C10 are kept per account.
_SUM = """
INSERT INTO reports_dayfigure
    (day, code, controller_id, org_unit_id, account_id, value, counted_at)
SELECT %(day)s, 'interactions', member.controller_id, member.org_unit_id, NULL,
    sum(least(%(cap)s, person.done)), %(now)s
FROM (
    SELECT member_id, sum(interactions) AS done
    FROM reports_memberday WHERE day = %(day)s GROUP BY 1
) person JOIN crm_member member ON member.id = person.member_id
GROUP BY 3, 4 HAVING sum(person.done) > 0
UNION ALL
SELECT %(day)s, part.code, member.controller_id, member.org_unit_id, row.account_id,
    sum(part.value), %(now)s
FROM reports_memberday row JOIN crm_member member ON member.id = row.member_id
CROSS JOIN LATERAL (
    VALUES ('resolved', row.resolved), ('rated', row.rated), ('stars', row.stars),
        ('self_served', row.self_served)
) part (code, value)
WHERE row.day = %(day)s AND part.value > 0
GROUP BY 2, 3, 4, 5
"""
_FOLLOWERS = """
INSERT INTO reports_dayfigure
    (day, code, controller_id, org_unit_id, account_id, value, counted_at)
SELECT %(day)s, 'followers', member.controller_id, member.org_unit_id,
    identity.account_id, count(*), %(now)s
FROM crm_identity identity JOIN crm_member member ON member.id = identity.member_id
WHERE identity.kind = 'openid' AND identity.is_following
GROUP BY 3, 4, 5
"""


def catch_up(*, is_waiting: bool = False) -> datetime | None:
    """Bring the sums up to date; as of when they are, None while somebody else does."""
    read_at = reading.catch_up(READER, _count, is_waiting=is_waiting)
    if read_at is not None:
        _count_followers()
    return read_at


def as_of() -> datetime | None:
    """Until when the sums are complete."""
    rows = TimelineReader.objects.filter(name=READER)
    return rows.values_list("read_at", flat=True).first()


def _count(after: int, until: int) -> None:
    recounts = dict(Recount.objects.values_list("pk", "day")[:5000])
    with connection.cursor() as cursor:
        cursor.execute(
            _COUNT,
            {
                "after": after,
                "until": until,
                "recounts": list(recounts),
                "zone": settings.TIME_ZONE,
                "kinds": [*interactions.acts, RESOLVED, OPENED, ANSWERED],
                "acts": interactions.acts,
                "closed": RESOLVED,
                "opened": OPENED,
                "answered": ANSWERED,
                "rated": RATED,
            },
        )
        days = {row[0] for row in cursor.fetchall()} | set(recounts.values())
    _sum(days)
    Recount.objects.filter(pk__in=list(recounts)).delete()


def _sum(days: set[date]) -> None:
    if not days:
        return
    weights, now = Weights(), timezone.now()
    DayFigure.objects.filter(day__in=days).exclude(
        code=DayFigure.Code.FOLLOWERS
    ).delete()
    with connection.cursor() as cursor:
        for day in sorted(days):
            cap = int(weights.on(day, "C08", "cap"))
            cursor.execute(_SUM, {"day": day, "cap": cap, "now": now})


def _count_followers() -> None:
    now, today = timezone.now(), timezone.localdate()
    followers = DayFigure.objects.filter(code=DayFigure.Code.FOLLOWERS, day=today)
    with transaction.atomic():
        # Whoever reads the timeline counts; the row of the reader is the lock.
        list(TimelineReader.objects.select_for_update().filter(name=READER))
        last: Any = followers.aggregate(last=Max("counted_at"))["last"]
        if last is not None and now - last < FOLLOWERS_EVERY:
            return
        followers.delete()
        with connection.cursor() as cursor:
            cursor.execute(_FOLLOWERS, {"day": today, "now": now})


@on_merge
def count_together(primary: Member, duplicate: Member, actor: Staff) -> None:
    """The lines moved to the primary: what they add up to is counted there again."""
    del actor
    rows = MemberDay.objects.filter(member=duplicate)
    days = set(rows.values_list("day", flat=True))
    rows.delete()
    Recount.objects.bulk_create(Recount(member=primary, day=day) for day in days)


derived("reports.memberday", "reports.recount")


@on_unmerge
def count_apart(kept: Member, returning: Member, undo: Undo) -> None:
    """The lines went back: both are counted again on the days of the kept record."""
    del undo
    rows = MemberDay.objects.filter(member=kept)
    waiting = Recount.objects.filter(member=kept).values_list("day", flat=True)
    days = {*rows.values_list("day", flat=True), *waiting}
    rows.delete()
    Recount.objects.bulk_create(
        Recount(member=member, day=day) for day in days for member in (kept, returning)
    )
