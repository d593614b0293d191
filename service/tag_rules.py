"""The built-in tags that conversations decide: open ones, ratings, praise."""

from __future__ import annotations

from crm.auto_tags import add_source
from crm.auto_tags.rules import Group, add_group

_OPEN = """
SELECT DISTINCT conversation.member_id, 'In after-sales' AS key
FROM people
JOIN service_conversation conversation ON conversation.member_id = people.id
    AND conversation.state <> 'closed'
JOIN service_queue queue ON queue.id = conversation.queue_id AND queue.is_after_sales
"""
# Few have rated within a month: from them to the people, not the other way.
_CONTENT = """
SELECT conversation.member_id,
    CASE WHEN rating.score = 5 THEN 'Praiser' ELSE 'Detractor' END AS key
FROM service_rating rating
JOIN service_conversation conversation ON conversation.id = rating.conversation_id
JOIN people ON people.id = conversation.member_id
WHERE rating.at > %(now)s - interval '30 days' AND (rating.score = 5 OR rating.score <= 2)
UNION
SELECT conversation.member_id, 'Praiser'
FROM service_praise praise
JOIN service_conversation conversation ON conversation.id = praise.conversation_id
JOIN people ON people.id = conversation.member_id
WHERE praise.at > %(now)s - interval '30 days'
"""


def register() -> None:
    """Called once, in AppConfig.ready()."""
    add_source("service", "In after-sales", _OPEN)
    add_group(Group("service", ("Praiser", "Detractor"), _CONTENT))
