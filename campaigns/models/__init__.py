"""What we plan, to whom it was said, and what came back."""

from campaigns.models.plan import (
    Campaign,
    CampaignTemplate,
    GateItem,
    Phase,
    Task,
    TemplateTask,
)
from campaigns.models.returns import (
    LinkClick,
    Recap,
    Response,
    TimelineReader,
    TrackedLink,
)
from campaigns.models.touches import Recipient, Tester, Touch, TouchTally

__all__ = [
    "Campaign",
    "CampaignTemplate",
    "GateItem",
    "LinkClick",
    "Phase",
    "Recap",
    "Recipient",
    "Response",
    "Task",
    "TemplateTask",
    "Tester",
    "TimelineReader",
    "Touch",
    "TouchTally",
    "TrackedLink",
]
