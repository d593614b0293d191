"""Sets of members as pieces of SQL: what conditions become, and how they are combined.

A condition on the member's own row stays a comparison (`Own`). Every other one is a set
of member ids read from one source (`Rows`): "who is in the set" becomes a semi join,
"who is not" an anti join, and what reads the same source at the same place is read once.
A union is a set again, so no plan depends on a subquery being run row by row.

Texts are written here and in crm.segments.leaves only; values travel as parameters. In
texts `<<column>>` is a column of the member in question.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

_COLUMN = re.compile(r"<<(\w+)>>")


@dataclass(frozen=True)
class Sql:
    """A text with %s for each of `params`."""

    text: str
    params: tuple[Any, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.text)

    def columns(self, column: Callable[[str], str]) -> str:
        """The text with `<<name>>` replaced by what `column` says."""
        return _COLUMN.sub(lambda found: column(found.group(1)), self.text)

    def of(self, alias: str) -> Sql:
        return Sql(self.columns(lambda name: f"{alias}.{name}"), self.params)


def joined(parts: Iterable[Sql], word: str) -> Sql:
    """The parts with AND, OR … between them, in brackets where there are several."""
    found = list(parts)
    if len(found) == 1:
        return found[0]
    text = f" {word} ".join(part.text for part in found)
    return Sql(f"({text})", tuple(value for part in found for value in part.params))


def negated(part: Sql) -> Sql:
    """NOT of a test that is never NULL."""
    return Sql(f"(NOT {part.text})", part.params)


@dataclass(frozen=True)
class Own:
    """A comparison of the member's own columns; never NULL, so that NOT turns it round."""

    test: Sql


@dataclass(frozen=True)
class Rows:
    """Members with (or, not `is_in`, without) rows of `source` for which `test` holds.

    `source`: "SELECT member_id FROM …", to which `glue` and the test are added: " WHERE "
    where the source has one row a member, " GROUP BY 1 HAVING " where it has many. No
    test: any row at all. A test is never NULL.
    """

    source: Sql
    glue: str
    test: Sql | None = None
    is_in: bool = True

    def select(self) -> Sql:
        if self.test is None:
            return self.source
        text = f"{self.source.text}{self.glue}{self.test.text}"
        return Sql(text, self.source.params + self.test.params)

    @property
    def key(self) -> tuple[str, str, str]:
        return self.source.text, repr(self.source.params), self.glue


@dataclass(frozen=True)
class Both:
    """Members who are in every part."""

    parts: tuple[Part, ...]


@dataclass(frozen=True)
class Either:
    """Members who are in at least one part."""

    parts: tuple[Part, ...]


Part = Own | Rows | Both | Either
EVERYBODY = Own(Sql("true"))


def opposite(part: Part) -> Part:
    """Everybody who is not in the part, with NOT only on the tests (De Morgan)."""
    if isinstance(part, Own):
        return Own(negated(part.test))
    if isinstance(part, Rows):
        return replace(part, is_in=not part.is_in)
    parts = tuple(opposite(each) for each in part.parts)
    return Either(parts) if isinstance(part, Both) else Both(parts)


def flat(part: Part) -> Part:
    """Groups inside groups of the same kind, and sets of one source, put together."""
    if isinstance(part, Own | Rows):
        return part
    kind = type(part)
    parts: list[Part] = []
    for each in map(flat, part.parts):
        parts += each.parts if isinstance(each, kind) else [each]
    parts = _merged(parts, is_and=kind is Both)
    return parts[0] if len(parts) == 1 else kind(tuple(parts))


def _merged(parts: list[Part], *, is_and: bool) -> list[Part]:
    kept: list[Part] = []
    sources: dict[tuple[str, str, str], list[Rows]] = {}
    for part in parts:
        if isinstance(part, Rows):
            sources.setdefault(part.key, []).append(part)
        else:
            kept.append(part)
    for rows in sources.values():
        kept += _one_source(rows, is_and=is_and)
    return kept


def _one_source(rows: list[Rows], *, is_and: bool) -> list[Part]:
    """Several sets read from one source as one, where there is such a one."""
    inside = [each for each in rows if each.is_in]
    outside = [each for each in rows if not each.is_in]
    if is_and and inside:
        tests = [each.test for each in inside if each.test is not None]
        if any(each.test is None for each in outside):
            return [Own(Sql("false"))]
        tests += [negated(each.test) for each in outside if each.test is not None]
        return [replace(inside[0], test=joined(tests, "AND") if tests else None)]
    found: list[Part] = []
    for group, word in ((inside, "OR"), (outside, "OR" if is_and else "AND")):
        if group:
            found.append(replace(group[0], test=_put_together(group, word)))
    return found


def _put_together(rows: list[Rows], word: str) -> Sql | None:
    """No test holds for every row: it decides an OR, and says nothing in an AND."""
    tests = [each.test for each in rows if each.test is not None]
    if not tests or (word == "OR" and len(tests) < len(rows)):
        return None
    return joined(tests, word)


# -- as a condition on a member


@dataclass(frozen=True)
class Frame:
    """Whom a question is about: `base` holds for all of them.

    `only`: of these ids alone, so that every set is looked up for a few members instead
    of being read whole.
    """

    base: Sql
    only: tuple[int, ...] | None = None

    def rows(self, part: Rows) -> Sql:
        found = part.select()
        if self.only is None:
            return found
        text = f"SELECT member_id FROM ({found.text}) few WHERE member_id = ANY(%s)"  # noqa: S608
        return Sql(text, (*found.params, list(self.only)))


def condition(part: Part, frame: Frame) -> Sql:
    """True for who is in `part`, in terms of `<<column>>`."""
    if isinstance(part, Own):
        return part.test
    if isinstance(part, Both):
        return joined([condition(each, frame) for each in part.parts], "AND")
    if isinstance(part, Rows) and not part.is_in:
        rows = frame.rows(part)
        return Sql(
            f"NOT EXISTS (SELECT FROM ({rows.text}) gone"
            " WHERE gone.member_id = <<id>>)",
            rows.params,
        )
    if isinstance(part, Either) and all(isinstance(each, Own) for each in part.parts):
        return joined([condition(each, frame) for each in part.parts], "OR")
    chosen = ids(part, frame)
    return Sql(f"<<id>> IN ({chosen.text})", chosen.params)


def ids(part: Part, frame: Frame) -> Sql:
    """A SELECT of the ids of who is in `part`; some may come twice."""
    if isinstance(part, Rows) and part.is_in:
        return frame.rows(part)
    if isinstance(part, Either):
        own = [each.test for each in part.parts if isinstance(each, Own)]
        rest = [each for each in part.parts if not isinstance(each, Own)]
        legs = [ids(each, frame) for each in rest]
        if own:
            legs.append(_members(joined(own, "OR"), frame))
        return Sql(
            " UNION ALL ".join(leg.text for leg in legs),
            tuple(value for leg in legs for value in leg.params),
        )
    return _members(condition(part, frame), frame)


def _members(test: Sql, frame: Frame) -> Sql:
    tests = [frame.base, test]
    if frame.only is not None:
        tests.append(Sql("<<id>> = ANY(%s)", (list(frame.only),)))
    both = joined(tests, "AND").of("other")
    text = f"SELECT other.id FROM crm_member other WHERE {both.text}"  # noqa: S608
    return Sql(text, both.params)
