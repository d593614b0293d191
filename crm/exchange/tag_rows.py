"""Rows that put tags on members who are known."""

from __future__ import annotations

from typing import Any

from crm.exchange.member_rows import MemberRows
from crm.exchange.values import BadCell


class TagRows(MemberRows):
    """Rows that put tags on members who are known; nobody is made."""

    # A list of tags tells nothing new of who somebody is.
    makes_members = completes = False

    def parsers(self) -> dict[str, Any]:
        # Tags are looked up once the group of the row is known.
        return {
            **self.identity_parsers(),
            "tags": str.strip,
            "group": str.strip,
        }

    def check(self, found: dict[str, Any]) -> list[BadCell]:
        try:
            tags = self.context.tags(found["tags"], found.get("group", ""))
        except BadCell as bad:
            bad.column = self._header("tags")
            return [bad]
        found["tags"] = tags
        return [] if tags else [BadCell("no_tags", self._header("tags"))]
