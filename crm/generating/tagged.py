"""Tags of made-up members: few frequent ones and many rare ones."""

from __future__ import annotations

import random
from itertools import accumulate

from crm.generating.loading import Table
from crm.generating.moments import Moments
from crm.generating.people import NULL, Person
from crm.generating.world import Controller, TagChoice, World
from crm.models import MemberTag, TagSet

# How many each carries, beside the one of the stage: 7 at the mean.
_FEWEST, _MOST = 3, 11


class Tagged:
    """The rows of MemberTag, and of TagSet, which the triggers would have made."""

    def __init__(self, moments: Moments, world: World) -> None:
        self.moments = moments
        self.world = world
        columns = ("member", "tag", "source", "set_by", "set_at", "expires_at")
        self.tags = Table(MemberTag, *columns)
        self.sets = Table(TagSet, "member", "tag_ids")
        self.tables = [self.tags, self.sets]
        self._shares: dict[int, list[float]] = {}

    def write(self, person: Person, stage: str, draw: random.Random) -> None:
        wanted = draw.randint(_FEWEST, _MOST)
        chosen = self._choose(person.controller, wanted, draw)
        joined = person.joined
        for choice in chosen:
            most = min(joined, choice.days - 2) if choice.days else joined
            self._line(person.key, choice, int(draw.random() * most), draw)
        keys = [choice.tag for choice in chosen]
        tag = person.controller.stage_tags.get(stage)
        if tag is not None:
            keys.append(tag)
            self._line(person.key, TagChoice(tag, 0, "auto", 0), joined // 2, draw)
        found = ",".join(str(key) for key in sorted(keys))
        self.sets.lines.append(f"{person.key}\t{{{found}}}{self.sets.rest}")

    def _choose(
        self, controller: Controller, wanted: int, draw: random.Random
    ) -> list[TagChoice]:
        shares = self._shares.get(controller.unit)
        if shares is None:
            ranks = range(len(controller.tags))
            shares = list(accumulate(1 / (rank + 3) for rank in ranks))
            self._shares[controller.unit] = shares
        drawn = draw.choices(controller.tags, cum_weights=shares, k=wanted * 2 + 6)
        taken: dict[int, TagChoice] = {}
        groups: set[int] = set()
        for choice in drawn:
            if choice.tag in taken or choice.group in groups:
                continue
            taken[choice.tag] = choice
            if choice.group:
                groups.add(choice.group)
            if len(taken) == wanted:
                break
        return list(taken.values())

    def _line(
        self, member: int, choice: TagChoice, days_ago: int, draw: random.Random
    ) -> None:
        source = choice.source
        by = self.world.clerk if source == "manual" else self.world.rules
        seconds = 3600 + int(draw.random() * 46_800)
        expires = NULL
        if choice.days:
            expires = self.moments.text(days_ago - choice.days, seconds)
        self.tags.lines.append(
            f"{member}\t{choice.tag}\t{source}\t{by}"
            f"\t{self.moments.text(days_ago, seconds)}\t{expires}{self.tags.rest}"
        )
