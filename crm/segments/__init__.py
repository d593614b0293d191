"""Segments: groups of members named by a rule that a person without code can read.

A rule is JSON; `parse` makes a typed tree of it or refuses it with the places that are
wrong. `members_of` turns the tree into one set-wise query.
"""

from crm.segments.catalogue import catalogue, options, schema
from crm.segments.compiling import members_of
from crm.segments.errors import SegmentInvalid
from crm.segments.estimating import Estimate, estimate, is_personal
from crm.segments.explaining import Explained, matches
from crm.segments.references import parse
from crm.segments.tree import Node, as_rule

__all__ = [
    "Estimate",
    "Explained",
    "Node",
    "SegmentInvalid",
    "as_rule",
    "catalogue",
    "estimate",
    "is_personal",
    "matches",
    "members_of",
    "options",
    "parse",
    "schema",
]
