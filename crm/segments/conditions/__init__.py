"""The conditions a rule is made of: typed, frozen, each with the values it takes.

`on` names the condition in JSON. Values that don't apply are None (or empty). What each
means to the database stands in crm.segments.leaves, what it means for one member in
crm.segments.evaluating; the two are compared by a test of a thousand random rules.

Periods: `within_days` counts back to the second (30 days = 30 × 24 hours), `since` and
`until` are whole days of Beijing, both of them included.
"""

from crm.segments.conditions.behaviour import Happened, Orders, Score, Seen
from crm.segments.conditions.belonging import (
    Consent,
    InSegment,
    Marketing,
    Owner,
    Reachable,
    Store,
)
from crm.segments.conditions.declaring import GROUPS, UNKNOWN, Condition, Number, Period
from crm.segments.conditions.identities import HasIdentity, HasRelation
from crm.segments.conditions.profile import Birthday, City, Gender, Joined, Name, Phone
from crm.segments.conditions.standing import Rfm, Stage, Tags, Trust

__all__ = [
    "CONDITIONS",
    "GROUPS",
    "UNKNOWN",
    "Birthday",
    "City",
    "Condition",
    "Consent",
    "Gender",
    "Happened",
    "HasIdentity",
    "HasRelation",
    "InSegment",
    "Joined",
    "Marketing",
    "Name",
    "Number",
    "Orders",
    "Owner",
    "Period",
    "Phone",
    "Reachable",
    "Rfm",
    "Score",
    "Seen",
    "Stage",
    "Store",
    "Tags",
    "Trust",
    "attribute",
]

CONDITIONS: dict[str, type[Condition]] = {
    each.on: each
    for each in (
        Tags,
        Stage,
        Rfm,
        Trust,
        Orders,
        Happened,
        Seen,
        Score,
        Gender,
        City,
        Birthday,
        Name,
        Phone,
        Joined,
        HasIdentity,
        HasRelation,
        Reachable,
        Marketing,
        Consent,
        Store,
        Owner,
        InSegment,
    )
}


def attribute(name: str) -> str:
    """Under which name a condition keeps a parameter ("in" and "is" are words of Python)."""
    return f"{name}_" if name in ("in", "is") else name
