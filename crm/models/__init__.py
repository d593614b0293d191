"""Whom we know: members, how the platforms call them, what happened, what they agreed."""

from crm.models.people import (
    ADD_WAYS,
    PURPOSES,
    SOURCES,
    ConsentEntry,
    Event,
    Identity,
    Member,
    Relation,
    Tombstone,
)
from crm.models.tags import MemberTag, Tag, TagGroup, TagSet

__all__ = [
    "ADD_WAYS",
    "PURPOSES",
    "SOURCES",
    "ConsentEntry",
    "Event",
    "Identity",
    "Member",
    "MemberTag",
    "Relation",
    "Tag",
    "TagGroup",
    "TagSet",
    "Tombstone",
]
