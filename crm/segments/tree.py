"""A rule as a typed tree, read from JSON: nothing of what was sent goes into a query.

    {"all": [node, …]}   every one holds; {} and {"all": []}, as the whole rule: everybody
    {"any": [node, …]}   at least one holds
    {"not": node}
    {"on": "<condition>", …}   see crm.segments.conditions

Keys and values are looked up in what the conditions declare; everything else is refused
with the place where it stands.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from django.utils.translation import gettext as _

from core.registry import Text
from crm.segments.conditions import CONDITIONS, Condition, InSegment, attribute
from crm.segments.errors import SegmentInvalid
from crm.segments.params import Param, Wrong, as_json

MAX_DEPTH = 6
MAX_CONDITIONS = 60
MAX_PROBLEMS = 20
GROUP_WORDS = ("all", "any")


@dataclass(frozen=True)
class All:
    """Every one holds; without nodes: everybody."""

    nodes: tuple[Node, ...] = ()


@dataclass(frozen=True)
class Any_:
    """At least one holds."""

    nodes: tuple[Node, ...]


@dataclass(frozen=True)
class Not:
    """It does not hold."""

    node: Node


Node = All | Any_ | Not | Condition
EVERYBODY = All()


@dataclass
class Reader:
    """Takes JSON apart and gathers what is wrong with it, and where."""

    problems: list[tuple[str, Text]] = field(default_factory=list)
    conditions: int = 0
    # (path, what it points to, ids): looked up together afterwards.
    references: list[tuple[str, str, tuple[int, ...]]] = field(default_factory=list)

    def read(self, given: Any) -> Node | None:
        """None when there are problems."""
        if given is None or given in ({}, {"all": []}):
            return EVERYBODY
        node = self._node(given, "", 1)
        return None if self.problems else node

    def wrong(self, path: str, words: Text) -> None:
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append((path, words))

    def _node(self, given: Any, path: str, depth: int) -> Node | None:
        if depth > MAX_DEPTH:
            words = _("Groups stand at most %(most)d deep in each other.")
            self.wrong(path, words % {"most": MAX_DEPTH})
            return None
        if not isinstance(given, dict):
            self.wrong(path, _("A group or a condition is expected."))
            return None
        if "on" in given:
            return self._condition(given, path)
        if len(given) != 1:
            self.wrong(path, _("A group is one of all, any and not."))
            return None
        ((word, inner),) = given.items()
        if word == "not":
            node = self._node(inner, f"{path}/not", depth + 1)
            return None if node is None else Not(node)
        if word in GROUP_WORDS:
            return self._group(word, inner, f"{path}/{word}", depth)
        self.wrong(path, _("A group is one of all, any and not."))
        return None

    def _group(self, word: str, inner: Any, path: str, depth: int) -> Node | None:
        if not isinstance(inner, list) or not inner:
            self.wrong(path, _("A group holds at least one condition."))
            return None
        if len(inner) > MAX_CONDITIONS:
            self._too_many(path)
            return None
        nodes = [
            self._node(each, f"{path}/{place}", depth + 1)
            for place, each in enumerate(inner)
        ]
        kept = tuple(node for node in nodes if node is not None)
        return All(kept) if word == "all" else Any_(kept)

    def _too_many(self, path: str) -> None:
        words = _("A rule holds at most %(most)d conditions.")
        self.wrong(path, words % {"most": MAX_CONDITIONS})

    def _condition(self, given: dict[Any, Any], path: str) -> Condition | None:
        self.conditions += 1
        if self.conditions > MAX_CONDITIONS:
            if self.conditions == MAX_CONDITIONS + 1:
                self._too_many("")
            return None
        name = given["on"]
        kind = CONDITIONS.get(name) if isinstance(name, str) else None
        if kind is None:
            self.wrong(f"{path}/on", _("There is no such condition."))
            return None
        before = len(self.problems)
        self._unknown_names(kind, given, path)
        values = self._values(kind, given, path)
        if len(self.problems) > before:
            return None
        found = kind(**values)
        problem = found.problem()
        if problem is None:
            return found
        self.wrong(f"{path}/{problem[0]}".rstrip("/"), problem[1])
        return None

    def _unknown_names(
        self, kind: type[Condition], given: dict[Any, Any], path: str
    ) -> None:
        known = {param.name for param in kind.params} | {"on"}
        for name in given:
            if name not in known:
                shown = str(name)[:40].encode("ascii", "replace").decode()
                words = _("The condition has no “%(name)s”.")
                self.wrong(path, words % {"name": shown})

    def _values(
        self, kind: type[Condition], given: dict[Any, Any], path: str
    ) -> dict[str, Any]:
        values: dict[str, Any] = {}
        plain = {key: value for key, value in given.items() if isinstance(value, str)}
        for param in kind.params:
            value = given.get(param.name)
            place = f"{path}/{param.name}"
            if not param.applies(plain):
                if value is not None:
                    self.wrong(place, _("This does not go with the rest."))
            elif value is not None:
                self._value(param, value, place, values)
            elif param.is_required:
                self.wrong(place, _("This is missing."))
        return values

    def _value(
        self, param: Param, value: Any, place: str, values: dict[str, Any]
    ) -> None:
        try:
            found = param.read(value)
        except Wrong as wrong:
            self.wrong(place + wrong.inner, wrong.words)
            return
        values[attribute(param.name)] = found
        if param.of:
            ids = found if isinstance(found, tuple) else (found,)
            self.references.append((place, param.of, ids))


def read(given: Any) -> tuple[Node, Reader]:
    """The tree of what was sent, with whatever it points to; raises SegmentInvalid.

    Whether that exists is not looked up (crm.segments.references).
    """
    reader = Reader()
    node = reader.read(given)
    if node is None:
        raise SegmentInvalid(reader.problems)
    return node, reader


def as_rule(node: Node) -> dict[str, Any]:
    """The rule as it is stored: JSON in one form for one meaning."""
    if isinstance(node, All):
        return {"all": [as_rule(each) for each in node.nodes]}
    if isinstance(node, Any_):
        return {"any": [as_rule(each) for each in node.nodes]}
    if isinstance(node, Not):
        return {"not": as_rule(node.node)}
    found: dict[str, Any] = {"on": node.on}
    for param in node.params:
        value = getattr(node, attribute(param.name))
        if value is not None and value != ():
            found[param.name] = as_json(value)
    return found


def conditions_of(node: Node) -> Iterator[Condition]:
    """Every condition of the tree, from left to right."""
    if isinstance(node, All | Any_):
        for each in node.nodes:
            yield from conditions_of(each)
    elif isinstance(node, Not):
        yield from conditions_of(node.node)
    else:
        yield node


def segments_of(node: Node) -> set[int]:
    """Ids of the segments it refers to."""
    return {each.segment for each in conditions_of(node) if isinstance(each, InSegment)}
