"""Whom we know: members, how the platforms call them, what happened, what they agreed."""

from crm.models.merges import MatchReview, Merge
from crm.models.notes import Note
from crm.models.orders import Category, Order, OrderItem, Product, Refund
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
from crm.models.segments import Segment, SegmentMember, SegmentVersion
from crm.models.tags import MemberTag, Tag, TagGroup, TagSet
from crm.models.value import MemberValue, StageChange

__all__ = [
    "ADD_WAYS",
    "PURPOSES",
    "SOURCES",
    "Category",
    "ConsentEntry",
    "Event",
    "Identity",
    "MatchReview",
    "Member",
    "MemberTag",
    "MemberValue",
    "Merge",
    "Note",
    "Order",
    "OrderItem",
    "Product",
    "Refund",
    "Relation",
    "Segment",
    "SegmentMember",
    "SegmentVersion",
    "StageChange",
    "Tag",
    "TagGroup",
    "TagSet",
    "Tombstone",
]
