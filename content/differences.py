"""What changed between two versions, line by line and inside a line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher

from django.utils.translation import gettext as _

from content.models import Version

# A word of Latin letters or digits is one step, every other character its own.
_STEP = re.compile(r"[A-Za-z0-9]+|\s+|.", re.DOTALL)
# Longer lines are shown as taken out and put in: comparing them takes too long.
LONGEST = 1500


@dataclass(frozen=True)
class Part:
    """`kind`: same, gone or new."""

    kind: str
    text: str


@dataclass(frozen=True)
class FieldDifference:
    label: str
    lines: list[list[Part]]


def between(old: Version, new: Version) -> list[FieldDifference]:
    """The fields that differ, each with its lines; [] when both say the same."""
    found = []
    for name in Version.CONTENT_FIELDS:
        before, after = getattr(old, name), getattr(new, name)
        if before == after:
            continue
        label = str(getattr(Version._meta.get_field(name), "verbose_name", name))
        if name == "picture_id":
            lines = [[Part("same", _("Another picture."))]]
        else:
            lines = list(_lines(before, after))
        found.append(FieldDifference(label, lines))
    return found


def _lines(before: str, after: str) -> Iterator[list[Part]]:
    old, new = before.split("\n"), after.split("\n")
    matcher = SequenceMatcher(None, old, new, autojunk=False)
    for tag, i1, i2, j1, j2 in matcher.get_opcodes():
        if tag == "equal":
            yield from ([Part("same", line)] for line in old[i1:i2])
            continue
        gone, come = old[i1:i2], new[j1:j2]
        pairs = min(len(gone), len(come))
        for first, second in zip(gone[:pairs], come[:pairs], strict=True):
            yield list(_parts(first, second))
        yield from ([Part("gone", line)] for line in gone[pairs:])
        yield from ([Part("new", line)] for line in come[pairs:])


def _parts(before: str, after: str) -> Iterator[Part]:
    if max(len(before), len(after)) > LONGEST:
        yield Part("gone", before)
        yield Part("new", after)
        return
    old, new = _STEP.findall(before), _STEP.findall(after)
    matcher = SequenceMatcher(None, old, new, autojunk=False)
    for tag, i1, i2, j1, j2 in matcher.get_opcodes():
        if tag == "equal":
            yield Part("same", "".join(old[i1:i2]))
            continue
        if i1 < i2:
            yield Part("gone", "".join(old[i1:i2]))
        if j1 < j2:
            yield Part("new", "".join(new[j1:j2]))
