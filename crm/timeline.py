"""The one way to write a member's history, and how it is read: as one timeline.

What happened stands in Event. What has rows of its own anyway (orders, tags, stages,
notes, touches) is not written twice: its app registers a `Source`, and reading merges
them by time, each line once.
"""

from __future__ import annotations

import heapq
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

from django.db import connection, models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from core.copying import copy
from core.inserting import insert_new
from core.registry import Text
from crm.models import Event, Member
from staff.models import Staff
from wechat.models import Account


class Group(models.TextChoices):
    """What the filter chips of a timeline offer."""

    FOLLOW = "follow", _("Follow")
    MESSAGE = "message", _("Messages")
    CLICK = "click", _("Clicks")
    ORDER = "order", _("Orders")
    TOUCH = "touch", _("Touches")
    TAG = "tag", _("Tags")
    STAGE = "stage", _("Stages")
    RELATION = "relation", _("WeCom")
    SERVICE = "service", _("Service")
    CONSENT = "consent", _("Consent")
    NOTE = "note", pgettext_lazy("about a member", "Notes")
    PROFILE = "profile", _("Profile")


@dataclass(frozen=True)
class Wording:
    """How lines of one kind are shown. `text` gets `Event.data`, and may be empty."""

    group: Group
    title: Text
    icon: str
    text: Callable[[dict[str, Any]], Text]


wordings: dict[str, Wording] = {}


def describe(
    kind: str,
    group: Group,
    title: Text,
    *,
    icon: str = "circle",
    text: Callable[[dict[str, Any]], Text] = lambda _data: "",
) -> None:
    """Say how a kind is shown; apps above add theirs in AppConfig.ready()."""
    wordings[kind] = Wording(group, title, icon, text)


def kinds_of(group: str) -> list[str]:
    """Kinds of events under a chip of the timeline."""
    return [kind for kind, wording in wordings.items() if wording.group == group]


def write(
    *,
    member: Member,
    kind: str,
    at: datetime,
    key: str,
    account: Account | None = None,
    data: dict[str, Any] | None = None,
) -> None:
    """Add one line to the history of `member`; the same (key, at) twice is one line.

    Args:
        kind: "follow", "message.text", … (crm.wording, or `describe` of an app above).
        at: when it happened by the source's own time.
        key: names the source row, "inbound:417".
        data: ids and short texts the line needs to be worded; a purge empties it.
    """
    insert_new(
        Event(
            member=member,
            kind=kind,
            at=at,
            key=key[:200],
            account=account,
            data=data or {},
        )
    )


def write_fresh(
    lines: Iterable[tuple[int, str, datetime, str, dict[str, Any]]],
) -> None:
    """Add (member id, kind, at, key, data) of many members at once.

    For whoever knows that none of the keys was written before: one that was raises
    IntegrityError.
    """
    now = timezone.now()
    copy(
        Event._meta.db_table,
        ("member_id", "kind", "at", "key", "data", "recorded_at"),
        (
            (member, kind, at, key[:200], json.dumps(data, ensure_ascii=False), now)
            for member, kind, at, key, data in lines
        ),
    )


_WRITE_MANY = """
INSERT INTO crm_event (member_id, kind, at, key, data)
SELECT member, %s, %s, %s || member, %s::jsonb FROM unnest(%s::bigint[]) AS member
ON CONFLICT (key, at) DO NOTHING
"""


def write_many(
    members: Sequence[int], *, kind: str, at: datetime, key: str, data: dict[str, Any]
) -> None:
    """Add the same line to many histories in one statement.

    `key` names the source; each line's is "<key>:<member>", so that writing the same
    again with the same `at` changes nothing.
    """
    if members:
        with connection.cursor() as cursor:
            cursor.execute(
                _WRITE_MANY, [kind, at, f"{key}:", json.dumps(data), list(members)]
            )


# -- reading


@dataclass(frozen=True)
class Line:
    """One line as people see it. `account`: through which; `url`: where to go on."""

    title: Text
    text: Text = ""
    icon: str = "circle"
    account: str = ""
    url: str = ""


@dataclass(frozen=True)
class Source:
    """Lines kept as rows of their own.

    `rows(member, group)`: the member's rows, of any order; `group` is one of `groups` or
    "" for all. `at`: the field (or annotation) that says when. `lines(rows, staff)`: the
    words of a page of them, one for each, in the same order; it asks the database a
    fixed number of times at most. Shown to holders of `permission`, "" is everybody who
    sees the member.
    """

    name: str
    groups: frozenset[str]
    rows: Callable[[Member, str], models.QuerySet[Any]]
    lines: Callable[[Sequence[Any], Staff], Sequence[Line]]
    at: str = "at"
    permission: str = ""


@dataclass(frozen=True, order=True)
class Cursor:
    """Where a line stands: earlier moments are smaller; of one moment by source and id."""

    at: datetime
    source: str
    id: int

    def __str__(self) -> str:
        micros = (self.at - _EPOCH) // timedelta(microseconds=1)
        return f"{micros}.{self.source}.{self.id}"


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
sources: dict[str, Source] = {}


def add_source(source: Source) -> None:
    """Let lines of another table stand on every timeline; from AppConfig.ready()."""
    sources[source.name] = source


def parse_cursor(text: str) -> Cursor | None:
    """The line shown last; None for the start and for what is no cursor."""
    micros, _dot, rest = text.partition(".")
    name, _dot, pk = rest.partition(".")
    digits = micros + pk
    if not (digits.isascii() and digits.isdigit() and micros and pk):
        return None
    if name not in sources or len(micros) > 16 or len(pk) > 18:
        return None
    return Cursor(_EPOCH + timedelta(microseconds=int(micros)), name, int(pk))


def read(
    member: Member,
    *,
    staff: Staff,
    limit: int,
    group: str = "",
    before: Cursor | None = None,
) -> tuple[list[tuple[Cursor, Line]], bool]:
    """The newest `limit` lines before the cursor, and whether there are earlier ones.

    Costs one query a source and those of the sources' words, however long the history.
    """
    taking = [
        _page(source, member, group, before, limit + 1)
        for source in sources.values()
        if (not group or group in source.groups)
        and (not source.permission or staff.has_perm(source.permission))
    ]
    merged = heapq.merge(*taking, key=lambda pair: pair[0], reverse=True)
    found = list(islice(merged, limit + 1))
    return _worded(found[:limit], staff), len(found) > limit


def _page(
    source: Source, member: Member, group: str, before: Cursor | None, limit: int
) -> list[tuple[Cursor, Any]]:
    rows = source.rows(member, group)
    if before is not None:
        # The first bound lets PostgreSQL leave whole partitions out.
        rows = rows.filter(**{f"{source.at}__lte": before.at})
        if source.name == before.source:
            rows = rows.exclude(**{source.at: before.at, "pk__gte": before.id})
        elif source.name > before.source:
            rows = rows.exclude(**{source.at: before.at})
    found = rows.order_by(f"-{source.at}", "-pk")[:limit]
    return [
        (Cursor(getattr(row, source.at), source.name, row.pk), row) for row in found
    ]


def _worded(found: list[tuple[Cursor, Any]], staff: Staff) -> list[tuple[Cursor, Line]]:
    by_source: dict[str, list[tuple[Cursor, Any]]] = {}
    for cursor, row in found:
        by_source.setdefault(cursor.source, []).append((cursor, row))
    worded = {
        cursor: line
        for name, pairs in by_source.items()
        for (cursor, _row), line in zip(
            pairs, sources[name].lines([row for _c, row in pairs], staff), strict=True
        )
    }
    return [(cursor, worded[cursor]) for cursor, _row in found]
