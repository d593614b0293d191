"""Whom we know: members, how the platforms call them, what happened, what they agreed."""

from crm.models.consents import (
    CHANNELS,
    PURPOSES,
    SOURCES,
    Complaint,
    ConsentEntry,
    ConsentText,
    Preference,
    Topic,
)
from crm.models.coupons import Coupon
from crm.models.exchanges import Export, Import, ImportProblem, MappingMemory
from crm.models.merges import MatchReview, Merge, MergeStep
from crm.models.nearby import Nearby
from crm.models.notes import Note
from crm.models.orders import Category, Order, OrderItem, Product, Refund
from crm.models.people import (
    ADD_WAYS,
    Event,
    Identity,
    Member,
    Relation,
    Tombstone,
)
from crm.models.scoring import ScoreWeight, ValueCount, ValueCut, ValueDue
from crm.models.segments import Segment, SegmentMember, SegmentVersion
from crm.models.tag_counts import TagCount
from crm.models.tags import MemberTag, Tag, TagGroup, TagSet
from crm.models.value import MemberValue, StageChange

__all__ = [
    "ADD_WAYS",
    "CHANNELS",
    "PURPOSES",
    "SOURCES",
    "Category",
    "Complaint",
    "ConsentEntry",
    "ConsentText",
    "Coupon",
    "Event",
    "Export",
    "Identity",
    "Import",
    "ImportProblem",
    "MappingMemory",
    "MatchReview",
    "Member",
    "MemberTag",
    "MemberValue",
    "Merge",
    "MergeStep",
    "Nearby",
    "Note",
    "Order",
    "OrderItem",
    "Preference",
    "Product",
    "Refund",
    "Relation",
    "ScoreWeight",
    "Segment",
    "SegmentMember",
    "SegmentVersion",
    "StageChange",
    "Tag",
    "TagCount",
    "TagGroup",
    "TagSet",
    "Tombstone",
    "Topic",
    "ValueCount",
    "ValueCut",
    "ValueDue",
]
