"""The built-in tags that put themselves on: rules, and the run that follows them.

Each rule is one SELECT of (member_id, key) for a stretch of members; the run puts the
tags of a group right in one statement each way, so running it again changes nothing.
Tags people put on by hand stay, whatever a rule says.
"""

from crm.auto_tags.rules import (
    GROUPS,
    ONE_PER_CATEGORY,
    add_group,
    add_interest,
    add_source,
)
from crm.auto_tags.running import run_all

__all__ = [
    "GROUPS",
    "ONE_PER_CATEGORY",
    "add_group",
    "add_interest",
    "add_source",
    "run_all",
]
