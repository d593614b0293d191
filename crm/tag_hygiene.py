"""What is wrong with the tags: unused, double, too broad.

From last night's counts (TagCount), so the page reads a few hundred rows whatever the
number of members.
"""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db import models
from django.db.models import Max, Sum
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from core.registry import Text
from crm import registry
from crm.auto_tags import ONE_PER_CATEGORY
from crm.auto_tags.running import CATEGORY_RULE
from crm.models import Tag, TagCount, ValueCount
from crm.models.tags import Source
from staff.models import Staff

CHANGE = "crm.change_tag"

# Rules of tags (domain): archived after 90 days without use; "nearly everybody" says
# nothing about anybody.
UNUSED_DAYS = 90
BROAD_SHARE = 0.8


class Hold(models.TextChoices):
    """What speaks against archiving an unused tag, the first that holds."""

    NONE = "none", _("May be archived")
    USED = "used", _("Still named somewhere")
    RULE = "rule", _("Put on by a rule")
    SHARED = "shared", _("Built in, shared by all")


@dataclass(frozen=True)
class Line:
    """A tag with its count; `share` of all members, None while nobody was counted.

    `uses`: what names the tag, as far as the person sees it. `may_archive`: whether the tag is the person's to put away.
    """

    tag: Tag
    members: int
    last_set_at: datetime | None
    share: float | None
    uses: Sequence[Text] = ()
    may_archive: bool = False

    @property
    def hold(self) -> Hold:
        if self.uses:
            return Hold.USED
        if _follows_a_rule(self.tag):
            return Hold.RULE
        return Hold.NONE if self.may_archive else Hold.SHARED


@dataclass
class Findings:
    """`double`: groups of tags whose names say the same."""

    unused: list[Line] = field(default_factory=list)
    double: list[list[Line]] = field(default_factory=list)
    broad: list[Line] = field(default_factory=list)
    counted_at: datetime | None = None

    @property
    def unused_by_hold(self) -> list[tuple[Hold, list[Line]]]:
        """The unused tags by what speaks against archiving them, those without first."""
        groups = [(h, [line for line in self.unused if line.hold is h]) for h in Hold]
        return [(hold, lines) for hold, lines in groups if lines]


def look(staff: Staff, now: datetime | None = None) -> Findings:
    """What the person may clean up, of tags in use."""
    now = now or timezone.now()
    counts = _counts(staff)
    everybody = _everybody(staff)
    tags = Tag.objects.visible_to(staff).in_use().select_related("group")
    uses = _uses(staff)
    lines = [
        _line(
            tag,
            counts,
            everybody,
            uses=uses.get(tag.pk, ()),
            may_archive=may_archive(tag, staff),
        )
        for tag in tags
    ]
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
        if _is_unused(line, limit):
            found.unused.append(line)
        if line.share is not None and line.share >= BROAD_SHARE:
            found.broad.append(line)
    return found


def _is_unused(line: Line, limit: datetime) -> bool:
    """Not put on anybody since; nobody can have used yet what people just made."""
    if line.last_set_at is not None:
        return line.last_set_at < limit
    made = None if line.tag.builtin_key else line.tag.created_at
    return made is None or made < limit


def _counts(staff: Staff) -> dict[int, tuple[int, datetime, datetime]]:
    rows = TagCount.objects.visible_to(staff).values_list("tag")
    sums = rows.annotate(Sum("members"), Max("last_set_at"), Max("counted_at"))
    return {tag: (members, last, at) for tag, members, last, at in sums}


def _everybody(staff: Staff) -> int:
    """Members as last night's ladder counted them."""
    rows = ValueCount.objects.visible_to(staff).filter(ladder=ValueCount.Ladder.STAGE)
    return rows.aggregate(all=Sum("members"))["all"] or 0


def may_archive(tag: Tag, staff: Staff) -> bool:
    """Tags of one's own data controller; the shared ones are the administrators'."""
    is_theirs = tag.controller_id is not None or staff.is_superuser
    return is_theirs and staff.has_perm(CHANGE)


def _uses(staff: Staff) -> dict[int, list[Text]]:
    """What names each tag: the rules of segments, audiences of touches."""
    found: dict[int, list[Text]] = defaultdict(list)
    for told in registry.tag_uses_seen:
        for tag, uses in told(staff).items():
            found[tag] += uses
    return found


def _follows_a_rule(tag: Tag) -> bool:
    """Built in and put on by the console itself, or the own tag of a category."""
    if tag.group.source != Source.AUTO:
        return False
    return bool(tag.builtin_key) or tag.rule == CATEGORY_RULE


def _line(
    tag: Tag,
    counts: dict[int, tuple[int, datetime, datetime]],
    everybody: int,
    **more: Any,
) -> Line:
    members, last, _at = counts.get(tag.pk, (0, None, None))
    share = members / everybody if everybody else None
    return Line(tag, members, last, share, **more)


def _double(lines: Iterable[Line]) -> list[list[Line]]:
    same: dict[str, list[Line]] = defaultdict(list)
    for line in lines:
        same[_plain(line.tag.name)].append(line)
    return [group for name, group in sorted(same.items()) if len(group) > 1 and name]


def _plain(name: str) -> str:
    """The name without case, width, spaces, punctuation and its group before the dot."""
    text = unicodedata.normalize("NFKC", name).casefold().rpartition("·")[2]
    return "".join(char for char in text if char.isalnum())
