"""What all loaders share: whose import it is, the words they look up, what came of rows."""

from __future__ import annotations

import re
import unicodedata
from array import array
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.utils.functional import cached_property

from crm.exchange.fields import FIELDS, NAMING
from crm.exchange.reading import Row
from crm.exchange.sheets import unescaped
from crm.exchange.values import BadCell, meant
from crm.models import Import, Tag, TagGroup
from staff.models import OrgUnit, Staff

_TAG_SEPARATORS = re.compile(r"[;；|,，\n]")
_GROUP_SEPARATORS = re.compile(r"[·•:：]")
_LONG_NUMBER = re.compile(r"\d{6,}")
MAX_PROBLEM_COLUMN = 80
_MOST_TAG_CELLS = 4096


class Again(Exception):
    """Something of the chunk changed while it was decided: decide it anew."""


@dataclass(frozen=True)
class Problem:
    line: int
    column: str
    code: str
    params: dict[str, Any]
    is_refusal: bool = True


@dataclass
class Outcome:
    """What came of some rows: each is in `counts` once, refusals also in `problems`."""

    counts: Counter[str] = field(default_factory=Counter)
    problems: list[Problem] = field(default_factory=list)
    # (line, what happens to it) of the first rows of a check.
    lines: list[tuple[int, str]] = field(default_factory=list)

    def refuse(self, line: int, *bad: BadCell) -> None:
        self.counts["refused"] += 1
        self.lines.append((line, "refused"))
        self.problems += [
            Problem(line, cell.column[:MAX_PROBLEM_COLUMN], cell.code, cell.params)
            for cell in bad
        ]

    def doubt(self, line: int, code: str) -> None:
        self.problems.append(Problem(line, "", code, {}, is_refusal=False))

    def count(self, line: int, what: str) -> None:
        self.counts[what] += 1
        self.lines.append((line, what))

    def add(self, other: Outcome) -> None:
        self.counts += other.counts
        self.problems += other.problems
        self.lines += other.lines


class Seen:
    """Which keys came before in the file: 64-bit hashes in one flat table.

    Three million keys take 64 MB; a set of them would take ten times that.
    """

    def __init__(self) -> None:
        self._bits = 16
        self._count = 0
        self._table = array("Q", bytes(8 << self._bits))

    def add(self, key: Any) -> bool:
        """Whether the key is new."""
        number = hash(key) & 0xFFFF_FFFF_FFFF_FFFF or 1
        if not self._insert(number):
            return False
        self._count += 1
        if self._count * 2 > len(self._table):
            self._grow()
        return True

    def _insert(self, number: int) -> bool:
        mask = len(self._table) - 1
        at = (number * 0x9E37_79B9_7F4A_7C15 >> 20) & mask
        while self._table[at]:
            if self._table[at] == number:
                return False
            at = (at + 1) & mask
        self._table[at] = number
        return True

    def _grow(self) -> None:
        old, self._bits = self._table, self._bits + 1
        self._table = array("Q", bytes(8 << self._bits))
        for number in old:
            if number:
                self._insert(number)


def fold(text: str) -> str:
    return "".join(unicodedata.normalize("NFKC", text).casefold().split())


