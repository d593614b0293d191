"""The built-in tags campaigns decide: what was opened, bought, wanted, had enough of."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from campaigns import caps
from crm.auto_tags.rules import Group, add_group, add_interest

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
# Openings of links whose reader is known: single messages and web authorisation.
_OPENED = """
FROM people
JOIN campaigns_recipient recipient ON recipient.member_id = people.id
JOIN campaigns_linkclick click ON click.recipient_id = recipient.id
    AND click.at > %(now)s - interval '90 days'
JOIN campaigns_trackedlink link ON link.id = click.link_id
JOIN campaigns_touch touch ON touch.id = link.touch_id
JOIN content_version version ON version.id = touch.version_id
JOIN content_item item ON item.id = version.item_id
"""
# Nobody sees whether an article is read to its end: whoever opened it has read it.
_READ = f"""
SELECT read.member_id, read.key FROM (
    SELECT recipient.member_id, CASE item.subject
        WHEN 'new' THEN 'Interest: new products'
        WHEN 'how_to' THEN 'Interest: how-to'
        WHEN 'origin' THEN 'Interest: traceability' END AS key,
        count(DISTINCT item.id) AS items
    {_OPENED}
    WHERE item.subject <> ''
    GROUP BY recipient.member_id, item.subject
) read
WHERE read.items >= CASE WHEN read.key = 'Interest: new products' THEN 1 ELSE 2 END
"""  # noqa: S608
# A link opened twice on a day says no more than once.
_OF_CATEGORY = f"""
SELECT recipient.member_id, (
    SELECT category.id FROM crm_category category
    WHERE category.code = item.category AND (category.controller_id = %(controller)s
        OR category.controller_id IS NULL)
    ORDER BY category.controller_id LIMIT 1
) AS category_id,
    'link:' || link.id || ':' || (click.at AT TIME ZONE %(zone)s)::date AS act
{_OPENED}
WHERE item.category <> ''
"""  # noqa: S608
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
    add_group(
        Group(
            "interest",
            (
                *("Interest: new products", "Interest: how-to"),
                "Interest: traceability",
            ),
            _READ,
        )
    )
    add_interest(_OF_CATEGORY)
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
