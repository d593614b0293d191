"""Segments: groups of members named by a rule that a person without code can read.

A rule is JSON; `parse` makes a typed tree of it or refuses it with the places that are
wrong. `members_of` turns the tree into one set-wise query.
"""

from crm.segments.catalogue import catalogue, options, schema
from crm.segments.compiling import members_of
from crm.segments.errors import SegmentInvalid
from crm.segments.references import parse
from crm.segments.tree import Node, as_rule

__all__ = [
    "Node",
    "SegmentInvalid",
    "as_rule",
    "catalogue",
    "members_of",
    "options",
    "parse",
    "schema",
]
