"""How we help: queues, conversations, who has them, what was said, how it was liked."""

from service.models.conversations import (
    AgentState,
    Assignment,
    Conversation,
    ConversationQuerySet,
    Message,
    MissCount,
    Queue,
)
from service.models.ratings import Praise, Rating

__all__ = [
    "AgentState",
    "Assignment",
    "Conversation",
    "ConversationQuerySet",
    "Message",
    "MissCount",
    "Praise",
    "Queue",
    "Rating",
]
