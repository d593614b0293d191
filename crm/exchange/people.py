"""People of a file: what its rows say of each, the rows about one put together."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from crm.evidence import Key


@dataclass
class Person:
    """What the rows of one person say; `line` is the first of them.

    foreign: keys that are not theirs to get, once it is known whom the rows mean.
    """

    line: int
    values: dict[str, Any]
    keys: dict[tuple[str, int | None], Key]
    more_lines: list[int] = field(default_factory=list)
    foreign: frozenset[Key] = frozenset()

    @property
    def lines(self) -> list[int]:
        return [self.line, *self.more_lines]

    def agrees(self, other: Person) -> bool:
        """Whether nothing both are known by differs."""
        return all(
            self.keys[kind] == key
            for kind, key in other.keys.items()
            if kind in self.keys
        )

    def join(self, other: Person, *, overwrites: bool) -> None:
        """A later row about the same person completes it, or overwrites it."""
        carried = [*self.values.get("tags", ()), *other.values.get("tags", ())]
        if overwrites:
            self.values |= other.values
        else:
            self.values = other.values | self.values
        if carried:
            self.values["tags"] = list(dict.fromkeys(carried))
        self.keys |= other.keys
        self.more_lines.append(other.line)


def fold(
    people: list[Person], *, overwrites: bool, settled: Collection[Key] = frozenset()
) -> tuple[list[Person], list[Person]]:
    """Rows about one person as one; what needs those written first is left for later.

    What is known by `settled` keys is looked up either way: they join no rows.
    """
    together: list[Person] = []
    later: list[Person] = []
    owner: dict[Key, Person] = {}
    blocked: set[Key] = set()
    for person in people:
        keys = {key for key in person.keys.values() if key not in settled}
        hits = {id(owner[key]): owner[key] for key in keys if key in owner}
        if keys & blocked or len(hits) > 1:
            later.append(person)
            blocked |= keys
        elif not hits:
            together.append(person)
            owner |= dict.fromkeys(keys, person)
        else:
            first = next(iter(hits.values()))
            if first.agrees(person):
                first.join(person, overwrites=overwrites)
                owner |= dict.fromkeys(keys, first)
            else:
                later.append(person)
                blocked |= keys
    return together, later
