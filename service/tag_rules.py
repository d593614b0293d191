"""The built-in tag that open conversations decide."""

from __future__ import annotations

from crm.auto_tags import add_source

_OPEN = """
SELECT DISTINCT conversation.member_id, 'In after-sales' AS key
FROM people
JOIN service_conversation conversation ON conversation.member_id = people.id
    AND conversation.state <> 'closed'
JOIN service_queue queue ON queue.id = conversation.queue_id AND queue.is_after_sales
"""


def register() -> None:
    """Called once, in AppConfig.ready()."""
    add_source("service", "In after-sales", _OPEN)
