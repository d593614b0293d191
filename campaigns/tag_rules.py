"""The built-in tags that campaigns decide: bought, wanted and did not, has had enough."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from campaigns import caps
from crm.auto_tags.rules import Group, add_group

# Reached by a campaign: an order within a week of it, or two clicks and no order.
_CAMPAIGN = """
SELECT DISTINCT reached.member_id, CASE
    WHEN EXISTS (
        SELECT FROM crm_order o WHERE o.member_id = reached.member_id
            AND o.state IN ('paid', 'part_back') AND o.paid_at >= reached.contacted_at
            AND o.paid_at < reached.contacted_at + interval '7 days'
    ) THEN 'Bought in campaign'
    ELSE 'High intent, not bought'
END AS key
FROM (
    SELECT recipient.id, recipient.member_id, recipient.contacted_at
    FROM people JOIN campaigns_recipient recipient ON recipient.member_id = people.id
    WHERE recipient.state IN ('sent', 'accepted')
        AND recipient.contacted_at > %(now)s - interval '90 days'
) reached
WHERE EXISTS (
    SELECT FROM crm_order o WHERE o.member_id = reached.member_id
        AND o.state IN ('paid', 'part_back') AND o.paid_at >= reached.contacted_at
        AND o.paid_at < reached.contacted_at + interval '7 days'
) OR (
    SELECT count(*) FROM campaigns_linkclick click WHERE click.recipient_id = reached.id
) >= 2
"""
_COOLING = """
SELECT member_id, 'Cooling down' AS key FROM (
    SELECT recipient.member_id,
        count(*) FILTER (WHERE recipient.contacted_at >= %(day_start)s) AS today,
        count(*) FILTER (WHERE recipient.contacted_at >= %(week_start)s) AS week,
        count(*) FILTER (WHERE recipient.contacted_at >= %(month_start)s) AS month
    FROM people JOIN campaigns_recipient recipient ON recipient.member_id = people.id
    WHERE recipient.contacted_at >= %(since)s AND recipient.state <> 'excluded'
    GROUP BY recipient.member_id
) had
WHERE today >= %(cap_day)s OR week >= %(cap_week)s OR month >= %(cap_month)s
"""


def register() -> None:
    """Called once, in AppConfig.ready()."""
    add_group(
        Group("campaign", ("Bought in campaign", "High intent, not bought"), _CAMPAIGN)
    )
    add_group(Group("contact", ("Cooling down",), _COOLING, given=_caps))


def _caps(now: datetime) -> dict[str, Any]:
    found = caps.caps_at(now)
    return {
        "day_start": found.day_start,
        "week_start": found.week_start,
        "month_start": found.month_start,
        "since": found.since,
        "cap_day": found.day,
        "cap_week": found.week,
        "cap_month": found.month,
    }
