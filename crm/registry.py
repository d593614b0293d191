"""Where higher apps hang on to people. Filled in AppConfig.ready()."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from inspect import signature
from typing import TYPE_CHECKING

from django.http import HttpRequest

from core.registry import Text

if TYPE_CHECKING:
    from crm.journal import Journal, Undo
    from crm.models import Identity, Member, Segment, StageChange, Tag
    from staff.models import Staff


@dataclass(frozen=True)
class Panel:
    """One box of the member page.

    `render(request, member)` returns safe HTML (`render_to_string`), or "" to leave the
    box out. Shown to holders of `permission`, in the column `side`: "left" says who
    somebody is, "right" what they have with us.
    """

    name: str
    title: Text
    permission: str
    render: Callable[[HttpRequest, Member], str]
    order: int = 100
    side: str = "right"


@dataclass(frozen=True)
class Quota:
    """What is left of a limit for one person through one channel.

    `text` is the whole sentence ("3 of 4 mass messages left this month"); `left` 0 shows
    it as used up.
    """

    text: Text
    left: int


# handler(primary, duplicate, actor), or with the journal of the merge as the fourth.
MergeHandler = Callable[..., None]
UnmergeHandler = Callable[["Member", "Member", "Undo"], None]
PurgeHandler = Callable[["Member"], None]

# What is left of the quotas of an app above, by the identities' ids.
ChannelQuotas = Callable[
    ["Member", Sequence["Identity"]], Mapping[int, Sequence[Quota]]
]
# Why a stage or trust level changed, "" for a reason of somebody else.
ReasonWords = Callable[["StageChange"], Text]

# What of an app above uses a tag, one sentence each: such a tag can't be deleted.
TagUses = Callable[["Tag"], Sequence[Text]]

# Every tag in use by what `staff` sees, at once: {tag id: one sentence each}.
TagUsesSeen = Callable[["Staff"], Mapping[int, Sequence[Text]]]

# (ids of members, tag, who did it), in the transaction of the change.
TagHandler = Callable[[Sequence[int], "Tag", "Staff"], None]

# What of an app above uses a segment, for who asks: (words, address) each; and how many
# for a page of the list ({segment id: uses} of the ids given).
SegmentUses = Callable[["Segment", "Staff"], Sequence[tuple[Text, str]]]
SegmentUseCounts = Callable[[Sequence[int]], dict[int, int]]

panels: list[Panel] = []
tag_uses: list[TagUses] = []
tag_uses_seen: list[TagUsesSeen] = []
channel_quotas: list[ChannelQuotas] = []
reason_words: list[ReasonWords] = []
segment_uses: list[SegmentUses] = []
segment_use_counts: list[SegmentUseCounts] = []
_on_merge: list[MergeHandler] = []
_on_unmerge: list[UnmergeHandler] = []
# Labels of tables with a key to Member that are counted from others and can be again.
derived_tables: set[str] = set()
# Labels of tables whose rows a handler brings over.
settled_tables: set[str] = set()
_on_purge: list[PurgeHandler] = []
_on_tagged: list[TagHandler] = []
_on_untagged: list[TagHandler] = []


def add_panel(panel: Panel) -> None:
    """Put a box on the member page, by its order."""
    panels.append(panel)
    panels.sort(key=lambda each: each.order)


def on_merge(handler: MergeHandler) -> MergeHandler:
    """Register `handler(primary, duplicate, actor[, journal])` for what must be combined.

    Runs in the transaction of the merge, which holds both members locked. A table with
    a foreign key to Member needs no handler: its rows have gone over before, but for
    those a unique rule forbids, which are dropped, and those of `settled` tables. What
    handlers do to rows of members is undone by itself; rows of other tables are told to
    the journal (crm.journal).
    """
    _on_merge.append(handler)
    return handler


def on_unmerge(handler: UnmergeHandler) -> UnmergeHandler:
    """Register `handler(kept, returning, undo)`: what came in since the merge.

    Runs before the rows are put back: `undo.targets(Model)` may still be changed, and
    `undo.then(work)` does something once they are.
    """
    _on_unmerge.append(handler)
    return handler


def derived(*labels: str) -> None:
    """These tables ("reports.memberday") are counted anew; a merge leaves them alone."""
    derived_tables.update(labels)


def settled(*labels: str) -> None:
    """Of these tables a handler decides what goes over and what is put together."""
    settled_tables.update(labels)


def tell_merge(
    primary: Member, duplicate: Member, *, actor: Staff, journal: Journal
) -> None:
    """Call what `on_merge` registered; crm.merging alone does."""
    for handler in _on_merge:
        if len(signature(handler).parameters) > 3:
            handler(primary, duplicate, actor, journal)
        else:
            handler(primary, duplicate, actor)


def tell_unmerge(kept: Member, returning: Member, undo: Undo) -> None:
    """Call what `on_unmerge` registered; crm.merging alone does."""
    for handler in _on_unmerge:
        handler(kept, returning, undo)


def on_purge(handler: PurgeHandler) -> PurgeHandler:
    """Register `handler(member)`: erase what the app keeps of the person.

    Runs in the transaction of the purge, while the identities still stand.
    """
    _on_purge.append(handler)
    return handler


def tell_purge(member: Member) -> None:
    """Call what `on_purge` registered; crm.purging alone does."""
    for handler in _on_purge:
        handler(member)


def on_tagged(handler: TagHandler) -> TagHandler:
    """Register `handler(members, tag, actor)`: called when at least one got the tag.

    `members` are all that were meant, also those who carried it before.
    """
    _on_tagged.append(handler)
    return handler


def on_untagged(handler: TagHandler) -> TagHandler:
    """As `on_tagged`, when it was taken off by somebody; not when its time was over."""
    _on_untagged.append(handler)
    return handler


def tell_tagged(members: Sequence[int], tag: Tag, *, actor: Staff) -> None:
    """Call what `on_tagged` registered; crm.tagging alone does."""
    for handler in _on_tagged:
        handler(members, tag, actor)


def tell_untagged(members: Sequence[int], tag: Tag, *, actor: Staff) -> None:
    """Call what `on_untagged` registered; crm.tagging alone does."""
    for handler in _on_untagged:
        handler(members, tag, actor)
