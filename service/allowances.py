"""What may still be said in a conversation."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from service.models import Conversation
from wechat import windows


@dataclass(frozen=True)
class Allowed:
    """What may still be said: `left` messages; the last of them until `closes_at`.

    `lasting`: how many of them are left in the window that closes last; the others
    (a menu tap's, say) are gone within a minute.
    """

    is_window_open: bool
    left: int
    closes_at: datetime | None
    lasting: int


def allowance_of(conversation: Conversation) -> Allowed:
    """The platform's allowance less what is planned and not yet reserved there."""
    allowance = windows.allowance(conversation.app, conversation.recipient)
    left = max(allowance.left - allowance.planned, 0)
    last = max(
        allowance.by_trigger.values(), key=lambda found: found.closes_at, default=None
    )
    return Allowed(
        is_window_open=last is not None,
        left=left,
        closes_at=allowance.closes_at or (last.closes_at if last else None),
        lasting=min(left, last.left) if last else 0,
    )
