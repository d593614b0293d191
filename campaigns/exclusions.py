"""Who of an audience may be written to, judged set-wise: one reason or none for each.

One query text serves the look ahead, the snapshot and the last check before sending;
they differ in whom it asks about (`people`). The precedence of reasons is the order of
the CASE below, written down in campaigns.reasons.ORDER. What excludes are small sets, or
come in the order of members, so that nothing big is held in memory.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db.models import Q, QuerySet
from django.utils import timezone

from campaigns import caps, pace, quiet
from campaigns.models import Touch
from crm import permission, quiet_hours
from crm.models import Member, Tag
from crm.segments import choosing
from wechat import clock
from wechat.models import Account, App

State = Touch.State
# Touches that have begun and may still write to somebody.
RUNNING = (State.SENDING, State.PAUSED, State.HELD)
SEGMENT_FIELDS = ("segments_any", "segments_none")

_COLUMNS = ", ".join(("id", "phone_hash", *permission.PEOPLE_COLUMNS))
_NOBODY = f"SELECT {_COLUMNS} FROM crm_member WHERE false"  # noqa: S608
# people(id, phone_hash, what crm.permission reads, gone, reached_at): whom it is about; `gone` why the
# record is nobody any more, `reached_at` the address, NULL for who does not follow.
_ALL = """
people AS (
    SELECT chosen.*, '' AS gone, reach.address AS reached_at
    FROM ({members}) chosen
    LEFT JOIN (
        SELECT member_id, min(value) AS address FROM crm_identity
        WHERE account_id = %(account)s AND kind = 'openid' AND is_following
        GROUP BY member_id
    ) reach ON reach.member_id = chosen.id
),
"""
# Few of them: every other set is looked up for these people only, addresses one by one.
_FEW = """
{p}people AS MATERIALIZED (
    SELECT chosen.*, '' AS gone, (
        SELECT min(value) FROM crm_identity
        WHERE account_id = %(account)s AND kind = 'openid' AND is_following
            AND member_id = chosen.id
    ) AS reached_at
    FROM ({members}) chosen {only}
),
"""
# Spread over the table, page by page.
_SAMPLE = "WHERE id IN (SELECT id FROM crm_member TABLESAMPLE SYSTEM (%(percent)s))"
# Those of the snapshot who still wait, at the address that was fixed.
_WAITING = """
people AS MATERIALIZED (
    SELECT member.id, member.phone_hash, member.opted_out_at, member.frozen_until,
        member.no_personalisation, recipient.id AS recipient_id,
        CASE WHEN member.merged_into_id IS NOT NULL THEN 'merged'
             WHEN member.purged_at IS NOT NULL THEN 'erased' ELSE '' END AS gone, (
            SELECT value FROM crm_identity
            WHERE controller_id = %(controller)s AND kind = 'openid'
                AND account_id = %(account)s AND value = recipient.address
                AND member_id = member.id AND is_following
        ) AS reached_at
    FROM campaigns_recipient recipient
    JOIN crm_member member ON member.id = recipient.member_id
    WHERE recipient.touch_id = %(touch)s AND recipient.state = 'waiting'
        AND (%(chunk)s::bigint[] IS NULL OR recipient.id = ANY(%(chunk)s::bigint[]))
),
"""
# Arrays, so that the planner looks these few up instead of reading whole tables. Only
# here: of an array it expects ten, and would join thousands in nested loops.
_ONLY_PHONES = "AND phone_hash = ANY(ARRAY(SELECT phone_hash FROM people))"
_ONLY_PEOPLE = "AND {}.member_id = ANY(ARRAY(SELECT id FROM people))"
# Left out when there is none: a union hides from the planner how many people it counts.
_AHEAD = """
    UNION ALL
    SELECT made.member_id, greatest(touch.scheduled_at, %(now)s),
        made.touch_id = ANY(%(mass_touches)s)
    FROM campaigns_recipient made JOIN campaigns_touch touch ON touch.id = made.touch_id
    WHERE made.touch_id = ANY(%(ahead)s) AND made.state = 'waiting' {only_made}