@dataclass
class Context:
    """An import with what its rows are read against; `now` is that of the chunk."""

    batch: Import
    is_dry: bool = False
    seen: Seen = field(default_factory=Seen)

    @cached_property
    def staff(self) -> Staff:
        return self.batch.created_by

    @cached_property
    def mapping(self) -> dict[str, int]:
        return dict(self.batch.mapping)

    @cached_property
    def headers(self) -> list[str]:
        return list(self.batch.layout["headers"])

    def option(self, name: str) -> Any:
        return self.batch.options.get(name)

    @cached_property
    def required(self) -> set[str]:
        return {each.name for each in FIELDS[self.batch.kind] if each.is_required}

    # -- scope

    @cached_property
    def units(self) -> dict[int, OrgUnit]:
        """Units of the importer's subtree in the data controller, by id."""
        rows = OrgUnit.objects.filter(controller_id=self.batch.controller_id)
        if self.batch.org_unit is not None:
            rows = rows.filter(path__startswith=self.batch.org_unit.path)
        return {unit.pk: unit for unit in rows.select_related("parent")}

    def covers(self, unit_id: int | None) -> bool:
        """Whether rows of the unit are inside the importer's scope."""
        if self.batch.org_unit_id is None:
            return True
        return unit_id in self.units

    @cached_property
    def _stores(self) -> dict[str, list[int]]:
        found: dict[str, list[int]] = defaultdict(list)
        for unit in self.units.values():
            found[fold(unit.name)].append(unit.pk)
            if unit.parent is not None:
                found[fold(f"{unit.parent.name}·{unit.name}")].append(unit.pk)
        return found

    def store(self, text: str) -> int | None:
        """The unit of this name; None for the controller itself. Raises BadCell."""
        found = self._stores.get(fold(text), [])
        if not found:
            raise BadCell("bad_store")
        if len(found) > 1:
            raise BadCell("store_not_unique")
        return None if found[0] == self.batch.controller_id else found[0]

    @cached_property
    def _owners(self) -> dict[str, list[int]]:
        found: dict[str, list[int]] = defaultdict(list)
        working = Staff.objects.working().filter(org_unit__in=self.units.keys())
        for pk, username, name in working.values_list("pk", "username", "display_name"):
            for key in {fold(username), fold(name)}:
                found[key].append(pk)
        return found

    def owner(self, text: str) -> int:
        found = self._owners.get(fold(text), [])
        if len(found) != 1:
            raise BadCell("bad_owner")
        return found[0]

    # -- tags

    @cached_property
    def _tags(self) -> dict[str, list[Tag]]:
        found: dict[str, list[Tag]] = defaultdict(list)
        rows = Tag.objects.of_controller(self.batch.controller_id)
        for tag in rows.select_related("group"):
            found[fold(tag.name)].append(tag)
            found[_named(tag.group.name, tag.name)].append(tag)
        return found

    def tags(self, text: str, group: str = "") -> list[int]:
        """Ids of the tags in a cell, 组·值 with ; between. Raises BadCell."""
        found = self._tag_cells.get((text, group))
        if found is None:
            parts = [part.strip() for part in _TAG_SEPARATORS.split(text)]
            found = [self._tag(part, group) for part in parts if part]
            if len(self._tag_cells) < _MOST_TAG_CELLS:
                self._tag_cells[text, group] = found
        return found

    @cached_property
    def _tag_cells(self) -> dict[tuple[str, str], list[int]]:
        """Cells read before: the same few come again and again."""
        return {}

    def _tag(self, text: str, group: str) -> int:
        named = _GROUP_SEPARATORS.split(text, maxsplit=1)
        wanted = _named(*named) if len(named) == 2 else fold(text)
        if group and len(named) == 1:
            wanted = _named(group, text)
        found = self._tags.get(wanted) or self._tags.get(fold(text)) or []
        usable = [tag for tag in found if not tag.is_archived]
        if len(usable) > 1:
            raise BadCell("tag_without_group", tag=_unnumbered(text))
        if usable:
            return usable[0].pk
        if found:
            raise BadCell("tag_archived", tag=_unnumbered(text))
        return self._new_tag(named, group, text)

    def _new_tag(self, named: list[str], group: str, text: str) -> int:
        """Made only where the importer asked for it, in a group that stands."""
        name = named[-1].strip()
        wanted = named[0] if len(named) == 2 else group
        into = self._groups.get(fold(wanted)) if wanted else self.option("tag_group")
        if not (self.option("create_tags") and into and 0 < len(name) <= 40):
            raise BadCell("bad_tag", tag=_unnumbered(text))
        if self.is_dry:
            tag = Tag(pk=-1 - len(self._tags), name=name, group_id=into)
        else:
            tag, _made = Tag.objects.get_or_create(
                group_id=into, controller_id=self.batch.controller_id, name=name
            )
        self._tags[(wanted and _named(wanted, name)) or fold(name)].append(tag)
        return tag.pk

    @cached_property
    def _groups(self) -> dict[str, int]:
        rows = TagGroup.objects.visible_to(self.staff)
        rows = rows.of_controller(self.batch.controller_id)
        return {fold(group.name): group.pk for group in rows}

    def forget_tags(self) -> None:
        """A chunk was taken back, and tags made in it with it."""
        self.__dict__.pop("_tags", None)
        self.__dict__.pop("_tag_cells", None)

    # -- cells

    def reader(self, parsers: dict[str, Callable[[str], Any]]) -> RowReader:
        return RowReader(self, parsers)


def _unnumbered(text: str) -> str:
    """A tag nobody knows, for a list that stays: its column may hold phones."""
    return _LONG_NUMBER.sub("…", text)[:40]


def _named(group: str, name: str) -> str:
    return f"{fold(group)}·{fold(name)}"


class RowReader:
    """Turns rows into values; what can't be read is told with its column."""

    def __init__(
        self, context: Context, parsers: dict[str, Callable[[str], Any]]
    ) -> None:
        headers, mapping = context.headers, context.mapping
        self._width = len(headers)
        self._wanted = [
            (name, at, headers[at], parsers[name], name in context.required)
            for name, at in mapping.items()
            if name in parsers
        ]

    def read(self, row: Row) -> tuple[dict[str, Any], list[BadCell]]:
        """The values that are not empty, and what is wrong with the row."""
        cells = row.cells
        if len(cells) != self._width:
            bad = self._misfit(cells)
            if bad is not None:
                return {}, [bad]
        values: dict[str, Any] = {}
        problems = []
        for name, at, header, parse, is_required in self._wanted:
            text = unescaped(cells[at].strip()) if at < len(cells) else ""
            try:
                text = text and meant(text, is_name=name in NAMING)
                if text:
                    values[name] = parse(text)
                elif is_required:
                    problems.append(BadCell("missing", header))
            except BadCell as bad:
                bad.column = header
                problems.append(bad)
        return values, problems

    def _misfit(self, cells: list[str]) -> BadCell | None:
        """Fewer cells than names in a text: cut; a workbook leaves empty ones out."""
        if len(cells) < self._width:
            return None if self._is_ragged else self._wrong("short_row", cells)
        return self._wrong("long_row", cells) if any(cells[self._width :]) else None

    _is_ragged = False

    def allow_ragged(self) -> RowReader:
        self._is_ragged = True
        return self

    def _wrong(self, code: str, cells: Sequence[str]) -> BadCell:
        return BadCell(code, found=len(cells), wanted=self._width)
