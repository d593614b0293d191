"""What people did after they were contacted, credited to the last touch that did.

Read from the timeline, so nothing of service or the gateway is needed here. A reply, a
conversation and an unfollow belong to the account they happen in; an opt-out is of the
person, whichever account it came through. A message that is the opt-out is no reply.
"""

from __future__ import annotations

import json
from datetime import datetime

from django.db import connection
from django.utils.translation import gettext_lazy as _

from campaigns import reading
from campaigns.models import Response
from core import system_settings

READER = "campaigns.attribution"
SETTING = "campaigns.response_hours"
DEFAULT_HOURS = 48
# Line of the timeline (crm.wording, service.wording) → what it says of the touch before.
KINDS = {
    "conversation.opened": Response.Kind.CONVERSATION,
    "consent.withdrawn": Response.Kind.OPT_OUT,
    "unfollow": Response.Kind.UNFOLLOW,
}

# The platforms' times have whole seconds: an answer within the second of the contact
# carries a time before it. `contacted_at` says the platform has it, or may have.
_CREDIT = """
INSERT INTO campaigns_response (touch_id, recipient_id, member_id, kind, source, at)
SELECT last.touch_id, last.id, line.member_id, line.response, line.key, line.at
FROM (
    SELECT event.member_id, event.account_id, event.key, event.at,
        CASE WHEN event.kind LIKE 'message.%%' THEN 'reply'
             ELSE %(kinds)s::jsonb ->> event.kind END AS response
    FROM crm_event event
    WHERE event.id > %(after)s AND event.id <= %(until)s
      AND (event.kind LIKE 'message.%%' OR event.kind = ANY(%(names)s))
      AND (event.kind <> 'consent.withdrawn' OR event.data ->> 'purpose' = 'marketing')
) line
CROSS JOIN LATERAL (
    SELECT recipient.id, recipient.touch_id
    FROM campaigns_recipient recipient
    JOIN campaigns_touch touch ON touch.id = recipient.touch_id
    WHERE recipient.member_id = line.member_id
      AND recipient.contacted_at IS NOT NULL
      AND date_trunc('second', recipient.contacted_at) <= line.at
      AND recipient.contacted_at >= line.at - make_interval(hours => %(hours)s)
      AND recipient.state IN ('sent', 'accepted', 'unknown')
      AND (line.response = 'opt_out' OR line.account_id IS NULL
           OR touch.account_id = line.account_id)
    ORDER BY recipient.contacted_at DESC, recipient.id DESC
    LIMIT 1
) last
WHERE line.response <> 'reply' OR NOT EXISTS (
    SELECT FROM crm_consententry entry
    WHERE entry.key = line.key AND entry.action = 'withdrawn'
      AND entry.purpose = 'marketing'
)
ON CONFLICT (source) DO NOTHING
"""


def catch_up(*, is_waiting: bool = False) -> datetime | None:
    """Credit what came since the last time; until when everything is credited.

    Idempotent. None when another worker is at it and `is_waiting` is not set.
    """
    return reading.catch_up(READER, _credit, is_waiting=is_waiting)


def _credit(after: int, until: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            _CREDIT,
            {
                "after": after,
                "until": until,
                "kinds": json.dumps(KINDS),
                "names": list(KINDS),
                "hours": int(system_settings.get(SETTING)),
            },
        )


def declare_settings() -> None:
    """Called once, in AppConfig.ready()."""
    system_settings.declare(
        system_settings.Declaration(
            SETTING,
            _("What people do counts for a campaign message for"),
            DEFAULT_HOURS,
            unit=_("hours"),
            help_text=_(
                "Replies, conversations, opt-outs and unfollows are credited to the last "
                "message before them. What is counted already stays as it is."
            ),
            minimum=1,
            maximum=720,
        )
    )