"""
_SETS = """
suppressed AS MATERIALIZED (
    SELECT held.member_id FROM crm_tagset held
    WHERE held.tag_ids && %(suppressing)s::bigint[] {only_held}
),
withdrawn AS MATERIALIZED (
    SELECT DISTINCT entry.member_id FROM crm_consententry entry
    WHERE entry.purpose = 'marketing' AND entry.action = 'withdrawn'
        AND entry.account_id = %(account)s AND entry.channel = '' {only_entry}
        AND NOT EXISTS (
            SELECT FROM crm_consententry later
            WHERE later.member_id = entry.member_id AND later.purpose = 'marketing'
                AND later.account_id = %(account)s AND later.action = 'granted'
                AND later.channel = ''
                AND (later.at, later.id) > (entry.at, entry.id)
        )
),
refused_phone AS MATERIALIZED (
    SELECT DISTINCT phone_hash FROM crm_member
    WHERE controller_id = %(controller)s AND opted_out_at IS NOT NULL AND phone_hash <> ''
),
contact AS (
    SELECT made.member_id, made.contacted_at AS at,
        made.touch_id = ANY(%(mass_touches)s) AS is_mass
    FROM campaigns_recipient made
    WHERE made.contacted_at >= %(since)s AND made.touch_id <> %(touch)s
        AND made.state IN ('sent', 'accepted', 'unknown') {only_made} {ahead}
),
counted AS (
    SELECT member_id,
        count(*) FILTER (WHERE is_mass AND at >= %(month_start)s) AS of_quota,
        count(*) FILTER (WHERE at >= %(day_start)s AND at < %(day_end)s) AS a_day,
        count(*) FILTER (WHERE at >= %(week_start)s AND at < %(week_end)s) AS a_week,
        count(*) FILTER (WHERE at >= %(month_start)s AND at < %(month_end)s) AS a_month
    FROM contact WHERE at < greatest(%(week_end)s, %(month_end)s)
    GROUP BY member_id
),
capped AS MATERIALIZED (
    SELECT counted.member_id, of_quota >= %(month_quota)s AS is_quota_used,
        a_day >= %(cap_day)s OR a_week >= least(%(cap_week)s, own.max_per_week)
            OR a_month >= %(cap_month)s AS is_capped
    FROM counted
    LEFT JOIN crm_preference own ON own.member_id = counted.member_id
        AND own.max_per_week IS NOT NULL
    WHERE of_quota >= %(month_quota)s OR a_day >= %(cap_day)s
        OR a_week >= least(%(cap_week)s, own.max_per_week) OR a_month >= %(cap_month)s
),
open_window AS MATERIALIZED (
    SELECT DISTINCT recipient FROM wechat_replywindow
    WHERE %(needs_window)s AND app_id = ANY(%(apps)s)
        AND closes_at > %(window_at)s AND allowed > reserved + used
),
{resting}{declined}
"""
# {p}: "" for everybody, "twin_" for those who share a phone.
_JUDGED = """
{p}judged AS (
    SELECT people.*,
        CASE
            WHEN people.gone <> '' THEN people.gone
            {frozen}
            WHEN suppressed.member_id IS NOT NULL THEN 'test_account'
            WHEN people.opted_out_at IS NOT NULL OR withdrawn.member_id IS NOT NULL
                OR refused_phone.phone_hash IS NOT NULL THEN 'opted_out'
            WHEN people.reached_at IS NULL THEN 'unreachable'
            {chosen}
            WHEN %(needs_window)s AND open_window.recipient IS NULL THEN 'window_closed'
            WHEN %(needs_quota)s AND capped.is_quota_used THEN 'month_quota'
            WHEN capped.is_capped THEN 'frequency_cap'
            WHEN %(is_over)s THEN 'expired'
            WHEN %(is_too_quiet)s THEN 'quiet_hours'
            {rests}
            ELSE ''
        END AS reason
    FROM {p}people people
    LEFT JOIN suppressed ON suppressed.member_id = people.id
    LEFT JOIN withdrawn ON withdrawn.member_id = people.id
    LEFT JOIN capped ON capped.member_id = people.id
    LEFT JOIN refused_phone ON refused_phone.phone_hash = people.phone_hash
    LEFT JOIN open_window ON open_window.recipient = people.reached_at
    {declined}
)
"""
# Of several records with one phone that could get it, the earliest does. Those who share
# a phone are few: they are judged by themselves first, so that the million is not sorted.
_DOUBLED = """
doubled AS MATERIALIZED (
    SELECT phone_hash FROM crm_member WHERE phone_hash <> '' {only_phones}
    GROUP BY phone_hash HAVING count(*) > 1
),
"""
_TWINS = "WHERE phone_hash IN (SELECT phone_hash FROM doubled)"
_TWINS_OF_FEW = """
twin_people AS MATERIALIZED (SELECT * FROM people {only}),
"""
_FIRST_OF_PERSON = """,
later AS MATERIALIZED (
    SELECT id FROM (
        SELECT id, row_number() OVER (PARTITION BY phone_hash ORDER BY id) AS place
        FROM twin_judged WHERE reason = ''
    ) placed WHERE place > 1
),
verdict AS (
    SELECT judged.id, coalesce(judged.reached_at, '') AS address,
        CASE WHEN later.id IS NOT NULL THEN 'duplicate_person' ELSE judged.reason END
            AS reason
    FROM judged LEFT JOIN later ON later.id = judged.id
)
"""
_FIRST_OF_TOUCH = """,
verdict AS (
    SELECT judged.recipient_id, CASE WHEN judged.reason = '' AND judged.phone_hash <> ''
        AND EXISTS (
            SELECT FROM crm_member other
            JOIN campaigns_recipient earlier ON earlier.member_id = other.id
                AND earlier.touch_id = %(touch)s AND earlier.state <> 'excluded'
            WHERE other.phone_hash = judged.phone_hash AND other.phone_hash <> ''
                AND other.controller_id = %(controller)s AND other.id < judged.id
        ) THEN 'duplicate_person' ELSE judged.reason END AS reason
    FROM judged
)
"""


@dataclass(frozen=True)
class Query:
    """`text` is a WITH clause that ends with `verdict`; `params` are its named values."""

    text: str
    params: dict[str, Any]


def of_rule(touch: Touch, members: QuerySet[Member], *, is_few: bool = False) -> Query:
    """verdict(id, address, reason) of all `members`, at the time the touch goes out.

    `is_few`: quick for thousands, slow for a million.
    """
    chosen, params = _members_sql(members)
    params |= _params(touch, moment_of(touch), _ahead_of_plan(touch))
    sets = _sets(params, is_few=is_few)
    if is_few:
        text = _FEW.format(p="", members=chosen, only="") + sets
        text += _DOUBLED.format(only_phones=_ONLY_PHONES)
        text += _TWINS_OF_FEW.format(only=_TWINS)
    else:
        text = _ALL.format(members=chosen) + sets + _DOUBLED.format(only_phones="")
        text += _FEW.format(p="twin_", members=chosen, only=_TWINS)
    text += f"{_judged()},{_judged('twin_')}{_FIRST_OF_PERSON}"
    return Query(f"WITH {text}", params)


def of_sample(touch: Touch, members: QuerySet[Member], percent: float) -> Query:
    """verdict(id, reason) of about `percent` of all; same people are not noticed."""
    chosen, params = _members_sql(members)
    params |= _params(touch, moment_of(touch), _ahead_of_plan(touch))
    text = _FEW.format(p="", members=chosen, only=_SAMPLE) + _sets(params, is_few=True)
    text += _judged()
    text += ", verdict AS (SELECT id, reason FROM judged)"
    return Query(f"WITH {text}", params | {"percent": percent})


def of_waiting(touch: Touch, recipient_ids: list[int] | None) -> Query:
    """verdict(recipient_id, reason) of those who still wait, judged now."""
    params = _params(touch, timezone.now(), _ahead_of_run(touch))
    text = _WAITING + _sets(params, is_few=True) + _judged()
    return Query(f"WITH {text}{_FIRST_OF_TOUCH}", params | {"chunk": recipient_ids})


def moment_of(touch: Touch) -> datetime:
    """When the touch goes out: what it is judged by. Not before now."""
    now = timezone.now()
    return max(now, touch.scheduled_at or now)


def end_of(touch: Touch) -> datetime:
    """After it nothing more of the touch is begun."""
    return pace.expiry(touch) or timezone.now() + pace.VALID_FOR


def _sets(params: dict[str, Any], *, is_few: bool) -> str:
    """What excludes; for `people` only where these are few."""
    only = _ONLY_PEOPLE if is_few else ""
    only_made = only.format("made")
    return _SETS.format(
        only_held=only.format("held"),
        only_entry=only.format("entry"),
        only_made=only_made,
        declined=permission.DECLINED.format(only=only.format("choice")),
        resting=quiet_hours.RESTING.format(only=only.format("choice")),
        ahead=_AHEAD.format(only_made=only_made) if params["ahead"] else "",
    )


def _judged(prefix: str = "") -> str:
    """The verdicts on `people`, or on those of another name."""
    return _JUDGED.format(
        p=prefix,
        frozen=permission.FROZEN,
        chosen=permission.CHOSEN,
        declined=permission.JOIN,
        rests=quiet_hours.RESTS,
    )


def is_personal(touch: Touch) -> bool:
    """Whether its audience is chosen by anything we know of people (PIPL Art. 24).

    Segments choose people so unless their rules ask for no profile and no behaviour.
    """
    rule = dict(touch.audience or {})
    segments = [pk for name in SEGMENT_FIELDS for pk in rule.pop(name, None) or []]
    if any(value not in (None, "", [], {}) for value in rule.values()):
        return True
    return choosing.are_personal(segments)


def _members_sql(members: QuerySet[Member]) -> tuple[str, dict[str, Any]]:
    """The rows as SQL with named values, so that they stand inside a larger query."""
    rows = members.order_by().values("id", "phone_hash", *permission.PEOPLE_COLUMNS)
    try:
        text, values = rows.query.sql_with_params()
    except EmptyResultSet:  # Django knows that nobody is meant
        return _NOBODY, {}
    names = iter(range(len(values)))
    named = re.sub("%s", lambda _match: f"%(m{next(names)})s", text)
    return named, {f"m{number}": value for number, value in enumerate(values)}


def _params(touch: Touch, at: datetime, ahead: list[int]) -> dict[str, Any]:
    account, now = touch.account, timezone.now()
    found = caps.caps_at(at)
    is_mass = touch.channel == Touch.Channel.MASS
    opens, end = quiet.next_allowed(at), end_of(touch)
    return {
        "touch": touch.pk or 0,
        "account": account.pk,
        "controller": account.org_unit.controller_id,
        "suppressing": _suppressing(account),
        "now": now,
        "since": found.since,
        "ahead": ahead,
        "mass_touches": _mass_touches(account, found.month_start),
        "day_start": found.day_start,
        "day_end": found.day_start + timedelta(days=1),
        "week_start": found.week_start,
        "week_end": found.week_start + timedelta(days=7),
        "month_start": found.month_start,
        "month_end": found.month_end,
        "cap_day": found.day,
        "cap_week": found.week,
        "cap_month": found.month,
        "month_quota": found.month_quota,
        "needs_quota": is_mass and account.kind == Account.Kind.SERVICE,
        "needs_window": not is_mass,
        "apps": list(App.objects.filter(account=account).values_list("pk", flat=True)),
        "window_at": clock.platform_time(account, at),
        "is_over": at >= end,
        "is_too_quiet": opens >= end,
        **quiet_hours.params(opens, end),
        **permission.params(
            channel=touch.channel,
            topic_id=touch.topic_id,
            is_personal=is_personal(touch),
            at=at,
        ),
    }


def _suppressing(account: Account) -> list[int]:
    tags = Tag.objects.of_controller(account.org_unit.controller_id)
    return list(tags.filter(is_suppressing=True).values_list("pk", flat=True))


def _mass_touches(account: Account, since: datetime) -> list[int]:
    """Mass touches of the account that may count for the month."""
    rows = Touch.objects.filter(account=account, channel=Touch.Channel.MASS)
    begun = Q(started_at__isnull=False) | Q(state__in=[State.APPROVED, *RUNNING])
    recent = Q(finished_at__isnull=True) | Q(finished_at__gte=since)
    return list(rows.filter(begun & recent).values_list("pk", flat=True))


def _ahead_of_plan(touch: Touch) -> list[int]:
    """Whose waiting people will have been written to before this one is planned to go."""
    rows = _of_controller(touch).filter(state__in=[State.APPROVED, *RUNNING])
    return list(rows.values_list("pk", flat=True))


def _ahead_of_run(touch: Touch) -> list[int]:
    """Touches that began before this one: of two at once the earlier one writes.

    The later one counts the earlier one's waiting people, never the other way round, so
    two that run side by side neither pass a cap together nor both give way.
    """
    started = touch.started_at or timezone.now()
    earlier = Q(started_at__lt=started) | Q(started_at=started, pk__lt=touch.pk)
    rows = _of_controller(touch).filter(earlier, state__in=RUNNING)
    return list(rows.values_list("pk", flat=True))


def _of_controller(touch: Touch) -> QuerySet[Touch]:
    controller = touch.account.org_unit.controller_id
    rows = Touch.objects.filter(account__org_unit__controller_id=controller)
    return rows.exclude(pk=touch.pk)
