"""Rows that put tags on members who are known."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from crm.exchange.member_rows import MemberRows, Person
from crm.exchange.values import BadCell


class TagRows(MemberRows):
    """Rows that put tags on members who are known; nobody is made."""

    makes_members = False

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

    def _changes(self, person: Person, row: dict[str, Any]) -> dict[str, Any]:
        return {}

    def _bind(self, people: list[tuple[Person, int]], now: datetime) -> None:
        """A list of tags tells nothing new of who somebody is."""
