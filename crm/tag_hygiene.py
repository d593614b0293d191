"""What is wrong with the tags: unused, double, too broad, and rules without a source.

From last night's counts (TagCount), so the page reads a few hundred rows whatever the
number of members.
"""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db.models import Max, Sum
from django.utils import timezone

from core.registry import Text
from crm.auto_tags import ONE_PER_CATEGORY, WITHOUT_SOURCE
from crm.models import Tag, TagCount, ValueCount
from staff.models import Staff

# Rules of tags (domain): archived after 90 days without use; "nearly everybody" says
# nothing about anybody.
UNUSED_DAYS = 90
BROAD_SHARE = 0.8


@dataclass(frozen=True)
class Line:
    """A tag with its count; `share` of all members, None while nobody was counted.

    `why`: what keeps its rule from running.
    """

    tag: Tag
    members: int
    last_set_at: datetime | None
    share: float | None
    why: Text = ""


@dataclass
class Findings:
    """`double`: groups of tags whose names say the same."""

    unused: list[Line] = field(default_factory=list)
    double: list[list[Line]] = field(default_factory=list)
    broad: list[Line] = field(default_factory=list)
    without_source: list[Line] = field(default_factory=list)
    counted_at: datetime | None = None


def look(staff: Staff, now: datetime | None = None) -> Findings:
    """What the person may clean up, of tags in use."""
    now = now or timezone.now()
    counts = _counts(staff)
    everybody = _everybody(staff)
    tags = Tag.objects.visible_to(staff).in_use().select_related("group")
    lines = [_line(tag, counts, everybody) for tag in tags]
    found = Findings(
        counted_at=max((row[2] for row in counts.values()), default=None),
        double=_double(lines),
    )
    if found.counted_at is None:
        return found
    limit = now - timedelta(days=UNUSED_DAYS)
    for line in lines:
        if line.tag.builtin_key == ONE_PER_CATEGORY:
            continue
        if line.tag.builtin_key in WITHOUT_SOURCE:
            found.without_source.append(line)
        elif line.last_set_at is None or line.last_set_at < limit:
            found.unused.append(line)
        if line.share is not None and line.share >= BROAD_SHARE:
            found.broad.append(line)
    return found


def _counts(staff: Staff) -> dict[int, tuple[int, datetime, datetime]]:
    rows = TagCount.objects.visible_to(staff).values_list("tag")
    sums = rows.annotate(Sum("members"), Max("last_set_at"), Max("counted_at"))
    return {tag: (members, last, at) for tag, members, last, at in sums}


def _everybody(staff: Staff) -> int:
    """Members as last night's ladder counted them."""
    rows = ValueCount.objects.visible_to(staff).filter(ladder=ValueCount.Ladder.STAGE)
    return rows.aggregate(all=Sum("members"))["all"] or 0


def _line(
    tag: Tag, counts: dict[int, tuple[int, datetime, datetime]], everybody: int
) -> Line:
    members, last, _at = counts.get(tag.pk, (0, None, None))
    share = members / everybody if everybody else None
    return Line(tag, members, last, share, WITHOUT_SOURCE.get(tag.builtin_key, ""))


def _double(lines: Iterable[Line]) -> list[list[Line]]:
    same: dict[str, list[Line]] = defaultdict(list)
    for line in lines:
        same[_plain(line.tag.name)].append(line)
    return [group for name, group in sorted(same.items()) if len(group) > 1 and name]


def _plain(name: str) -> str:
    """The name without case, width, spaces, punctuation and its group before the dot."""
    text = unicodedata.normalize("NFKC", name).casefold().rpartition("·")[2]
    return "".join(char for char in text if char.isalnum())
